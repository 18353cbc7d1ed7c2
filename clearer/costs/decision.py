"""The architecture that a search ends with, checked against its real file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

from clearer.costs.budget import Budget
from clearer.costs.cost import CostTable, FilePrecision, cost_table, network_cost
from clearer.costs.cost_source import CostSource
from clearer.errors import InputError
from clearer.space.shapes import without_a_block
from clearer.space.space import Architecture, SearchSpace

__all__ = [
    "BudgetCheck",
    "Choose",
    "Decision",
    "are_met",
    "decide",
    "decide_winner",
    "decided",
    "measure_budgets",
]

Choose = Callable[[Sequence[CostTable], Sequence[float]], Architecture | None]
"""Gives the preferred architecture that meets a limit per table, or None if there is none."""

_MAX_CORRECTIONS: Final = 8
_LEAST_KEPT: Final = 0.8
"""Share of the multiply-accumulates of a race's winner."""
_MOST_TRIED: Final = 3
"""Networks of a race: they are timed once more."""


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetCheck:
    """How an architecture meets a budget: the predicted and the measured cost."""

    metric: str
    limit: float
    predicted: float
    measured: float | None
    """None where it cannot be measured here; then the table's largest error was kept free."""
    backend: str | None = None
    """The runtime that milliseconds were measured with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The architecture that a search ends with, and how it meets its budgets."""

    architecture: Architecture
    budgets: list[BudgetCheck]
    precision: FilePrecision
    """Precision of the file that MB and milliseconds of the budgets refer to."""
    sizes_mb: dict[FilePrecision, float]
    """Sizes of the untrained files in all precisions; in int8 with all convolutions in int8."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; an :class:`Architecture` can be read from it."""
        return {
            **self.architecture.to_dict(),
            "hash": self.architecture.hash,
            "params": cost_table(self.architecture.space, "params").cost(self.architecture),
            "macs_per_pixel": cost_table(self.architecture.space, "macs").cost(self.architecture),
            "budget_precision": self.precision,
            "budgets": [asdict(check) for check in self.budgets],
            "sizes_mb": self.sizes_mb,
        }


def decide(
    space: SearchSpace,
    choose: Choose,
    budgets: Sequence[Budget],
    tables: Sequence[CostTable],
    costs: CostSource,
) -> Decision:
    """Choose an architecture and measure it.

    Where it is over a limit, the fixed part of the table is corrected by the error, and the choice
    is made again.

    Raises:
        InputError: If no architecture meets all budgets together.
    """
    tables = list(tables)
    limits = [costs.usable(budget.metric, budget.limit) for budget in budgets]
    slow = ""
    for _ in range(_MAX_CORRECTIONS):
        chosen = choose(tables, limits)
        if chosen is None:
            break
        rows = []
        for index, (budget, table) in enumerate(zip(budgets, tables, strict=True)):
            predicted, measured = table.cost(chosen), costs.measure(chosen, budget.metric)
            if measured is not None and measured > budget.limit:
                tables[index] = table.corrected(chosen, measured)
                if budget.metric == "ms":
                    slow = _slow(chosen, predicted, measured)
            rows.append(_check(budget, predicted, measured, costs))
        if are_met(rows):
            return decided(chosen, rows, costs)
    wanted = " and ".join(f"{b.option} {b.limit:g}" for b in budgets)
    raise InputError(
        f"no architecture meets {wanted} together at width {space.width}: raise one, or give a "
        f"smaller --width{slow}"
    )


def decide_winner(
    ranked: Sequence[Architecture],
    budgets: Sequence[Budget],
    costs: CostSource,
    say: Callable[[str], None] = lambda line: None,
) -> Decision:
    """Measure the winner of a race; while it is over a limit, drop blocks, the finest first.

    It met the budgets when the race began, up to small errors. Where dropping a few blocks does not
    help, another of the best networks may meet them; if none does, this is another machine, or a
    busy one, and a smaller network would be a waste.

    Args:
        ranked: The networks of the race, best first.
        budgets: What has to be met.
        costs: Where costs come from.
        say: Called with a line if the winner is not taken.

    Raises:
        InputError: If the best networks are over a limit.
    """
    first = measure_budgets(ranked[0], budgets, costs)
    over = [(budget, row) for budget, row in zip(budgets, first, strict=True) if not are_met([row])]
    for place, network in enumerate(ranked[:_MOST_TRIED]):
        rows = measure_budgets(network, budgets, costs) if place else first
        smaller, rows = _with_fewer_blocks(network, rows, budgets, costs)
        if are_met(rows):
            if place:
                has = ", ".join(budget.text(row.measured or 0.0) for budget, row in over)
                say(f"{ranked[0].label} won, but has {has}: number {place + 1} is taken")
            return decided(smaller, rows, costs)
    wanted = " and ".join(f"{b.option} {b.limit:g}" for b in budgets)
    late = [row for budget, row in over if budget.metric == "ms"]
    slow = "".join(_slow(ranked[0], row.predicted, row.measured or 0.0) for row in late)
    raise InputError(
        f"the winner of the race, {ranked[0].text}, does not meet {wanted}: raise one{slow}"
    )


def _with_fewer_blocks(
    network: Architecture, rows: list[BudgetCheck], budgets: Sequence[Budget], costs: CostSource
) -> tuple[Architecture, list[BudgetCheck]]:
    """The network, or what is left of it when it meets the budgets or may lose no more."""
    least = _LEAST_KEPT * network_cost(network, "macs")
    while not are_met(rows):
        smaller = without_a_block(network)
        if smaller is None or network_cost(smaller, "macs") < least:
            break
        network, rows = smaller, measure_budgets(smaller, budgets, costs)
    return network, rows


def measure_budgets(
    architecture: Architecture, budgets: Sequence[Budget], costs: CostSource
) -> list[BudgetCheck]:
    """How a network's real file meets each budget."""
    return [
        _check(
            budget,
            costs.estimate(architecture, budget.metric),
            costs.measure(architecture, budget.metric),
            costs,
        )
        for budget in budgets
    ]


def _check(
    budget: Budget, predicted: float, measured: float | None, costs: CostSource
) -> BudgetCheck:
    return BudgetCheck(
        metric=budget.metric,
        limit=budget.limit,
        predicted=predicted,
        measured=measured,
        backend=costs.backend(budget.metric),
    )


def are_met(rows: Sequence[BudgetCheck]) -> bool:
    """Whether no measured cost is over its limit."""
    return all(row.measured is None or row.measured <= row.limit for row in rows)


def decided(chosen: Architecture, rows: list[BudgetCheck], costs: CostSource) -> Decision:
    """The decision for a network that meets its budgets."""
    return Decision(
        architecture=chosen,
        budgets=rows,
        precision=costs.precision,
        sizes_mb=costs.sizes_mb(chosen),
    )


def _slow(architecture: Architecture, predicted: float, measured: float) -> str:
    """A note on a measured time over the limit: other work may have used the cores."""
    return (
        f" ({architecture.text} was predicted to take {predicted:.1f} ms and measured at "
        f"{measured:.1f}: if other work kept the machine busy, try again with --resume)"
    )
