"""A run that a command writes: held until the command ends, and going on with its pictures."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from clearer.terminal import console

if TYPE_CHECKING:
    from clearer.runs.run import Run
    from clearer.runs.settings import RunSettings

__all__ = ["go_on_with_pictures", "hold"]


def hold(context: typer.Context, run: Run) -> None:
    """Keep other processes from writing the run until this command ends.

    Raises:
        ClearerError: If another process writes it.
    """
    from clearer.runs.run_lock import lock_run

    context.with_resource(lock_run(run.path))


def go_on_with_pictures(run: Run, settings: RunSettings, *, may_change: bool) -> None:
    """Compare the pictures with those that the run began with, and say what changed.

    Raises:
        InputError: If something changed, and it may not.
    """
    from clearer.runs.picture_list import check_pictures

    for line in check_pictures(run, settings, may_change=may_change):
        console.say(line)
