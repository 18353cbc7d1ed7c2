"""The table of ``clearer runs``."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearer.terminal.console import printable, say

if TYPE_CHECKING:
    from clearer.runs.run_list import RunSummary

__all__ = ["print_runs"]

_UNITS = {"mb": "MB", "ms": "ms", "gmacs": "GMACs", "params": "parameters"}


def print_runs(found: Sequence[RunSummary]) -> None:
    """Print two lines per run, so that its figures fit into a narrow terminal."""
    table = Table(box=SIMPLE, padding=(0, 1, 0, 0), pad_edge=False)
    table.add_column("run\nwhen", overflow="fold")
    table.add_column("task\narchitecture", overflow="fold")
    for header in ("MB\nlimit", "ms\nlimit"):
        table.add_column(header, justify="right", no_wrap=True)
    table.add_column("dB\nstate")
    for run in found:
        cells = [
            printable(run.name) + " *" * run.is_newest + f"\n{_when(run.started)}",
            f"{_task(run)}\n{run.architecture or ''}",
            _with_limit(run.mb, run.budgets.get("mb")),
            _with_limit(run.ms, run.budgets.get("ms")),
            ("" if run.psnr_db is None else f"{run.psnr_db:.2f}") + f"\n{_state(run)}",
        ]
        table.add_row(*map(escape, cells))
    Console().print(table)
    for run in found:
        if run.problem is not None:
            say(f"{run.name}: {run.problem}")
    newest = "; *: the newest, for commands that are given no run" if found[0].is_newest else ""
    say(f"dB: best PSNR on the validation images{newest}")


def _when(started: str | None) -> str:
    """Local time, to the minute."""
    try:
        return f"{datetime.fromisoformat(started or '').astimezone():%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return ""


def _task(run: RunSummary) -> str:
    limits = [
        f"at most {limit:,g} {_UNITS[metric]}"
        for metric, limit in run.budgets.items()
        if metric in ("gmacs", "params")  # the others have a column
    ]
    return "; ".join(filter(None, [run.task, run.color, *limits]))


def _with_limit(value: float | None, limit: float | None) -> str:
    """A figure with three digits, and below it its limit."""
    shown = "" if value is None else f"{value:#.3g}".rstrip(".")
    return f"{shown}\n{'' if limit is None else f'{limit:g}'}"


def _state(run: RunSummary) -> str:
    share = f" {run.share:.0%}" if run.state == "training" and run.share is not None else ""
    return f"{run.state}{share}{', running' if run.is_running else ''}"
