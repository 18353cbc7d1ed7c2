"""Batch normalisation outside training: with batch statistics, or statistics measured anew."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor, nn

from clearer.operations.layers import batch_norms

__all__ = ["batch_statistics", "float_buffers", "measure_statistics"]


def float_buffers(network: nn.Module) -> list[Tensor]:
    """Running means and variances of all layers."""
    return [buffer for buffer in network.buffers() if buffer.is_floating_point()]


@torch.no_grad()
def measure_statistics(network: nn.Module, batches: Iterable[Tensor]) -> None:
    """Replace the running statistics of a network with their means over some batches, in place.

    Running statistics lag behind weights that change: early in training, and in deep networks most
    of all, they belong to older weights. Averaged weights never had any of their own.

    Args:
        network: A network in evaluation mode; it stays in it.
        batches: Degraded patches ``(N, C, H, W)``.
    """
    for norm in batch_norms(network):
        norm.reset_running_stats()
    with batch_statistics(network, momentum=None):  # the mean over all batches
        for batch in batches:
            network(batch)


@contextlib.contextmanager
def batch_statistics(network: nn.Module, momentum: float | None) -> Iterator[None]:
    """Use batch statistics inside the context, in a network that is in evaluation mode.

    Args:
        network: Any network.
        momentum: Momentum of the running statistics: 0 leaves them as they are, None makes
            them the mean over all batches since they were reset.
    """
    norms = batch_norms(network)
    kept = [norm.momentum for norm in norms]
    for norm in norms:
        norm.train()
        norm.momentum = momentum
    try:
        yield
    finally:
        for norm, value in zip(norms, kept, strict=True):
            norm.eval()
            norm.momentum = value
