"""The standing of the networks in a race: their costs and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from clearer.costs.cost import network_cost
from clearer.space.space import Architecture
from clearer.support.schema import Count

__all__ = [
    "RaceRow",
    "Score",
    "Standing",
    "best_first",
    "expected_db",
    "race_front",
    "ranked",
]

_ENOUGH_PARAMETERS: Final = 250_000
_DB_PER_HALVING: Final = 0.05
"""Below so many parameters, a network ends by so much worse, each time they are halved, than a race
of a few hundred iterations lets expect (docs/figures/search.md, "Who leads at the end")."""
_EXACT_DB: Final = 0.05
_MUCH_LARGER: Final = 4
_SOME_PARAMETERS: Final = 200_000
"""What a race can tell; how much larger a network has to lead by more than that, and than what."""


class Score(TypedDict):
    """Score of a network at the end of a round."""

    iterations: Count
    psnr_db: float | None
    """PSNR on validation patches with averaged weights; None if it is not finite."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One network of a race."""

    architecture: Architecture
    scores: list[Score]
    """Round by round."""

    @property
    def mb(self) -> float:
        """Estimated size of the fp32 ONNX file, in MB."""
        return network_cost(self.architecture, "mb")

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates per image pixel."""
        return network_cost(self.architecture, "macs")


class RaceRow(TypedDict):
    """A network of a race beside the others: what it costs, and how good it was."""

    architecture: str
    shape: str
    """The architecture, for people."""
    cost: float
    psnr_db: float | None
    """PSNR at the end of the first round; None if there is none."""
    rounds: int
    """Rounds that it took part in."""
    is_winner: bool
    on_front: bool
    """Whether no cheaper network is as good."""


def expected_db(architecture: Architecture, scores: Sequence[Score]) -> float:
    """What a network is heading for, in dB, to compare it with others of the same race.

    That is its last score, and half of what the last round gained: each round doubles the training,
    and what still gains most overtakes others. Networks with few parameters lead early, and lose
    some of that (docs/figures/search.md, "Who leads at the end").

    Args:
        architecture: The network.
        scores: Its scores so far.

    Returns:
        Minus infinity if the last score is missing.
    """
    if not scores or scores[-1]["psnr_db"] is None:
        return -math.inf
    last, before = scores[-1]["psnr_db"], scores[-2:][0]["psnr_db"]
    few = min(0.0, math.log2(network_cost(architecture, "params") / _ENOUGH_PARAMETERS))
    gained = 0.0 if before is None else last - before
    return last + gained / 2 + _DB_PER_HALVING * few


def best_first(entries: Sequence[tuple[Architecture, list[Score]]]) -> list[int]:
    """Indices of the networks of a round by what they are heading for, best first.

    A race is exact to some 0.05 dB. Where only two are left, one that is four times as large as the
    other has to lead by more than that (docs/figures/search.md, "Who leads at the end").
    """
    heading = [expected_db(architecture, scores) for architecture, scores in entries]
    order = sorted(range(len(entries)), key=lambda index: -heading[index])
    if len(entries) != 2:
        return order
    first, second = order
    large, small = (network_cost(entries[index][0], "params") for index in order)
    is_close = heading[first] - heading[second] < _EXACT_DB
    if is_close and small >= _SOME_PARAMETERS and large >= _MUCH_LARGER * small:
        return [second, first]
    return order


def ranked(standing: list[tuple[Architecture, list[Score]]]) -> list[Standing]:
    """Sort by rounds survived, then by expected PSNR, best first."""
    found = [Standing(*item) for item in standing]
    found.sort(key=lambda s: (len(s.scores), expected_db(s.architecture, s.scores)), reverse=True)
    last = [s for s in found if len(s.scores) == len(found[0].scores)]
    order = best_first([(s.architecture, s.scores) for s in last])
    return [*(last[index] for index in order), *found[len(last) :]]


def race_front(
    standing: list[tuple[Architecture, list[Score]]], costs: Sequence[float | None]
) -> list[RaceRow]:
    """Figures of the first round, in which all did the same work, with a cost.

    Args:
        standing: The networks of a race.
        costs: Cost of each; None leaves a network out.

    Returns:
        Rows from cheap to expensive.
    """
    winner = ranked(standing)[0].architecture if standing else None
    rows: list[RaceRow] = [
        {
            "architecture": architecture.text,
            "shape": architecture.label,
            "cost": cost,
            "psnr_db": scores[0]["psnr_db"] if scores else None,
            "rounds": len(scores),
            "is_winner": architecture == winner,
            "on_front": False,
        }
        for (architecture, scores), cost in zip(standing, costs, strict=True)
        if cost is not None
    ]
    best = float("-inf")
    rows.sort(key=lambda row: row["cost"])
    for row in rows:
        if row["psnr_db"] is not None and row["psnr_db"] > best:
            best, row["on_front"] = row["psnr_db"], True
    return rows
