"""Learning rates as functions of the iteration."""

from __future__ import annotations

import math

from torch import Tensor
from torch.optim import Optimizer

from clearer.runs.settings import TrainSettings

__all__ = ["cosine", "set_learning_rate", "training_rate"]


def cosine(iteration: int, total: int, start: float, end: float, warmup: int = 0) -> float:
    """Rise linearly over ``warmup`` iterations to ``start``, decay along a cosine to ``end``, stay.

    Args:
        iteration: From 0.
        total: Iterations of rise and decay.
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


def training_rate(settings: TrainSettings, iteration: int, frozen: int) -> float:
    """Learning rate at an iteration, with batch normalisation frozen from ``frozen`` on.

    If it is frozen from the start, as in fine-tuning, there is a single decay from the peak.
    """
    peak, warmup = settings.learning_rate, settings.warmup_iterations
    if iteration < frozen:
        return cosine(iteration, frozen, peak, 0.0, warmup)
    if frozen:
        peak, warmup = settings.frozen_norm_rate * peak, 0
    return cosine(iteration - frozen, settings.iterations - frozen, peak, 0.0, warmup)


def set_learning_rate(optimizer: Optimizer, learning_rate: float) -> None:
    """Set the rate of all parameters; a rate that is a tensor is filled in place."""
    for group in optimizer.param_groups:
        if isinstance(group["lr"], Tensor):
            group["lr"].fill_(learning_rate)
        else:
            group["lr"] = learning_rate
