"""The columns of bars and spinners."""

from __future__ import annotations

import sys
from typing import Final

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from clearer.terminal.console import stderr

__all__ = ["counting", "spinning", "timing"]

_BAR_WIDTH: Final = 20


class _Text(TextColumn):
    """A text on one line, which is truncated if the terminal is too narrow."""

    def __init__(self, text: str) -> None:
        super().__init__(text, markup=False, table_column=Column())

    def render(self, task: Task) -> Text:
        text = super().render(task)
        text.no_wrap, text.overflow = True, "ellipsis"
        return text


def _whole() -> Column:
    """A column that is never truncated: the texts beside it are."""
    return Column(no_wrap=True)


def _progress(*columns: ProgressColumn, transient: bool = False) -> Progress:
    return Progress(
        # During a long step, only the spinner shows that work continues.
        SpinnerColumn(finished_text=" ", table_column=_whole()),
        *columns,
        console=stderr(),
        transient=transient,
        disable=not stderr().is_interactive,
        # Output to a file or another program must not go to the terminal.
        redirect_stdout=sys.stdout.isatty(),
    )


def counting() -> Progress:
    """A bar with counts, time left and a note."""
    return _progress(
        _Text("{task.description}"),
        BarColumn(bar_width=_BAR_WIDTH, table_column=_whole()),
        MofNCompleteColumn(table_column=_whole()),
        TimeRemainingColumn(table_column=_whole()),
        _Text("{task.fields[note]}"),
    )


def spinning() -> Progress:
    """A spinner with the elapsed time."""
    return _progress(
        _Text("{task.description}"),
        TimeElapsedColumn(table_column=_whole()),
        transient=True,
    )


def timing() -> Progress:
    """A bar with the share that is done and the time left."""
    return _progress(
        _Text("{task.description}"),
        BarColumn(bar_width=_BAR_WIDTH, table_column=_whole()),
        TaskProgressColumn(table_column=_whole()),
        TimeRemainingColumn(table_column=_whole()),
        transient=True,
    )
