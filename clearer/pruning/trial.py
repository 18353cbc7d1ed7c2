"""Which way to cut a network is best: each is trained for a moment."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Final

import torch

from clearer.networks.network import RestorationNet
from clearer.operations.layers import batch_norms
from clearer.pictures.images import ImageSet
from clearer.runs.settings import RunSettings
from clearer.training.losses import root_error_loss
from clearer.training.processes import Processes
from clearer.training.schedule import cosine
from clearer.training.training_step import TrainingStep, new_training_state, training_sampler

__all__ = ["best_learner"]

_SHARE: Final = 1 / 8
"""Of the training, in iterations or minutes, for each trial at most."""
_MAX_ITERATIONS: Final = 100
_WARMUP_SHARE: Final = 0.1
_TIMED: Final = 3
_STREAM: Final = 9
_SCORE_BATCHES: Final = 8


def best_learner(
    ways: Sequence[RestorationNet],
    settings: RunSettings,
    images: ImageSet,
    tell: Callable[[float], None],
) -> int:
    """The network that restores best after a short training, of what a cut may leave.

    How much a cut changes the output says little about what the network can learn again: fewer
    channels change it more than fewer blocks do, and cost less once the rest has adapted. All ways
    are trained and compared on the same batches, with batch normalisation frozen, as afterwards.

    Args:
        ways: The networks.
        settings: Settings of the training; those of the space are ignored.
        images: Training pictures.
        tell: Called with the share of the work that is done, at most 1.

    Returns:
        Its index. The first one, if the training is too short for a trial.
    """
    if len(ways) == 1 or (total := _num_iterations(ways[0], settings, images)) == 0:
        return 0
    errors = []
    for index, way in enumerate(ways):

        def listener(done: int, place: int = index) -> None:
            tell((place + done / total) / len(ways))

        errors.append(_error_after(total, way, settings, images, listener))
    return errors.index(min(errors))


def _num_iterations(network: RestorationNet, settings: RunSettings, images: ImageSet) -> int:
    """Iterations of a trial: a share of the training, or of the time for it."""
    if settings.minutes is None:
        return min(_MAX_ITERATIONS, int(_SHARE * settings.train.iterations))
    times = [time.monotonic()]
    _error_after(_TIMED, network, settings, images, lambda done: times.append(time.monotonic()))
    step_s = min(later - earlier for earlier, later in pairwise(times))
    return min(_MAX_ITERATIONS, int(_SHARE * 60 * settings.minutes / step_s))


def _error_after(
    total: int,
    network: RestorationNet,
    settings: RunSettings,
    images: ImageSet,
    listener: Callable[[int], None],
) -> float:
    """Root mean square error on batches that were not trained on, after so many iterations."""
    settings = replace(settings, space=network.architecture.space)
    train, alone = settings.train, Processes()
    state = new_training_state(settings, network.architecture, alone)
    state.network.load_state_dict(network.state_dict())
    for norm in batch_norms(state.network):
        norm.eval()
    sampler = training_sampler(settings, images, _STREAM, alone)
    step = TrainingStep(settings, state, alone, lambda line: None)
    warmup = max(1, round(_WARMUP_SHARE * total))
    for iteration in range(total):
        rate = cosine(iteration, total, train.learning_rate, 0.0, warmup)
        step(sampler.batch(iteration), rate, iteration)
        listener(iteration + 1)
    batches = [sampler.batch(total + index) for index in range(_SCORE_BATCHES)]
    trained = state.network.eval()
    with torch.no_grad():
        errors = [root_error_loss(trained(b.degraded), b.clean, b.mask) for b in batches]
    mean = float(torch.stack(errors).mean())
    return mean if math.isfinite(mean) else math.inf
