"""Hard budgets: which width can meet them, and the most probable architecture that does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp

from clearer.cost import CostTable, cost_table
from clearer.errors import InputError
from clearer.space import CHOICES, Architecture, SearchSpace

__all__ = [
    "Budget",
    "BudgetCheck",
    "Decision",
    "budget_position",
    "check_budgets",
    "choose_architecture",
    "decide",
    "fit_width",
]

MeasureMB = Callable[[Architecture], float]
"""Size in MB of the file that an architecture is exported to."""

_WIDTHS: Final = range(32, 1, -2)
# Near the edge of what a space spans nearly all choices are forced, and there is nothing to search.
_MIN_POSITION: Final = 0.25
_MAX_CORRECTIONS: Final = 8
# An estimated size nearer than this to the limit is measured before the search, not after.
_TRUSTED_ESTIMATE: Final = 0.85


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """An upper limit that the returned network meets.

    Raises:
        InputError: If the limit is not positive and finite.
    """

    metric: Literal["mb", "params"]
    """``mb``: 10**6 bytes of the fp32 ONNX file; ``params``: trained parameters."""
    limit: float

    def __post_init__(self) -> None:
        if not 0 < self.limit < float("inf"):
            raise InputError(f"{self.option} must be a finite number above 0, got {self.limit:g}")

    @property
    def option(self) -> str:
        """The option of the command line that sets it."""
        return f"--budget-{self.metric}"

    def text(self, value: float) -> str:
        """A value in the unit of the budget, for people."""
        return f"{value:.3f} MB" if self.metric == "mb" else f"{value:,.0f} parameters"


def fit_width(space: SearchSpace, budgets: Sequence[Budget]) -> SearchSpace:
    """The space with the largest even width, at most 32, that leaves the search a choice.

    That is: for which each budget lies at least a quarter of the way from the cheapest to the
    dearest architecture. Where no width is that narrow, the narrowest.
    """
    for width in _WIDTHS:
        candidate = replace(space, width=width)
        if all(budget_position(candidate, b) >= _MIN_POSITION for b in budgets):
            return candidate
    return replace(space, width=_WIDTHS[-1])


def budget_position(space: SearchSpace, budget: Budget) -> float:
    """Where a budget lies between the cheapest (0) and the dearest (1) architecture."""
    table = cost_table(space, budget.metric)
    return (budget.limit - table.cheapest) / (table.dearest - table.cheapest)


def check_budgets(
    space: SearchSpace, budgets: Sequence[Budget], measure_mb: MeasureMB
) -> list[CostTable]:
    """Cost tables of the budgets, once it is certain that each can be met on its own.

    Where the estimate of the smallest file is near its limit, that file is measured.

    Raises:
        InputError: If the cheapest architecture is over a budget; the text names the smallest
            possible value and the option that would help.
    """
    tables = []
    for budget in budgets:
        table = cost_table(space, budget.metric)
        if budget.metric == "mb" and table.cheapest > _TRUSTED_ESTIMATE * budget.limit:
            table = _corrected(table, _cheapest(space, table), measure_mb)
        if table.cheapest > budget.limit:
            narrower = space.width > _WIDTHS[-1]
            help_ = f"lower or leave out --width {space.width}, or " if narrower else ""
            raise InputError(
                f"no network fits {budget.option} {budget.limit:g}: the smallest possible "
                f"(width {space.width}, {_cheapest(space, table).text}) has "
                f"{budget.text(table.cheapest)}; {help_}raise {budget.option}"
            )
        tables.append(table)
    return tables


def _cheapest(space: SearchSpace, table: CostTable) -> Architecture:
    picks = tuple(CHOICES[int(np.argmin(pair))] for pair in table.columns)
    return Architecture(space=space, choices=picks)


def _corrected(table: CostTable, architecture: Architecture, measure: MeasureMB) -> CostTable:
    """The table with its fixed part moved, so that it is right for one architecture."""
    return replace(table, fixed=table.fixed + measure(architecture) - table.cost(architecture))


def choose_architecture(
    space: SearchSpace,
    log_op_weights: NDArray[np.float64],
    tables: Sequence[CostTable],
    limits: Sequence[float],
) -> Architecture | None:
    """The most probable architecture that meets all limits, exactly, by integer programming.

    Args:
        space: The space of the architecture.
        log_op_weights: Logarithm of the op weights, shape ``(K, 2)``: (parallel, fusion).
        tables: A cost table per limit.
        limits: Upper limits, in the units of the tables.

    Returns:
        The architecture, or None if there is none.
    """
    gain = log_op_weights[:, 1] - log_op_weights[:, 0]
    constraints = []
    for table, limit in zip(tables, limits, strict=True):
        costs = np.array(table.columns)
        base = table.fixed + costs[:, 0].sum()
        # Solvers allow a small violation. In units of the limit it is below 1e-6, and the bound
        # gives way by that much where costs are exact; what is returned is checked again.
        constraints.append(
            LinearConstraint((costs[:, 1] - costs[:, 0]) / limit, ub=1 - base / limit)
        )
    excluded: list[LinearConstraint] = []
    while True:
        solution = milp(
            -gain,
            constraints=[*constraints, *excluded],
            integrality=np.ones(len(gain), dtype=int),
            bounds=Bounds(0, 1),
            options={"mip_rel_gap": 0.0},
        )
        if solution.x is None:
            return None
        fused = np.rint(solution.x).astype(int)
        architecture = Architecture(space=space, choices=tuple(CHOICES[i] for i in fused))
        if all(t.cost(architecture) <= limit for t, limit in zip(tables, limits, strict=True)):
            return architecture
        # Within the solver's tolerance but over a limit: forbid this one point and go on.
        excluded.append(LinearConstraint(1 - 2 * fused, lb=1 - fused.sum()))


@dataclass(frozen=True, kw_only=True, slots=True)
class BudgetCheck:
    """How an architecture meets a budget: what the table said, and what it is."""

    metric: str
    limit: float
    predicted: float
    measured: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Decision:
    """The architecture that a search ends with, and how it meets its budgets."""

    architecture: Architecture
    argmax: Architecture
    """What the op weights alone would have chosen."""
    op_weights: list[list[float]]
    """(parallel, fusion) of each column at the end of the search."""
    budgets: list[BudgetCheck]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; an :class:`Architecture` can be read from it."""
        margins = [abs(parallel - fusion) for parallel, fusion in self.op_weights]
        return {
            **self.architecture.to_dict(),
            "hash": self.architecture.hash,
            "argmax": self.argmax.text,
            "op_weights": self.op_weights,
            "margins": margins,
            "params": cost_table(self.architecture.space, "params").cost(self.architecture),
            "macs_per_pixel": cost_table(self.architecture.space, "macs").cost(self.architecture),
            "budgets": [asdict(check) for check in self.budgets],
        }


def decide(
    space: SearchSpace,
    log_op_weights: NDArray[np.float64],
    budgets: Sequence[Budget],
    tables: Sequence[CostTable],
    measure_mb: MeasureMB,
) -> Decision:
    """Choose an architecture and check it against its real file.

    Where the file is over the limit, the fixed part of the table is corrected by the error and the
    choice repeated.

    Raises:
        InputError: If no architecture meets all budgets together.
    """
    tables = list(tables)
    limits = [budget.limit for budget in budgets]
    for _ in range(_MAX_CORRECTIONS):
        chosen = choose_architecture(space, log_op_weights, tables, limits)
        if chosen is None:
            break
        rows = []
        for index, (budget, table) in enumerate(zip(budgets, tables, strict=True)):
            predicted = table.cost(chosen)
            measured = measure_mb(chosen) if budget.metric == "mb" else predicted
            if measured > budget.limit:
                tables[index] = replace(table, fixed=table.fixed + measured - predicted)
            rows.append(
                BudgetCheck(
                    metric=budget.metric,
                    limit=budget.limit,
                    predicted=predicted,
                    measured=measured,
                )
            )
        if all(row.measured <= row.limit for row in rows):
            return Decision(
                architecture=chosen,
                argmax=Architecture(
                    space=space, choices=tuple(CHOICES[i] for i in log_op_weights.argmax(axis=1))
                ),
                op_weights=np.exp(log_op_weights).round(6).tolist(),
                budgets=rows,
            )
    wanted = " and ".join(f"{b.option} {b.limit:g}" for b in budgets)
    raise InputError(f"no architecture meets {wanted} together at width {space.width}: raise one")
