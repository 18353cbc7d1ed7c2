"""Exponential moving average of a network's weights and normalisation statistics."""

from __future__ import annotations

import copy
from typing import Final

import torch
from torch import Tensor, nn

__all__ = ["MovingAverage"]

_RAMP: Final = 10


class MovingAverage:
    """A second network whose floating-point state follows the first.

    The decay rises from 1/11 to its final value, so that the random initial weights are forgotten.

    Args:
        network: The network in training; it is copied.
        span: Updates that the average spans: the decay ends at ``1 - 1 / span``.
    """

    def __init__(self, network: nn.Module, span: float) -> None:
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = 1 - 1 / max(span, 1.0)
        self._averages = _floats(self.network)
        self._sources = _floats(network)

    def rate(self, num_updates: int) -> float:
        """How far to move towards the network after its update number ``num_updates``, from 0."""
        return 1 - min(self.decay, (1 + num_updates) / (_RAMP + 1 + num_updates))

    @torch.no_grad()
    def update(self, rate: float | Tensor) -> None:
        """Move towards the network, by a rate from :meth:`rate`."""
        steps = torch._foreach_sub(self._sources, self._averages)
        torch._foreach_mul_(steps, rate)
        torch._foreach_add_(self._averages, steps)

    @torch.no_grad()
    def copy_statistics(self, network: nn.Module) -> None:
        """Give a network the averaged normalisation statistics: its own follow recent batches."""
        for target, source in zip(network.buffers(), self.network.buffers(), strict=True):
            target.copy_(source)


def _floats(network: nn.Module) -> list[Tensor]:
    return [tensor for tensor in network.state_dict().values() if tensor.is_floating_point()]
