"""Hard budgets: a space that can meet them, and the best architecture in it that does."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.costs.cost import FILE_PRECISIONS, CostTable, Metric
from clearer.costs.cost_source import CostSource
from clearer.errors import InputError
from clearer.space.space import Architecture, SearchSpace

__all__ = [
    "HOPELESS",
    "METRICS",
    "Budget",
    "budget_position",
    "check_budgets",
    "choose_architecture",
    "fit_space",
    "given_budgets",
    "random_architecture",
    "refuse_hopeless",
]

METRICS: Final[tuple[Metric, ...]] = ("mb", "ms", "gmacs", "params")
"""What a budget can limit."""
HOPELESS: Final = 1.5
"""Times a limit in milliseconds: noise of a short measurement does not explain that much."""
_UNITS: Final = {"mb": "MB", "ms": "ms", "gmacs": "GMACs", "params": "parameters"}

_WIDTHS: Final = tuple(range(32, 1, -2))
# Near the ends of a space's cost range almost all choices are forced: nothing is left to search.
_MIN_POSITION: Final = 0.25
# Below this, more channels at half the resolution make better use of a budget.
_MIN_WIDTH: Final = 8
_MAX_DRAWS: Final = 200_000
# Share of the limit above which an estimated size is measured before the search, not after.
_TRUSTED_ESTIMATE: Final = 0.85


@dataclass(frozen=True, kw_only=True, slots=True)
class Budget:
    """An upper limit that the returned network meets.

    Raises:
        InputError: If the limit is not positive and finite.
    """

    metric: Metric
    """``mb``: size of the ONNX file in 10**6 bytes; ``ms``: its latency per image on a device;
    ``gmacs``: 10**9 multiply-accumulates per image; ``params``: trained parameters."""
    limit: float

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise InputError(f"unknown budget {self.metric!r}: use one of {', '.join(METRICS)}")
        if not 0 < self.limit < float("inf"):
            raise InputError(f"{self.option} must be a finite number above 0, got {self.limit:g}")

    @property
    def option(self) -> str:
        """The option of the command line that sets it."""
        return f"--budget-{self.metric}"

    @property
    def is_of_file(self) -> bool:
        """Whether it limits the exported file, and so depends on its precision."""
        return self.metric in ("mb", "ms")

    def text(self, value: float) -> str:
        """A value with the unit of the budget, for people."""
        digits = f"{value:,.0f}" if self.metric == "params" else f"{value:.3f}"
        return f"{digits} {_UNITS[self.metric]}"


def given_budgets(
    *, mb: float | None, ms: float | None, gmacs: float | None, params: float | None
) -> tuple[Budget, ...]:
    """Budgets for the limits that are not None.

    Raises:
        InputError: If one is not a number above 0.
    """
    limits: dict[Metric, float | None] = {"mb": mb, "ms": ms, "gmacs": gmacs, "params": params}
    return tuple(
        Budget(metric=metric, limit=limit) for metric, limit in limits.items() if limit is not None
    )


def refuse_hopeless(
    space: SearchSpace,
    budgets: Sequence[Budget],
    costs: CostSource,
    *,
    width: int | None = None,
    unshuffle: int | None = None,
) -> None:
    """Time the fastest space before any other, and refuse a limit that it misses by far.

    Args:
        space: Gives all but the width and the unshuffle factor.
        budgets: What has to be met.
        costs: Where costs come from.
        width: The user's choice.
        unshuffle: The user's choice.

    Raises:
        InputError: If it is far over a limit in milliseconds.
    """
    narrowest = replace(space, width=width or _WIDTHS[-1], unshuffle=unshuffle or 2)
    for budget in _counted_first(budgets):
        limit = costs.usable(budget.metric, budget.limit)
        cheapest, _ = costs.span(narrowest, budget.metric)
        if budget.metric != "ms" and cheapest > limit:
            return  # check_budgets reports it without timing anything
        if budget.metric == "ms" and cheapest > HOPELESS * limit:
            helps = [f"lower or leave out --width {width}"] * (width is not None)
            helps += ["give --unshuffle 2"] * (unshuffle == 1)
            raise InputError(
                f"no network fits {budget.option} {budget.limit:g}: the smallest possible (width "
                f"{narrowest.width}, unshuffle {narrowest.unshuffle}) has about "
                f"{budget.text(cheapest)}; {', or '.join([*helps, f'raise {budget.option}'])}"
            )


def fit_space(
    space: SearchSpace,
    budgets: Sequence[Budget],
    costs: CostSource,
    *,
    width: int | None = None,
    unshuffle: int | None = None,
) -> SearchSpace:
    """Choose the width and unshuffle factor for the budgets, where they are not given.

    The width is the largest even one, at most 32, that leaves the search a choice: each budget lies
    at least a quarter of the way from the smallest to the largest cost. If no width does, it is the
    narrowest. The factor is 1, unless the width would then be below 8 and a factor of 2 allows
    more.

    Args:
        space: Gives the rest, and without budgets the unshuffle factor.
        budgets: What has to be met.
        costs: Where costs come from.
        width: The user's choice.
        unshuffle: The user's choice.
    """
    if unshuffle is not None or not budgets:
        return _fit_width(
            replace(space, unshuffle=unshuffle or space.unshuffle), budgets, costs, width
        )
    first, second = (replace(space, unshuffle=s) for s in (1, 2))
    if width is not None:
        first, second = replace(first, width=width), replace(second, width=width)
        return first if _is_roomy(first, budgets, costs) else second
    fitted = _fit_width(first, budgets, costs, None)
    if fitted.width >= _MIN_WIDTH:
        return fitted
    halved = _fit_width(second, budgets, costs, None)
    return halved if halved.width > fitted.width else fitted


def _counted_first(budgets: Sequence[Budget]) -> list[Budget]:
    """Budgets that need no timing first."""
    return sorted(budgets, key=lambda budget: budget.metric == "ms")


def _fit_width(
    space: SearchSpace, budgets: Sequence[Budget], costs: CostSource, width: int | None
) -> SearchSpace:
    if width is not None:
        return replace(space, width=width)
    # Cost grows with width: bisection tries few widths, each of which may have to be measured.
    index = bisect_left(
        _WIDTHS, True, key=lambda w: _is_roomy(replace(space, width=w), budgets, costs)
    )
    return replace(space, width=_WIDTHS[min(index, len(_WIDTHS) - 1)])


def _is_roomy(space: SearchSpace, budgets: Sequence[Budget], costs: CostSource) -> bool:
    positions = (budget_position(space, budget, costs) for budget in _counted_first(budgets))
    return all(position >= _MIN_POSITION for position in positions)


def budget_position(space: SearchSpace, budget: Budget, costs: CostSource) -> float:
    """Where a budget lies between the cheapest (0) and the most expensive (1) architecture."""
    cheapest, most_expensive = costs.span(space, budget.metric)
    limit = costs.usable(budget.metric, budget.limit)
    return (limit - cheapest) / (most_expensive - cheapest)


def check_budgets(
    space: SearchSpace, budgets: Sequence[Budget], costs: CostSource
) -> list[CostTable]:
    """Cost tables of the budgets, after checking that each can be met on its own.

    Where the estimated size of the smallest file is near its limit, that file is measured.

    Raises:
        InputError: If the cheapest architecture is over a budget; the text names the smallest
            possible value and the option that would help.
    """
    tables = {}
    for budget in _counted_first(budgets):
        table = costs.table(space, budget.metric)
        limit = costs.usable(budget.metric, budget.limit)
        if budget.metric == "mb" and table.cheapest > _TRUSTED_ESTIMATE * limit:
            cheapest = _cheapest(space, table)
            measured = costs.measure(cheapest, budget.metric)
            assert measured is not None
            table = table.corrected(cheapest, measured)
        if table.cheapest > limit:
            helps = [f"lower or leave out --width {space.width}"] * (space.width > _WIDTHS[-1])
            helps += ["give --unshuffle 2"] * (
                budget.metric in ("ms", "gmacs") and space.unshuffle == 1
            )
            smallest = budget.text(table.cheapest * (1 + costs.margin(budget.metric)))
            raise InputError(
                f"no network fits {budget.option} {budget.limit:g}: the smallest possible "
                f"(width {space.width}, unshuffle {space.unshuffle}, "
                f"{_cheapest(space, table).text}) has {smallest}; "
                f"{', or '.join([*helps, f'raise {budget.option}'])}"
                f"{_precision_that_fits(space, budget, budgets, costs)}"
            )
        tables[budget.metric] = table
    return [tables[budget.metric] for budget in budgets]


def _precision_that_fits(
    space: SearchSpace, budget: Budget, budgets: Sequence[Budget], costs: CostSource
) -> str:
    """Advice where a file is too large; latencies of modules are known in fp32 only."""
    if budget.metric != "mb" or any(other.metric == "ms" for other in budgets):
        return ""
    return other_precision(
        lambda source: [_cheapest(space, source.table(space, "mb"))], [budget], costs
    )


def other_precision(
    smallest: Callable[[CostSource], Sequence[Architecture]],
    budgets: Sequence[Budget],
    costs: CostSource,
) -> str:
    """Which other precision of the file would let a network meet all budgets, for a message.

    Args:
        smallest: Gives networks worth a try, from a source of costs in the other precision.
        budgets: What has to be met.
        costs: Where costs come from, in the requested precision.

    Returns:
        The end of a sentence; empty if there is none.
    """
    for precision in FILE_PRECISIONS:
        if precision == costs.precision:
            continue
        source = costs.in_precision(precision)
        for architecture in smallest(source):
            found = _of_file(architecture, budgets, source)
            if found is not None:
                return f"; --budget-precision {precision} would fit: about {found}"
    return ""


def _of_file(
    architecture: Architecture, budgets: Sequence[Budget], costs: CostSource
) -> str | None:
    """Measured values for the budgets of the file; None if the network is over one."""
    found = []
    for budget in _counted_first(budgets):
        if budget.metric == "ms":
            (value,) = costs.measure_quickly([architecture], "ms")
        else:
            value = costs.measure(architecture, budget.metric)
        if value is None or value > budget.limit:
            return None
        if budget.is_of_file:
            found.append(budget.text(value))
    return ", ".join(found) or None


def _cheapest(space: SearchSpace, table: CostTable) -> Architecture:
    costs = np.where(space.allowed(), np.array(table.choices), np.inf)
    return Architecture.from_picks(space, costs.argmin(axis=1).tolist())


def choose_architecture(
    space: SearchSpace,
    log_op_weights: NDArray[np.float64],
    tables: Sequence[CostTable],
    limits: Sequence[float],
) -> Architecture | None:
    """The most probable architecture that meets all limits, exactly, by integer programming.

    Args:
        space: The space of the architecture.
        log_op_weights: Logarithm of the op weights, shape ``(K, C)``, candidates in the order of
            ``space.candidates``.
        tables: A cost table per limit.
        limits: Upper limits, in the units of the tables.

    Returns:
        The architecture, or None if there is none.
    """
    from scipy.optimize import Bounds, LinearConstraint, milp  # slow, and only searches need it

    allowed = np.array(space.allowed())
    num_choices, num_candidates = allowed.shape
    # One unknown per choice and candidate except the first, which is chosen where all are 0.
    first, others = log_op_weights[:, :1], log_op_weights[:, 1:]
    gain = np.where(allowed[:, 1:], others - first, 0.0).ravel()
    constraints = []
    if num_candidates > 2:
        one_at_most = np.kron(np.eye(num_choices), np.ones(num_candidates - 1))
        constraints.append(LinearConstraint(one_at_most, ub=1))
    for table, limit in zip(tables, limits, strict=True):
        costs = np.array(table.choices)
        base = table.fixed + costs[:, 0].sum()
        # Solvers tolerate a small violation, below 1e-6 where costs are in units of the limit.
        # So what is returned is checked again.
        more = (costs[:, 1:] - costs[:, :1]).ravel()
        constraints.append(LinearConstraint(more / limit, ub=1 - base / limit))
    excluded: list[LinearConstraint] = []
    while True:
        solution = milp(
            -gain,
            constraints=[*constraints, *excluded],
            integrality=np.ones(len(gain), dtype=int),
            bounds=Bounds(0, allowed[:, 1:].ravel().astype(float)),
            options={"mip_rel_gap": 0.0},
        )
        if solution.x is None:
            return None
        taken = np.rint(solution.x).astype(int)
        rows = taken.reshape(num_choices, -1)
        picks = np.where(rows.any(axis=1), rows.argmax(axis=1) + 1, 0)
        architecture = Architecture.from_picks(space, picks.tolist())
        if all(t.cost(architecture) <= limit for t, limit in zip(tables, limits, strict=True)):
            return architecture
        # Within the solver's tolerance but over a limit: forbid this one point and go on.
        excluded.append(LinearConstraint(1 - 2 * taken, lb=1 - taken.sum()))


def random_architecture(
    space: SearchSpace, seed: int, tables: Sequence[CostTable], limits: Sequence[float]
) -> Architecture | None:
    """An architecture drawn uniformly from those that meet all limits; None if none was found.

    Args:
        space: Where to draw from.
        seed: The same seed and limits give the same architecture.
        tables: A cost table per limit.
        limits: Upper limits, in the units of the tables.
    """
    rng = np.random.default_rng(seed)
    options = [np.flatnonzero(row) for row in space.allowed()]
    for _ in range(_MAX_DRAWS):
        picks = [row[rng.integers(len(row))] for row in options]
        architecture = Architecture.from_picks(space, picks)
        if all(t.cost(architecture) <= limit for t, limit in zip(tables, limits, strict=True)):
            return architecture
    return None
