"""Learning rates as functions of the iteration."""

from __future__ import annotations

import math

from torch.optim import Optimizer

__all__ = ["cosine", "set_learning_rate"]


def cosine(iteration: int, total: int, start: float, end: float, warmup: int = 0) -> float:
    """Rise linearly over ``warmup`` iterations to ``start``, fall along a cosine to ``end``, stay.

    Args:
        iteration: From 0.
        total: Iterations of rise and fall.
        start: The peak.
        end: The rate from iteration ``total`` on.
        warmup: Iterations of the linear rise.
    """
    if iteration < warmup:
        return start * (iteration + 1) / warmup
    if iteration >= total:
        return end
    progress = (iteration - warmup) / (total - warmup)
    return end + (start - end) * (1 + math.cos(math.pi * progress)) / 2


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Set it for all parameters."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
