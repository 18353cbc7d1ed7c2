"""A race as a drawing: rounds from left to right, and a line for each network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from clearer.searching.standing import Standing

__all__ = ["RaceDrawing", "draw_race"]

_STEP: Final = 150
_LEFT: Final = 60
_TOP: Final = 16
_HEIGHT: Final = 190
_LABEL: Final = 250


@dataclass(frozen=True, slots=True)
class RaceLine:
    """One network."""

    points: list[tuple[float, float]]
    is_winner: bool
    title: str

    @property
    def path(self) -> str:
        """Points of an SVG polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True, slots=True)
class RaceDrawing:
    """A drawing; sizes are in units of the view box."""

    width: float
    height: float
    lines: list[RaceLine]
    rounds: list[tuple[float, str]]
    """x and name of each."""
    marks: list[tuple[float, str]]
    """y and text of the labels at the side."""


def draw_race(rows: list[Standing]) -> RaceDrawing | None:
    """Lay out a race; None if it has no figures.

    Args:
        rows: Networks, best first.
    """
    figures = [s["psnr_db"] for row in rows for s in row.scores if s["psnr_db"] is not None]
    if not figures:
        return None
    low, high = min(figures), max(figures)
    reach = max(high - low, 0.01)

    def y(psnr_db: float) -> float:
        return _TOP + _HEIGHT * (high - psnr_db) / reach

    num_rounds = max(len(row.scores) for row in rows)
    lines = [
        RaceLine(
            points=[
                (_LEFT + _STEP * index, y(score["psnr_db"]))
                for index, score in enumerate(row.scores)
                if score["psnr_db"] is not None
            ],
            is_winner=place == 0,
            title=_title(row),
        )
        for place, row in enumerate(rows)
        if row.scores
    ]
    return RaceDrawing(
        width=_LEFT + _STEP * (num_rounds - 1) + _LABEL,
        height=_TOP + _HEIGHT + 36,
        lines=[line for line in lines if line.points],
        rounds=[(_LEFT + _STEP * index, f"round {index + 1}") for index in range(num_rounds)],
        marks=[(y(value), f"{value:.2f}") for value in dict.fromkeys((high, low))],
    )


def _title(row: Standing) -> str:
    last = row.scores[-1]
    figure = "no figure" if last["psnr_db"] is None else f"{last['psnr_db']:.2f} dB"
    return f"{row.architecture.label}: {figure} after {last['iterations']:,} iterations"
