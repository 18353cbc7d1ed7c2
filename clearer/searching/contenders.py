"""The networks that take part in a race: U shapes of every kind that fill the budgets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import Final

from clearer.costs.budget import HOPELESS, Budget, other_precision
from clearer.costs.cost import Metric
from clearer.costs.cost_source import CostSource
from clearer.errors import InputError
from clearer.searching.training_work import USUAL_WORK, iteration_work
from clearer.space.shapes import shapes_within, smallest_network
from clearer.space.space import Architecture, SearchSpace

__all__ = ["make_contenders"]

_MAX_CORRECTIONS: Final = 4
_ALIKE: Final = 0.1
"""Relative difference of work that does not matter."""
_FULL: Final = 0.95
"""Share of a budget: networks that use less are left out if others use more."""
_MOST_GAIN: Final = 8
"""Factor by which files of another precision may be faster."""
_MB_ERROR: Final = 0.01
"""Margin on the estimated size of a file, so that the real one is not over the limit."""


def make_contenders(
    space: SearchSpace,
    budgets: Sequence[Budget],
    costs: CostSource,
    number: int,
    *,
    width: int | None = None,
    unshuffle: int | None = None,
    patch_size: int,
    useful_work: float = math.inf,
) -> list[Architecture]:
    """Networks that meet all budgets and fill the tightest, as far as a training can use that.

    Args:
        space: Gives the channels, the level map, and whether networks are residual.
        budgets: What has to be met.
        costs: Where costs come from.
        number: Number of networks, at most.
        width: The user's choice.
        unshuffle: The user's choice.
        patch_size: Patch size of the training: networks must pad to a divisor of it.
        useful_work: Most work per iteration (see :mod:`clearer.searching.training_work`); beyond
            it, a training of that length restores worse. The smallest network may have more.

    Raises:
        InputError: If no network, of the given width and unshuffle, meets the budgets.
    """
    smallest = [
        smallest_network(space, width=width, unshuffle=s)
        for s in ((1, 2) if unshuffle is None else (unshuffle,))
    ]
    is_given = width is not None or unshuffle is not None
    _refuse_hopeless(smallest, budgets, costs, is_given=is_given)
    # Without a budget, nobody asked for a network that is slower than usual.
    most_work = useful_work if budgets else min(useful_work, USUAL_WORK)
    most_work = max(most_work, min(map(iteration_work, smallest)))
    errors: _Errors = {}

    def cost(architecture: Architecture, metric: Metric) -> float:
        estimate = _estimate(architecture, metric, costs)
        return estimate * _error(errors, architecture) if metric == "ms" else estimate

    def use(architecture: Architecture) -> float:
        """Share of the tightest limit that is used."""
        shares = [
            cost(architecture, budget.metric) / costs.usable(budget.metric, budget.limit)
            for budget in budgets
        ]
        return max([*shares, iteration_work(architecture) / most_work])

    def fits(architecture: Architecture) -> bool:
        return patch_size % architecture.space.multiple == 0 and use(architecture) <= 1

    def make() -> list[Architecture]:
        shapes = shapes_within(space, fits, width=width, unshuffle=unshuffle)
        made = [shape.architecture() for shape in shapes]
        full = [architecture for architecture in made if use(architecture) >= _FULL]
        return _nearest_to_usual(full or made, number)

    found = make()
    for _ in range(_MAX_CORRECTIONS if any(budget.metric == "ms" for budget in budgets) else 0):
        # The errors of the speed model depend on the kind of network: measure each, and try again.
        new = [a for a in found or smallest if a.space.width not in errors.get(_kind(a), {})]
        if not new:
            break
        for architecture, ms in zip(new, costs.measure_quickly(new, "ms"), strict=True):
            if ms is not None:
                known = errors.setdefault(_kind(architecture), {})
                known[architecture.space.width] = ms / costs.estimate(architecture, "ms")
        found = make()
    if not found:
        least = min(smallest, key=use)
        has = [budget.text(cost(least, budget.metric)) for budget in budgets]
        helps = other_precision(lambda _: smallest, budgets, costs)
        raise InputError(_nothing(budgets, least, has, is_given) + helps)
    return found


def _estimate(architecture: Architecture, metric: Metric, costs: CostSource) -> float:
    """Cost of a network, with a margin for the error of estimated file sizes."""
    estimate = costs.estimate(architecture, metric)
    return estimate * (1 + _MB_ERROR) if metric == "mb" else estimate


def _refuse_hopeless(
    smallest: Sequence[Architecture],
    budgets: Sequence[Budget],
    costs: CostSource,
    *,
    is_given: bool,
) -> None:
    """Count what the smallest networks need; only then time them, before any others.

    Raises:
        InputError: If they are over a counted limit, or far over the limit in milliseconds.
    """
    counted = [budget for budget in budgets if budget.metric != "ms"]

    def use(architecture: Architecture) -> float:
        shares = [_estimate(architecture, b.metric, costs) / b.limit for b in counted]
        return max(shares, default=0.0)

    least = min(smallest, key=use)
    if use(least) > 1:
        has = [budget.text(_estimate(least, budget.metric, costs)) for budget in counted]
        helps = other_precision(lambda _: smallest, counted, costs)
        raise InputError(_nothing(counted, least, has, is_given) + helps)
    budget = next((budget for budget in budgets if budget.metric == "ms"), None)
    if budget is None:
        return
    times = costs.measure_quickly(smallest, "ms")
    known = [(ms, a) for ms, a in zip(times, smallest, strict=True) if ms is not None]
    ms, least = min(known, key=lambda pair: pair[0], default=(0.0, smallest[0]))
    if ms > HOPELESS * budget.limit:
        may_help = ms <= _MOST_GAIN * budget.limit
        helps = other_precision(lambda _: [least], budgets, costs) if may_help else ""
        raise InputError(_nothing(budgets, least, [budget.text(ms)], is_given) + helps)


_Errors = dict[tuple[object, ...], dict[int, float]]
"""Ratio of measured to predicted time, by kind of network and, within it, by width."""


def _kind(architecture: Architecture) -> tuple[object, ...]:
    """Kind of network: those of a kind have similar errors of the speed model."""
    space = architecture.space
    return space.unshuffle, space.growth, space.num_scales


def _error(errors: _Errors, architecture: Architecture) -> float:
    """Error for the nearest width of its kind; if the kind was not measured, the median error."""
    known = errors.get(_kind(architecture))
    if known is None:
        return median([e for kind in errors.values() for e in kind.values()] or [1.0])
    return known[min(known, key=lambda width: abs(width - architecture.space.width))]


def _nearest_to_usual(found: list[Architecture], number: int) -> list[Architecture]:
    """Choose networks whose work is nearest to the usual, or to the most that the limits allow.

    Of those with about the same work, wide networks of few layers learn faster than narrow ones of
    many.
    """
    works = {architecture: iteration_work(architecture) for architecture in found}
    wanted = min(USUAL_WORK, max(works.values(), default=USUAL_WORK))

    def order(architecture: Architecture) -> tuple[int, int]:
        distance = abs(math.log(works[architecture] / wanted))
        return int(distance / _ALIKE), len(architecture.choices)

    return sorted(found, key=order)[:number]


def _nothing(
    budgets: Sequence[Budget], smallest: Architecture, has: Sequence[str], is_given: bool
) -> str:
    """The message where no network meets the budgets."""
    wanted = " and ".join(f"{budget.option} {budget.limit:g}" for budget in budgets)
    given = " with this --width or --unshuffle" * is_given
    return (
        f"no network{given} fits {wanted}: the smallest possible (width {smallest.space.width}, "
        f"unshuffle {smallest.space.unshuffle}, {smallest.text}) has about {', '.join(has)}; "
        "raise the budget"
    )
