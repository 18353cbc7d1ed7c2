"""The logs of a run as curves: the search and the training."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from clearer.costs.budget import Budget
from clearer.operations.operation import Operation
from clearer.operations.registry import OPERATIONS
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture

__all__ = ["Tile", "Tiles", "op_weight_tiles", "search_charts", "train_charts"]

_MAX_POINTS: Final = 300
_SMALLEST_REACH: Final = 0.05
Record = dict[str, Any]
Chart = dict[str, Any]


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and math.isfinite(value)
    return float(value) if is_number else None


def _points(records: Sequence[Record], *path: str | int) -> list[tuple[float, float]]:
    """(iteration, value) of the lines that have a finite number at ``path``; at most 300."""
    points = []
    for record in records:
        value: Any = record
        for key in path:
            try:
                value = value[key]
            except (KeyError, IndexError, TypeError):
                value = None
        x, y = _number(record.get("iteration")), _number(value)
        if x is not None and y is not None:
            points.append((x, y))
    return _thinned(points)


def _thinned(points: list[Any]) -> list[Any]:
    """Every nth point, and the last."""
    step = max(1, math.ceil(len(points) / _MAX_POINTS))
    return points if step == 1 else [*points[:-1:step], points[-1]]


def _chart(title: str, unit: str, *lines: tuple[str, list[Any], str], log: bool = False) -> Chart:
    """A chart of lines (label, points, style); lines without points are left out."""
    shown = [
        {"label": label, "points": points, "style": style}
        for label, points, style in lines
        if points
    ]
    return {"title": title, "unit": unit, "log": log, "lines": shown}


def _filled(charts: list[Chart]) -> list[Chart]:
    return [chart for chart in charts if any(len(line["points"]) > 1 for line in chart["lines"])]


def search_charts(records: Sequence[Record], settings: RunSettings) -> list[Chart]:
    """Losses, expected cost against each budget, and the multipliers."""
    charts = [
        _chart(
            "Restoration loss",
            "",
            ("weights", _points(records, "loss_res"), "main"),
            ("architecture", _points(records, "loss_res_alpha"), "second"),
            log=True,
        )
    ]
    costs: list[tuple[str, float | None]] = [(_unit(b), b.limit) for b in settings.budgets]
    for index, (unit, limit) in enumerate(costs or [("parameters", None)]):
        expected = _points(records, "expected_cost", index)
        flat = [] if limit is None or not expected else [(x, limit) for x in _ends(expected)]
        charts.append(
            _chart("Expected cost", unit, ("expected", expected, "main"), ("budget", flat, "limit"))
        )
        multiplier = _points(records, "lambda_comp", index)
        title = "Multiplier λ₂" if len(costs) < 2 else f"Multiplier λ₂ of {unit}"
        charts.append(_chart(title, "", ("λ₂", multiplier, "main")))
    return _filled(charts)


def _unit(budget: Budget) -> str:
    return budget.text(budget.limit).split()[-1]


def _ends(points: list[tuple[float, float]]) -> tuple[float, float]:
    return points[0][0], points[-1][0]


def train_charts(records: Sequence[Record]) -> list[Chart]:
    """Loss, and PSNR on the validation pictures."""
    return _filled(
        [
            _chart("Loss", "", ("loss", _points(records, "loss"), "main"), log=True),
            _chart("Validation PSNR", "dB", ("PSNR", _points(records, "val_psnr_db"), "dots")),
        ]
    )


@dataclass(frozen=True, slots=True)
class Tile:
    """Op weight of one of two operations in one column, over the search."""

    title: str
    chosen: Operation
    weight: float
    """Final op weight of ``up``."""
    line: str
    """Points of an SVG polyline; x from 0 to 100, y from 0 (all ``up``) to 40 (all ``down``)."""


@dataclass(frozen=True, slots=True)
class Tiles:
    """A tile per column, cell by cell."""

    cells: list[list[Tile]]
    down: Operation
    up: Operation
    """The two candidates that curves move between."""
    low: float
    high: float
    """Range of op weights over the height of a tile, around 0.5."""
    warmup: float
    """End of the warm-up, where op weights begin to change, in 0..100."""


def op_weight_tiles(
    records: Sequence[Record], settings: RunSettings, architecture: Architecture
) -> Tiles | None:
    """Op weights of each column over the search; None if the log does not have them.

    Also None for more than two candidates: a single weight says little then.
    """
    candidates = [OPERATIONS[name] for name in architecture.space.candidates]
    if len(candidates) > 2:
        return None
    curves = [
        _points(records, "op_weights", column, 1)
        for column in range(architecture.space.num_columns)
    ]
    if any(len(curve) < 2 for curve in curves):
        return None
    reach = max(abs(y - 0.5) for curve in curves for _, y in curve) * 1.05
    reach = min(0.5, max(_SMALLEST_REACH, reach))
    total = max(x for curve in curves for x, _ in curve)
    columns = zip(curves, architecture.choices, strict=True)
    cells = []
    for cell, count in enumerate(architecture.space.columns):
        cells.append(
            [
                _tile(f"{cell + 1}.{column + 1}", *next(columns), total, reach)
                for column in range(count)
            ]
        )
    warmup = 100 * min(1.0, settings.search.warmup_iterations / total)
    down, up = candidates
    return Tiles(cells=cells, down=down, up=up, low=0.5 - reach, high=0.5 + reach, warmup=warmup)


def _tile(
    title: str, curve: list[tuple[float, float]], choice: str, total: float, reach: float
) -> Tile:
    places = [(100 * x / total, 20 - 20 * (y - 0.5) / reach) for x, y in curve]
    line = " ".join(f"{x:.1f},{min(40.0, max(0.0, y)):.2f}" for x, y in places)
    return Tile(title=title, chosen=OPERATIONS[choice], weight=curve[-1][1], line=line)
