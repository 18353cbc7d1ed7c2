"""The default name of a run, from its settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from clearer.costs.budget import Budget
    from clearer.runs.settings import RunSettings

__all__ = ["name_of_run"]


def name_of_run(settings: RunSettings) -> str:
    """Task, budgets, and what else differs from the defaults, such as ``denoise-s25-rgb-5mb``.

    Runs with other settings may get the same name: a number after it tells them apart.
    """
    precision, start = settings.budget_precision, settings.fine_tuned_from
    words = [
        settings.task.label,
        "rgb" if settings.color == "rgb" else "",
        "map" if settings.space.level_map else "",
        settings.preset if settings.preset != "quick" else "",
        *map(_budget, settings.budgets),
        precision if precision != "fp32" and settings.budgets else "",
        "" if start is None else "warm" if start.is_warm else "tuned",
    ]
    return "-".join(filter(None, words))


def _budget(budget: Budget) -> str:
    if budget.metric == "params":
        return f"{budget.limit / 1e3:.6g}kparams"
    return f"{budget.limit:g}{budget.metric}"
