"""Which networks a race is between: U shapes that use the budgets, of every kind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from clearer.budget import Budget
from clearer.cost_source import CostSource
from clearer.errors import InputError
from clearer.race import iteration_work
from clearer.shapes import shapes_within, smallest_network
from clearer.space import Architecture, SearchSpace

__all__ = ["make_contenders"]

_CORRECTIONS: Final = 2
# Without a limit of time, what a training can make good use of: networks that compute far less do
# not learn enough, and far larger ones do not see enough pictures.
_USUAL_WORK: Final = 0.8
_FULL: Final = 0.95
"""Of a budget: what uses less is left out, where others use more."""


def make_contenders(
    space: SearchSpace,
    budgets: Sequence[Budget],
    costs: CostSource,
    number: int,
    *,
    width: int | None = None,
    stem: int | None = None,
    patch_size: int,
) -> list[Architecture]:
    """Networks that meet all budgets, and use the one that binds.

    Args:
        space: Gives the image channels and whether networks are residual.
        budgets: What has to be met.
        costs: Where costs come from.
        number: How many are wanted, at most.
        width: The user's choice.
        stem: The user's choice.
        patch_size: Of the training: a multiple of what networks pad images to.

    Raises:
        InputError: If no network meets the budgets, or a width or stem is given that none has.
    """
    scale: dict[tuple[object, ...], float] = {}

    def use(architecture: Architecture) -> float:
        """Share of the budget that binds."""
        error = scale.get(_kind(architecture), 1.0)
        shares = [
            costs.estimate(architecture, budget.metric)
            * (error if budget.metric == "ms" else 1.0)
            / costs.usable(budget.metric, budget.limit)
            for budget in budgets
        ]
        # Without a budget, what a training can make good use of is the limit.
        return max(shares, default=iteration_work(architecture) / _USUAL_WORK)

    def fits(architecture: Architecture) -> bool:
        return patch_size % architecture.space.multiple == 0 and use(architecture) <= 1

    def make() -> list[Architecture]:
        shapes = shapes_within(space, fits, width=width, stem=stem)
        made = [shape.architecture() for shape in shapes]
        full = [architecture for architecture in made if use(architecture) >= _FULL]
        return _nearest_to_usual(full or made, number)

    found = make()
    for _ in range(_CORRECTIONS if any(budget.metric == "ms" for budget in budgets) else 0):
        # The model of the speed errs by kind of network: each is measured, and built anew.
        measured = costs.measure_quickly(found, "ms")
        for architecture, ms in zip(found, measured, strict=True):
            if ms is not None:
                scale[_kind(architecture)] = ms / costs.estimate(architecture, "ms")
        found = make()
    if not found:
        raise InputError(_nothing(space, budgets, costs, width, stem))
    return found


def _kind(architecture: Architecture) -> tuple[object, ...]:
    """Networks whose speed a model errs by alike."""
    space = architecture.space
    return space.stem, space.growth, space.num_scales, space.width


def _nearest_to_usual(found: list[Architecture], number: int) -> list[Architecture]:
    """Those whose work is nearest to what is usual, or to the most that the budgets allow."""
    works = {architecture: iteration_work(architecture) for architecture in found}
    wanted = min(_USUAL_WORK, max(works.values(), default=_USUAL_WORK))
    return sorted(found, key=lambda a: abs(math.log(works[a] / wanted)))[:number]


def _nothing(
    space: SearchSpace,
    budgets: Sequence[Budget],
    costs: CostSource,
    width: int | None,
    stem: int | None,
) -> str:
    """What is wrong where no network meets the budgets."""
    wanted = " and ".join(f"{budget.option} {budget.limit:g}" for budget in budgets)
    smallest = smallest_network(space, width=width, stem=stem)
    has = ", ".join(budget.text(costs.estimate(smallest, budget.metric)) for budget in budgets)
    given = " with this --width or --stem" * (width is not None or stem is not None)
    return (
        f"no network{given} fits {wanted}: the smallest (width {smallest.space.width}, stem "
        f"{smallest.space.stem}, {smallest.text}) has about {has}; raise the budget"
    )
