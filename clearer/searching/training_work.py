"""How much networks compute in a training, and how much a training of a given length uses well."""

from __future__ import annotations

import math
from typing import Final

from clearer.costs.cost import network_convs
from clearer.space.space import Architecture

__all__ = ["LEAST_USEFUL_WORK", "USUAL_WORK", "iteration_work", "useful_work", "work_of"]

USUAL_WORK: Final = 0.8
"""Work per iteration of a usual network, whose time is about that of FFDNet."""
LEAST_USEFUL_WORK: Final = 0.28
"""Work per iteration that the shortest training uses well, which is that of preset ``quick``."""
_SHORTEST: Final = 1_120 * 8 * 48**2
"""That training: its work, times the pixels of its batches."""
_REFERENCE_WORK: Final = 100_000.0
# What each output of a convolution costs in a training step besides its arithmetic (normalisation,
# ReLU and sums are memory-bound), in multiply-accumulates.
_OUTPUT_WORK: Final = 60.0


def iteration_work(architecture: Architecture) -> float:
    """Work of a training iteration, relative to a usual network of 100 thousand MACs per pixel."""
    convs = network_convs(architecture)
    work = sum(conv.macs + _OUTPUT_WORK * conv.activations for conv in convs)
    return work / (1.5 * _REFERENCE_WORK)


def useful_work(work: float, batch_size: int, patch_size: int) -> float:
    """Work per iteration of the networks that restore best after a training of this length.

    In the same time, smaller networks see more pictures. As in language models, the best size and
    the number of pictures grow alike, with the square root of all work (Hoffmann et al., "Training
    Compute-Optimal Large Language Models", NeurIPS 2022).

    Args:
        work: Of all iterations: their number, times the work of each.
        batch_size: Patches per iteration.
        patch_size: Their side in pixels.
    """
    lengths = work * batch_size * patch_size**2 / _SHORTEST
    return LEAST_USEFUL_WORK * math.sqrt(max(1.0, lengths))


def work_of(iterations: int, batch_size: int, patch_size: int) -> float:
    """Work of so many iterations of the network that restores best after them.

    The inverse: such a network's :func:`useful_work` is the work that this returns, per iteration.
    """
    # With u the useful work: work = iterations * u, and u = least * sqrt(work * pixels / shortest).
    pixels = batch_size * patch_size**2
    return (iterations * LEAST_USEFUL_WORK) ** 2 * pixels / _SHORTEST
