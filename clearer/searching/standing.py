"""The standing of the networks in a race: their costs and scores."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypedDict

from clearer.costs.cost import network_cost
from clearer.space.space import Architecture
from clearer.support.schema import Count

__all__ = ["RaceRow", "Score", "Standing", "expected_db", "race_front", "ranked"]


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


def expected_db(scores: Sequence[Score]) -> float:
    """PSNR that a network is heading for, by its scores; minus infinity if the last is missing.

    Each round doubles the training, and each doubling gains about half as much as the one before:
    all future gains add up to about the last one. Small networks lead early, and those that still
    gain most overtake them (docs/figures/search.md, "Who leads").
    """
    if not scores or scores[-1]["psnr_db"] is None:
        return -math.inf
    last, before = scores[-1]["psnr_db"], scores[-2:][0]["psnr_db"]
    return last if before is None else 2 * last - before


def ranked(standing: list[tuple[Architecture, list[Score]]]) -> list[Standing]:
    """Sort by rounds survived, then by expected PSNR, best first."""
    found = [Standing(*item) for item in standing]
    return sorted(found, key=lambda s: (len(s.scores), expected_db(s.scores)), reverse=True)


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
