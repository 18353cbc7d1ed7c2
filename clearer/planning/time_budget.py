"""How many iterations of training, or of a race, fit into a time on this machine."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import torch

from clearer.data.splits import Splits
from clearer.errors import InputError
from clearer.networks.network import RestorationNet
from clearer.restoring.evaluate import validate
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings, with_iterations
from clearer.searching.race import race_speed_up
from clearer.searching.side_by_side import num_side_by_side
from clearer.searching.training_work import iteration_work, work_of
from clearer.space.shapes import smallest_network
from clearer.space.space import Architecture
from clearer.support.threads import computing_with
from clearer.training.processes import Processes
from clearer.training.teacher import load_teacher
from clearer.training.training_step import (
    TrainingStep,
    compile_training,
    new_training_state,
    threads_for_training,
    training_sampler,
)

__all__ = ["fit_race_to_time", "fit_training_to_time", "planned_work"]

_WARMUP_STEPS: Final = 5
_TIMED_STEPS: Final = 12
_VALIDATIONS: Final = 6
_STREAM: Final = 5
_PROBE_WIDTH: Final = 16
"""Width of the network that is timed first. Those of a race compute about as much."""


def fit_training_to_time(
    run: Run, minutes: float, splits: Splits, processes: Processes
) -> RunSettings:
    """Set the iterations of a run's training to those that fit, and write its settings.

    The schedule then spans exactly these iterations, so that the training can be repeated and
    resumed like any other. The speed is that of a few steps now: if the machine becomes busier, the
    training takes longer.

    Args:
        run: A run with an architecture and no training yet.
        minutes: Time for steps and validations.
        splits: Pictures of the run.
        processes: Those that train together.

    Raises:
        InputError: If the time is too short for a few steps, or the training has started.
    """
    if run.train_checkpoint.exists() or run.weights.exists():
        raise InputError("the training has begun, with its iterations set: leave out --minutes")
    settings = run.settings()
    seconds = torch.tensor(_seconds(run, settings, splits, processes))
    processes.average([seconds])
    step_s, validation_s = seconds.tolist()
    num_validations = _VALIDATIONS + (settings.fine_tuned_from is not None)  # one before step 1
    left_s = 60 * minutes - num_validations * validation_s
    iterations = int(left_s / step_s)
    if iterations < _VALIDATIONS:
        least = (num_validations * (validation_s + step_s)) / 60
        raise InputError(f"--minutes {minutes:g} is too short: give at least {least * 1.5:.2g}")
    train = replace(
        with_iterations(settings.train, iterations), validate_every=-(-iterations // _VALIDATIONS)
    )
    settings = replace(settings, train=train, minutes=None)
    processes.on_first(lambda: run.write_config(settings))
    return settings


def planned_work(settings: RunSettings, minutes: float | None, splits: Splits) -> float:
    """Work of the training that follows a race (see :mod:`clearer.searching.training_work`).

    Args:
        settings: Settings of a run that is not made yet.
        minutes: Time for the training, if that limits it.
        splits: Pictures of the run.
    """
    train = settings.train
    if minutes is None:
        if settings.work is not None:
            return settings.work
        return work_of(train.iterations, train.batch_size, train.patch_size)
    probe = smallest_network(settings.space, width=_PROBE_WIDTH, unshuffle=1)
    alone = Processes()
    with computing_with(threads_for_training(settings, probe, splits.train, alone)):
        seconds = _step_seconds(settings, probe, splits, alone)
    return 60 * minutes / seconds * iteration_work(probe)


def fit_race_to_time(
    settings: RunSettings,
    contenders: Sequence[Architecture],
    minutes: float,
    splits: Splits,
    processes: Processes,
) -> RunSettings:
    """Set the iterations of a race to those that fit, judged by its most usual network.

    Args:
        settings: Settings of a run that is not made yet.
        contenders: Networks of the race.
        minutes: Time for all rounds.
        splits: Pictures of the run.
        processes: Those that will search.
    """
    usual = min(contenders, key=lambda a: abs(math.log(iteration_work(a))))
    count = num_side_by_side(settings, splits, len(contenders), processes)
    with computing_with(1 if count > 1 else torch.get_num_threads()):
        # In one process: the others wait until the run is made.
        seconds = _step_seconds(settings, usual, splits, Processes())
    seconds /= race_speed_up(len(contenders), count)
    iterations = int(60 * minutes / seconds * iteration_work(usual))
    race = replace(settings.race, iterations=max(iterations, settings.race.contenders))
    return replace(settings, race=race)


def _seconds(
    run: Run, settings: RunSettings, splits: Splits, processes: Processes
) -> tuple[float, float]:
    """Seconds of a step and of a validation, with throw-away networks."""
    import skimage.metrics  # noqa: F401 - else the first SSIM imports it while being timed

    architecture = run.read_architecture()
    teacher = load_teacher(run, settings)
    with computing_with(threads_for_training(settings, architecture, splits.train, processes)):
        step_s = _step_seconds(settings, architecture, splits, processes, teacher)
    network = new_training_state(settings, architecture, processes).average.network
    start = time.perf_counter()
    level_map = settings.space.level_map
    validate(network, splits.val, settings.task, device=settings.device, level_map=level_map)
    return step_s, time.perf_counter() - start


def _step_seconds(
    settings: RunSettings,
    architecture: Architecture,
    splits: Splits,
    processes: Processes,
    teacher: RestorationNet | None = None,
) -> float:
    """Seconds of a step, with a throw-away network; compiled if the training will surely be."""
    settings = replace(settings, space=architecture.space)
    state = new_training_state(settings, architecture, processes)
    sampler = training_sampler(settings, splits.train, _STREAM, processes)
    if settings.compile == "on":
        compile_training(state, settings, sampler.batch(0), lambda line: None)
    step = TrainingStep(settings, state, processes, lambda line: None, teacher=teacher)
    rate, start = settings.train.learning_rate, 0.0
    for index in range(_WARMUP_STEPS + _TIMED_STEPS):
        loss = step(sampler.batch(index), rate, index)
        if index + 1 in (_WARMUP_STEPS, _WARMUP_STEPS + _TIMED_STEPS):
            loss.item()  # waits for the device
        if index + 1 == _WARMUP_STEPS:
            start = time.perf_counter()
    return (time.perf_counter() - start) / _TIMED_STEPS
