"""Statistics of batch normalisation, measured anew for given weights."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

__all__ = ["float_buffers", "measure_statistics"]


def float_buffers(network: nn.Module) -> list[Tensor]:
    """Means and variances of all layers."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]


@torch.no_grad()
def measure_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of a network by their means over some batches, in place.

    Running statistics follow weights that change: early in a training, and all the more in a deep
    network, they are those of weights that are gone. Averaged weights never had any of their own.

    Args:
        network: In evaluation mode, before and after.
        batches: Degraded patches ``(N, C, H, W)``.
    """
    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean over all that is seen
        norm.train()
    try:
        for batch in batches:
            network(batch)
    finally:
        for norm, momentum in zip(norms, kept, strict=True):
            norm.momentum = momentum
            norm.eval()
