"""Folds batch normalisation into convolutions: each is a scale and a shift of one."""

from __future__ import annotations

import copy
from itertools import pairwise

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clearer.networks.network import RestorationNet

__all__ = ["fold_batch_norm"]


def fold_batch_norm(network: RestorationNet) -> RestorationNet:
    """A copy whose convolutions include the batch normalisation that followed them.

    Args:
        network: In evaluation mode.

    Raises:
        ValueError: If the network is in training mode.
    """
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
    folded = copy.deepcopy(network)
    for module in folded.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for (name, layer), (next_name, following) in pairwise(list(module.named_children())):
            if isinstance(layer, nn.Conv2d) and isinstance(following, nn.BatchNorm2d):
                setattr(module, name, fuse_conv_bn_eval(layer, following))
                setattr(module, next_name, nn.Identity())
    return folded
