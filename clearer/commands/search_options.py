"""What of the options of ``clearer search`` go together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, Literal

import typer

from clearer.errors import InputError
from clearer.terminal.options import parse_size

if TYPE_CHECKING:
    from clearer.costs.budget import Budget
    from clearer.costs.cost import CostTable

__all__ = [
    "REFREEZABLE",
    "RESUMABLE",
    "choose_strategy",
    "given_budgets",
    "image_size_of",
    "refuse_options_of_others",
    "refuse_other_options",
]

RESUMABLE: Final = {
    *("out", "resume", "minutes", "minutes_now", "train", "changed_data", "checkpoint_seconds"),
    *("devices", "nodes", "as_json", "debug"),
}
REFREEZABLE: Final = {
    *("source", "budget_mb", "budget_ms", "budget_gmacs", "budget_params", "budget_precision"),
    *("cost", "size"),
    *("out", "train", "minutes", "minutes_now", "checkpoint_seconds", "devices", "nodes"),
    *("as_json", "debug"),
}


def given_budgets(**limits: float | None) -> tuple[Budget, ...]:
    """Those that are given, by what they limit."""
    from clearer.costs.budget import Budget

    return tuple(
        Budget(metric=metric, limit=limit)  # type: ignore[arg-type]
        for metric, limit in limits.items()
        if limit is not None
    )


def refuse_other_options(context: typer.Context, allowed: set[str], reason: str) -> None:
    """A run that goes on, or a search that is used again, keeps its settings.

    Raises:
        InputError: If another option than these was given.
    """
    names = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name not in allowed:
            raise InputError(f"{reason}: leave out {names[name]}")


def choose_strategy(
    asked: Literal["race", "gradient", "random"] | None, preset: str, *, is_fixed: bool
) -> Literal["race", "gradient", "random"]:
    """What the user asks for, else what suits: a race needs more than one space.

    Raises:
        InputError: If a race is asked for, and a space is given.
    """
    from clearer.runs.settings import PRESETS

    if asked == "race" and is_fixed:
        raise InputError(
            "--strategy race chooses the space: leave out --cost, --columns, --entry and --gates"
        )
    return asked or ("gradient" if is_fixed else PRESETS[preset].strategy)


def refuse_options_of_others(
    strategy: str, of_race: Mapping[str, object], of_gradient: Mapping[str, object]
) -> None:
    """What would do nothing is refused.

    Raises:
        InputError: For the first such option.
    """
    others, theirs = (of_gradient, "gradient") if strategy == "race" else (of_race, "race")
    for name, value in others.items():
        if value is not None:
            raise InputError(
                f"{name} does nothing with --strategy {strategy}: leave it out, or give "
                f"--strategy {theirs}"
            )


def image_size_of(context: typer.Context, size: str, table: CostTable | None) -> tuple[int, int]:
    """What the user gives; else what a cost table was measured with; else the default."""
    source = context.get_parameter_source("size")
    is_given = source is not None and source.name == "COMMANDLINE"
    if is_given or table is None or table.measurement is None:
        return parse_size(size)
    return table.measurement.height, table.measurement.width
