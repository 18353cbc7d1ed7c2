"""A race between networks: all train with the same work, the worse half drops out, and so on.

Successive halving: Jamieson and Talwalkar, "Non-stochastic Best Arm Identification and
Hyperparameter Optimization", AISTATS 2016. Work is counted, not timed, so that a race has the same
result everywhere: an iteration of a network that computes twice as much counts twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, TypedDict

from clearer.data.splits import Splits
from clearer.errors import ClearerError, InputError, Interrupted
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.race_turn import TURN_PARTS, Contender, forget_checkpoint
from clearer.searching.side_by_side import turn_taker
from clearer.searching.standing import Score, best_first, expected_db
from clearer.space.space import Architecture
from clearer.support.files import read_record, write_json
from clearer.support.interrupt import StopRequest
from clearer.training.loop import Loop
from clearer.training.progress import Progress

__all__ = [
    "RaceRecord",
    "race",
    "race_rounds",
    "race_speed_up",
    "read_race",
    "round_work",
    "write_race",
]


class RaceRecord(TypedDict):
    """``race.json``: the contenders, and their score in each round."""

    schema_version: Literal[1]
    contenders: list[dict[str, Any]]
    """Architectures, as :meth:`clearer.space.space.Architecture.to_dict` gives them."""
    scores: list[list[Score]]
    """For each contender, round by round; fewer if it dropped out."""


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


def race_speed_up(number: int, count: int) -> float:
    """How many times as fast a race of so many networks is if so many train at a time.

    In the last rounds fewer are left.
    """
    work = [(n, max(1, 2**i // 2)) for i, n in enumerate(race_rounds(number))]
    turns = sum(n * each for n, each in work)
    beside = sum(-(-n // count) * each for n, each in work)
    return turns / beside if work else 1.0


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
        Contender(place, Architecture.from_dict(data), scores)
        for place, (data, scores) in enumerate(begun)
    ]
    if not entered:
        raise InputError(f"{run.race} does not say who takes part: make a new run")
    rounds = race_rounds(len(entered))
    left, turns = entered, 0
    with StopRequest() as stop:
        with turn_taker(run, settings, splits, loop, stop, go_on, len(entered)) as take_turns:
            for index, number in enumerate(rounds):
                todo = [contender for contender in left if len(contender.scores) <= index]
                work = round_work(settings.race.iterations, len(entered), index)
                tell = partial(_tell, loop, turns + number - len(todo), sum(rounds))
                for contender, score in take_turns(todo, work, tell):
                    contender.scores.append(score)
                    standing = [(c.architecture, c.scores) for c in entered]
                    loop.processes.on_first(partial(write_race, run, standing))
                turns += number
                ranked = _ranked(left, index, settings)
                left = sorted(ranked[: -(-number // 2)], key=lambda c: c.place)
                for dropped in ranked[-(-number // 2) :]:
                    dropped.state = None
                    loop.processes.on_first(partial(forget_checkpoint, run, dropped))
        if loop.processes.any(stop.requested):  # the next stage must not start
            raise Interrupted(f"stopped at the end of the race; continue with: {go_on}")
    loop.processes.on_first(partial(forget_checkpoint, run, left[0]))
    return left[0].architecture


def _ranked(left: Sequence[Contender], index: int, settings: RunSettings) -> list[Contender]:
    """The networks of a round by what they are heading for, best first.

    Raises:
        ClearerError: If the loss of all is not finite.
    """
    entries = [(c.architecture, c.scores[: index + 1]) for c in left]
    order = best_first(entries)
    if expected_db(*entries[order[0]]) == -math.inf:
        raise ClearerError(
            "no network of the race learnt anything: lower --learning-rate (now "
            f"{settings.train.learning_rate:g}) or use --precision fp32"
        )
    return [left[place] for place in order]


def _tell(loop: Loop, turns: int, total: int, parts: int) -> None:
    """Report progress: so many whole turns, and parts of the next ones, are done."""
    if loop.processes.is_first:
        done = turns * TURN_PARTS + parts
        loop.listener(Progress(stage="race", iteration=done, total=total * TURN_PARTS, record={}))


def write_race(run: Run, standing: Sequence[tuple[Architecture, list[Score]]]) -> None:
    """Record the contenders and their scores so far."""
    record = RaceRecord(
        schema_version=1,
        contenders=[architecture.to_dict() for architecture, _ in standing],
        scores=[scores for _, scores in standing],
    )
    write_json(run.race, dict(record))
