"""The networks that a finished search offers, by cost and estimated quality."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from clearer.api.watch import SILENT, Watch
from clearer.bench.measured_costs import MeasuredCosts
from clearer.bench.plots import plot_front, plot_race, require_matplotlib
from clearer.costs.cost import CostTable, Metric
from clearer.costs.cost_file import read_cost_table
from clearer.errors import InputError
from clearer.runs.run import Run
from clearer.searching.front import FrontRow, architecture_front, front_rows, supernet_psnr_db
from clearer.searching.race import read_race
from clearer.searching.standing import RaceRow, race_front

__all__ = ["Front", "gradient_front", "raced_front"]

Row = TypeVar("Row", FrontRow, RaceRow)
_UNITS: Final = {"mb": "MB", "ms": "ms", "gmacs": "GMACs", "params": "parameters"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Front(Generic[Row]):
    """Networks by cost, and a picture of them."""

    unit: str
    """Unit of the cost."""
    rows: list[Row]
    picture: Path

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {"unit": self.unit, "front": self.rows}


def gradient_front(
    run: Run,
    metric: Metric,
    cost: Path | None = None,
    *,
    with_quality: bool = False,
    watch: Watch = SILENT,
) -> Front[FrontRow]:
    """The most probable architecture under every budget, the most expensive first.

    Args:
        run: A run that was searched by gradient. The picture is put into its folder.
        metric: ``mb``, ``ms``, ``gmacs`` or ``params``.
        cost: Cost table in milliseconds; default: that of the run.
        with_quality: Whether to measure the validation PSNR of each, with the supernet's weights.
        watch: Receives messages and progress.

    Raises:
        InputError: If the run, the table or the supernet's checkpoint cannot be used.
        ClearerError: If matplotlib is missing.
    """
    require_matplotlib()
    architecture, table = run.read_architecture(), _table(run, metric, cost, watch)
    with watch.status("finding the Pareto front"):
        points = architecture_front(architecture.space, run.log_op_weights(), table)
    psnrs = None
    if with_quality:
        with watch.status("restoring patches with the supernet"):
            psnrs = supernet_psnr_db(run, [point.architecture for point in points])
    rows, picture = front_rows(points, psnrs), run.path / f"front-{metric}.png"
    with watch.status("drawing"):
        plot_front(picture, rows, table.unit, architecture.text)
    return Front(unit=table.unit, rows=rows, picture=picture)


def raced_front(run: Run, metric: Metric, *, watch: Watch = SILENT) -> Front[RaceRow]:
    """The networks of a race, from cheap to expensive; milliseconds are measured here.

    Args:
        run: A run with a race. The picture is put into its folder.
        metric: ``mb``, ``ms``, ``gmacs`` or ``params``.
        watch: Receives messages and progress.

    Raises:
        InputError: If the record of the race cannot be used.
        ClearerError: If matplotlib is missing, or a network cannot be timed.
    """
    require_matplotlib()
    costs, standing = _costs(run, watch), read_race(run)
    values = costs.measure_quickly([architecture for architecture, _ in standing], metric)
    rows, picture = race_front(standing, values), run.path / f"front-{metric}.png"
    unit = _UNITS[metric]
    if metric in ("mb", "ms") and costs.precision != "fp32":
        unit += f", {costs.precision}"
    with watch.status("drawing"):
        plot_race(picture, rows, unit)
    return Front(unit=unit, rows=rows, picture=picture)


def _costs(run: Run, watch: Watch) -> MeasuredCosts:
    settings = run.settings()
    return MeasuredCosts(
        settings.image_size, None, watch.say, settings.budget_precision, watch.timing
    )


def _table(run: Run, metric: Metric, cost: Path | None, watch: Watch) -> CostTable:
    if metric != "ms":
        return _costs(run, watch).table(run.settings().space, metric)
    path = cost or run.cost
    if not path.exists():
        raise InputError(f"{path} is not there: give --cost, a table of clearer profile")
    table = read_cost_table(path)
    assert table.measurement is not None
    size = table.measurement.height, table.measurement.width
    costs = MeasuredCosts(size, table, watch.say, watch=watch.timing)
    return costs.table(run.settings().space, "ms")
