"""How much each channel of a network matters.

Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from clearer.data.patches import Batch
from clearer.networks.network import RestorationNet
from clearer.pruning.channels import Group, layers_of
from clearer.training.losses import root_error_loss

__all__ = ["channel_importance"]


def channel_importance(network: RestorationNet, batches: Sequence[Batch]) -> dict[Group, Tensor]:
    """Squared change of the loss, to first order, if a channel were zero, summed over batches.

    A channel is zero if each batch normalisation that writes it has weight and bias 0.

    Args:
        network: A trained network in evaluation mode; it stays as it is.
        batches: Training batches on its device.

    Returns:
        For each group of channels, a value per channel.
    """
    layers = [layer for layer in layers_of(network) if layer.norm is not None]
    written = {layer.norm: layer.writes for layer in layers}
    importance: dict[Group, Tensor] = {}
    parameters = [
        (group, network.get_parameter(f"{norm}.{name}"))
        for norm, group in written.items()
        for name in ("weight", "bias")
    ]
    for batch in batches:
        loss = root_error_loss(network(batch.degraded), batch.clean, batch.mask)
        gradients = torch.autograd.grad(loss, [parameter for _, parameter in parameters])
        changes: dict[Group, Tensor] = {}
        for (group, parameter), gradient in zip(parameters, gradients, strict=True):
            assert group is not None
            changes[group] = changes.get(group, torch.zeros(())) + parameter.detach() * gradient
        for group, change in changes.items():
            importance[group] = importance.get(group, torch.zeros(())) + change.square()
    return importance
