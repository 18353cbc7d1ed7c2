"""The standing of the networks in a race: their costs and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

from clearer.costs.cost import network_cost
from clearer.space.space import Architecture
from clearer.support.schema import Count

__all__ = ["RaceRow", "Score", "Standing", "expected_db", "race_front", "ranked"]

_ENOUGH_PARAMETERS: Final = 250_000
_DB_PER_HALVING: Final = 0.05
"""Below so many parameters, a network ends by so much worse, each time they are halved, than a race
of a few hundred iterations lets expect (docs/figures/search.md, "Who leads at the end")."""


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


def ranked(standing: list[tuple[Architecture, list[Score]]]) -> list[Standing]:
    """Sort by rounds survived, then by expected PSNR, best first."""
    found = [Standing(*item) for item in standing]
    return sorted(
        found, key=lambda s: (len(s.scores), expected_db(s.architecture, s.scores)), reverse=True
    )


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
