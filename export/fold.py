"""A trained network without batch normalisation: each is a scale and a shift of the convolution."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from clearer.network import RestorationNet

__all__ = ["fold_batch_norm", "halve_body"]


def fold_batch_norm(network: RestorationNet) -> RestorationNet:
    """A copy whose convolutions hold what the batch normalisation behind them did.

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


class _Cast(nn.Module):
    def __init__(self, dtype: torch.dtype) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.to(self.dtype)


def halve_body(network: RestorationNet) -> RestorationNet:
    """A copy that computes in fp16 between its fp32 input and output.

    Batch normalisation is folded first, in fp32: its variances may be too small for fp16. Padding
    and the last subtraction stay fp32, so that the image itself is not rounded to 11 bits.

    Raises:
        ValueError: If the network is in training mode.
    """
    halved = fold_batch_norm(network).half()
    halved.add_module("input", nn.Sequential(_Cast(torch.float16), halved.input))
    halved.add_module("output", nn.Sequential(halved.output, _Cast(torch.float32)))
    return halved
