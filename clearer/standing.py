"""How the networks of a race stand: what they cost, and how far they came."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from clearer.cost import network_cost
from clearer.space import Architecture

if TYPE_CHECKING:  # the race itself needs torch
    from clearer.race import Score

__all__ = ["Standing", "race_front", "ranked"]


@dataclass(frozen=True, slots=True)
class Standing:
    """One network of a race."""

    architecture: Architecture
    scores: list[Score]
    """Round by round."""

    @property
    def mb(self) -> float:
        """Of the fp32 ONNX file, estimated."""
        return network_cost(self.architecture, "mb")

    @property
    def macs_per_pixel(self) -> float:
        """Multiply-accumulates per image pixel."""
        return network_cost(self.architecture, "macs")


def ranked(standing: list[tuple[Architecture, list[Score]]]) -> list[Standing]:
    """Those that came farthest first; of those that dropped out together, the better first."""

    def key(item: Standing) -> tuple[int, float]:
        last = item.scores[-1]["psnr_db"] if item.scores else None
        return len(item.scores), float("-inf") if last is None else last

    return sorted((Standing(*item) for item in standing), key=key, reverse=True)


def race_front(
    standing: list[tuple[Architecture, list[Score]]], costs: Sequence[float | None]
) -> list[dict[str, Any]]:
    """Figures of the first round, in which all trained for the same work, beside a cost.

    Args:
        standing: The networks of a race.
        costs: Of each.

    Returns:
        Plain data, from cheap to dear; ``on_front`` where no cheaper network is as good.
    """
    winner = ranked(standing)[0].architecture if standing else None
    rows: list[dict[str, Any]] = [
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
