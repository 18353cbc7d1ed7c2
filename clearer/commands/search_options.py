"""Which options of ``clearer search`` were typed."""

from __future__ import annotations

import typer

from clearer.errors import InputError

__all__ = ["is_given", "refuse_other_options"]


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the user typed the option of a parameter, be it with its default."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_other_options(context: typer.Context, *, resume: bool, refreezes: bool) -> None:
    """A run that goes on, or a search that is used again, keeps its settings.

    The request refuses what differs from a default; on the command line, a default that is typed
    is one too many as well.

    Raises:
        InputError: If another option was given than may be.
    """
    from clearer.api.search_request import REFREEZABLE, RESUMABLE

    if resume:
        allowed, reason = RESUMABLE, "--resume goes on with the settings of the run"
    elif refreezes:
        allowed, reason = REFREEZABLE, "--from keeps the search of that run"
    else:
        return
    names = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for name in context.params:
        if is_given(context, name) and name not in {*allowed, "as_json", "debug"}:
            raise InputError(f"{reason}: leave out {names[name]}")
