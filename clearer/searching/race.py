"""A race between networks: all train with the same work, the worse half drops out, and so on.

Successive halving: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
Hyperparameter Optimization", AISTATS 2016. Work is counted, not timed, so that a race has the same
result everywhere: an iteration of a network that computes twice as much counts twice.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

import torch

from clearer.data.patches import Batch, PatchSampler
from clearer.data.splits import Splits
from clearer.errors import ClearerError, InputError, Interrupted
from clearer.runs.checkpoint import checkpoint_errors, load_checkpoint, save_checkpoint
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.standing import Score, expected_db
from clearer.searching.training_work import iteration_work
from clearer.space.space import Architecture
from clearer.support.files import read_record, write_json
from clearer.support.interrupt import StopRequest
from clearer.training.loop import Checkpoints, Loop
from clearer.training.norm_statistics import batch_statistics
from clearer.training.progress import Progress
from clearer.training.training_step import (
    TrainingState,
    TrainingStep,
    load_state,
    new_training_state,
    saved_state,
    training_sampler,
)

__all__ = [
    "RaceRecord",
    "race",
    "race_rounds",
    "read_race",
    "round_work",
    "write_race",
]

_STREAM: Final = 6
_SCORE_SEED: Final = (0, 4)
_SCORE_BATCHES: Final = 16
_SCORE_BATCH_SIZE: Final = 16
_EMA_SHARE: Final = 0.2
_WARMUP: Final = 4
"""The warm-up takes at most one part in this many of a round."""
_TURN_PARTS: Final = 20
"""Parts of a turn in which progress is reported."""


class RaceRecord(TypedDict):
    """``race.json``: the contenders, and their score in each round."""

    schema_version: Literal[1]
    contenders: list[dict[str, Any]]
    """Architectures, as :meth:`clearer.space.space.Architecture.to_dict` gives them."""
    scores: list[list[Score]]
    """For each contender, round by round; fewer if it dropped out."""


@dataclass(slots=True, eq=False)
class _Contender:
    place: int
    architecture: Architecture
    scores: list[Score]
    iteration: int = 0
    state: TrainingState | None = None


def race_rounds(number: int) -> list[int]:
    """How many networks take part in each round: half of them, rounded up, continue."""
    rounds = []
    while number > 1:
        rounds.append(number)
        number = -(-number // 2)
    return rounds


def round_work(total: float, number: int, index: int) -> float:
    """Work that each remaining network has done by the end of a round.

    Args:
        total: Work of all networks in all rounds.
        number: Networks at the start.
        index: Index of the round.
    """
    rounds = race_rounds(number)
    # By the end of round i a network has trained 2**i shares: as much again as before it.
    shares = sum(n * max(1, 2**i // 2) for i, n in enumerate(rounds))
    return float(total * 2**index / shares)


def read_race(run: Run) -> list[tuple[Architecture, list[Score]]]:
    """The contenders of a run's race and their scores; empty if there is no race.

    Raises:
        InputError: If the record is damaged.
    """
    if not run.race.exists():
        return []
    record = read_record(run.race, RaceRecord)
    try:
        known = [Architecture.from_dict(data) for data in record["contenders"]]
    except InputError as error:
        raise InputError(f"{run.race}: {error}") from error
    if len(known) != len(record["scores"]):
        raise InputError(f"{run.race}: it has scores of {len(record['scores'])} of {len(known)}")
    return list(zip(known, record["scores"], strict=True))


def race(
    run: Run,
    settings: RunSettings,
    splits: Splits,
    loop: Loop,
    go_on: str,
) -> Architecture:
    """Train networks against each other, and return the winner.

    Each trains with the settings of the training, at the peak learning rate, with weights averaged
    over the last fifth. Every round doubles the training so far.

    Args:
        run: Folder of the record, from which the race continues, and of the checkpoints.
        settings: Settings of the run.
        splits: Training pictures, and validation pictures for the scores.
        loop: How the race runs.
        go_on: The command that continues after a stop.

    Returns:
        The winner.

    Raises:
        InputError: If the record is damaged or lost.
        ClearerError: If the loss of all remaining networks is not finite.
        Interrupted: On Ctrl-C; the checkpoint is saved.
        PieceDone: When the time for this part is over; the checkpoint is saved.
    """
    begun = loop.processes.on_first(lambda: [[a.to_dict(), scores] for a, scores in read_race(run)])
    entered = [
        _Contender(place, Architecture.from_dict(data), scores)
        for place, (data, scores) in enumerate(begun)
    ]
    if not entered:
        raise InputError(f"{run.race} does not say who takes part: make a new run")
    rounds = race_rounds(len(entered))
    left, turns = entered, 0
    with StopRequest() as stop:
        for index, number in enumerate(rounds):
            for contender in left:
                if len(contender.scores) <= index:
                    turn = _Turn(run, settings, splits, contender, loop, stop, go_on)
                    work = round_work(settings.race.iterations, len(entered), index)
                    turn.go(work, partial(_tell, loop, turns, sum(rounds)))
                    standing = [(c.architecture, c.scores) for c in entered]
                    loop.processes.on_first(partial(write_race, run, standing))
                turns += 1
            heading = {c.place: expected_db(c.architecture, c.scores[: index + 1]) for c in left}
            ranked = sorted(left, key=lambda c: -heading[c.place])
            if heading[ranked[0].place] == -math.inf:
                raise ClearerError(
                    "no network of the race learnt anything: lower --learning-rate (now "
                    f"{settings.train.learning_rate:g}) or use --precision fp32"
                )
            left = sorted(ranked[: -(-number // 2)], key=lambda c: c.place)
            for dropped in ranked[-(-number // 2) :]:
                dropped.state = None
                loop.processes.on_first(partial(_forget, run, dropped))
        if loop.processes.any(stop.requested):  # the next stage must not start
            raise Interrupted(f"stopped at the end of the race; continue with: {go_on}")
    loop.processes.on_first(partial(_forget, run, left[0]))
    return left[0].architecture


def _tell(loop: Loop, turns: int, total: int, part: int) -> None:
    """Report progress: so many whole turns, and parts of the next, are done."""
    if loop.processes.is_first:
        done = turns * _TURN_PARTS + part
        loop.listener(Progress(stage="race", iteration=done, total=total * _TURN_PARTS, record={}))


def write_race(run: Run, standing: Sequence[tuple[Architecture, list[Score]]]) -> None:
    """Record the contenders and their scores so far."""
    record = RaceRecord(
        schema_version=1,
        contenders=[architecture.to_dict() for architecture, _ in standing],
        scores=[scores for _, scores in standing],
    )
    write_json(run.race, dict(record))


def _forget(run: Run, contender: _Contender) -> None:
    """Delete the checkpoint of a network that dropped out or won."""
    path = _checkpoint(run, contender)
    for file in (path, *path.parent.glob(f"{path.stem}-*.safetensors")):
        file.unlink(missing_ok=True)


def _checkpoint(run: Run, contender: _Contender) -> Path:
    return run.path / "checkpoint" / f"race-{contender.place}.json"


class _Turn:
    """The training of one network up to the end of a round, and its score."""

    def __init__(
        self,
        run: Run,
        settings: RunSettings,
        splits: Splits,
        contender: _Contender,
        loop: Loop,
        stop: StopRequest,
        go_on: str,
    ) -> None:
        self._run, self._contender, self._loop, self._stop = run, contender, loop, stop
        self._settings = replace(settings, space=contender.architecture.space)
        self._splits, self._go_on = splits, go_on

    def go(self, work: float, listener: Callable[[int], None]) -> None:
        """Train to the end of a round, and append the score.

        Args:
            work: Work to be done by then in total, in iterations of a usual network.
            listener: Called with the number of parts of the turn that are done.
        """
        contender, train, processes = self._contender, self._settings.train, self._loop.processes
        state = contender.state = contender.state or self._begin()
        total = max(1, round(work / iteration_work(contender.architecture)))
        state.average.decay = 1 - 1 / max(1.0, _EMA_SHARE * total)
        sampler = training_sampler(self._settings, self._splits.train, _STREAM, processes)
        step = TrainingStep(self._settings, state, processes, self._loop.say)
        start, told = contender.iteration, 0
        warmup = max(1, min(train.warmup_iterations, total // _WARMUP))
        checkpoints = Checkpoints(
            self._loop,
            self._stop,
            self._save,
            stage="race",
            total=total,
            go_on=self._go_on,
            stops_at_end=True,
        )
        for iteration in range(start, total):
            rate = train.learning_rate * min(1.0, (iteration + 1) / warmup)
            step(sampler.batch(iteration), rate, iteration)
            contender.iteration = iteration + 1
            part = _TURN_PARTS * (contender.iteration - start) // (total - start)
            if part > told:
                told = part
                listener(part)
            checkpoints.after(contender.iteration)
        psnr_db = processes.on_first(self._score)
        contender.scores.append(Score(iterations=total, psnr_db=psnr_db))

    def _begin(self) -> TrainingState:
        """An untrained network, or that of the checkpoint."""
        contender, processes = self._contender, self._loop.processes
        state = new_training_state(self._settings, contender.architecture, processes)
        path = _checkpoint(self._run, contender)
        if not processes.on_first(path.exists):
            return state
        with checkpoint_errors(path, "delete it, and this network begins again"):
            saved = load_checkpoint(path)
            load_state(state, saved)
            contender.iteration = saved["iteration"]
        return state

    def _save(self, iteration: int) -> None:
        state = self._contender.state
        if state is None or not self._loop.processes.is_first:
            return
        to_save = {"iteration": iteration, **saved_state(state)}
        save_checkpoint(_checkpoint(self._run, self._contender), to_save)

    def _score(self) -> float | None:
        """PSNR in dB of validation patches, which are the same for all networks."""
        assert self._contender.state is not None
        network, settings = self._contender.state.average.network, self._settings
        sampler = PatchSampler(
            self._splits.val,
            settings.task,
            patch_size=settings.train.patch_size,
            batch_size=_SCORE_BATCH_SIZE,
            seed=list(_SCORE_SEED),
            device=settings.device,
            level_map=settings.space.level_map,
        )
        # Early on the running statistics lag behind; they stay unchanged here.
        with batch_statistics(network, momentum=0.0):
            errors = [_error(network, sampler.batch(index)) for index in range(_SCORE_BATCHES)]
        mean = float(torch.stack(errors).mean())
        return -10 * math.log10(mean) if 0 < mean < math.inf else None


@torch.no_grad()
def _error(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    error: torch.Tensor = (network(batch.degraded) - batch.clean).square().mean()
    return error
