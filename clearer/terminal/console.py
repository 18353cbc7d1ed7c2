"""Lines on stderr: progress, notes and errors. Tables of results are in ``*tables.py``.

Every command imports this module, even to print its help. That needs no rich, which takes long to
load: the first line loads it.
"""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.console import Console

    from clearer.costs.cost import CostTable
    from clearer.data.splits import Splits
    from clearer.runs.run_records import DecisionRecord
    from clearer.runs.settings import RunSettings

__all__ = [
    "be_quiet",
    "describe_cost_table",
    "describe_decision",
    "describe_images",
    "describe_settings",
    "has_warned",
    "is_quiet",
    "printable",
    "say",
    "stderr",
    "warn",
    "warn_of_noise",
]

_MOSTLY: Final = 0.9
"""Share of a limit from which on it counts as used."""
_has_warned = False


@functools.cache
def stderr() -> Console:
    """The one console for all lines, bars and spinners, so that none overwrites another.

    Of several processes on a machine, only the first prints, from the start.
    """
    from clearer.terminal.line_console import LineConsole

    return LineConsole(stderr=True, quiet=os.environ.get("LOCAL_RANK", "0") != "0")


def is_quiet() -> bool:
    """Whether another process of the same work prints."""
    return stderr().quiet


def be_quiet() -> None:
    """Print nothing but errors from now on: another process of the same work prints."""
    stderr().quiet = True


def printable(text: str) -> str:
    """Escape control characters, as in file names, which would act on the terminal."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def say(line: str) -> None:
    """Print a line to stderr; on a narrow terminal it breaks between words."""
    from rich.markup import escape

    speaker = stderr()
    speaker.print(escape(printable(line)), soft_wrap=not speaker.is_terminal, highlight=False)


def has_warned() -> bool:
    """Whether this process has printed an error."""
    return _has_warned


def warn(message: str) -> None:
    """Print a line that says what went wrong."""
    from rich.console import Console
    from rich.markup import escape

    global _has_warned
    _has_warned = True
    speaker = Console(stderr=True) if is_quiet() else stderr()
    speaker.print(
        f"[bold red]error:[/] {escape(printable(message))}", soft_wrap=True, highlight=False
    )


def describe_settings(settings: RunSettings) -> None:
    """Describe what a run is about to do."""
    from clearer.runs.settings import PRESETS

    train_ = settings.train
    searching = (settings.race if settings.strategy == "race" else settings.search).iterations
    say(
        f"{settings.task.text}, {settings.color}; preset {settings.preset} "
        f"({PRESETS[settings.preset].time}): {searching} search and {train_.iterations} "
        f"training iterations{' of a usual network' * (settings.work is not None)}; "
        f"{settings.device}, {settings.precision}, seed {settings.seed}"
    )
    limits = ", ".join(
        f"at most {b.text(b.limit)}" + f" ({settings.budget_precision})" * b.is_of_file
        for b in settings.budgets
    )
    space = settings.space
    where = (
        f"race between U shapes, {settings.race.contenders} at most"
        if settings.strategy == "race"
        else f"space: width {space.width}, unshuffle {space.unshuffle}, {space.num_scales} scales, "
        f"{len(space.candidates)}^{space.num_choices} architectures"
    )
    level = "; networks take the noise level as an input" * space.level_map
    say(f"{where}; {limits or 'no budget'}{level}")


def describe_images(splits: Splits, color: str) -> None:
    """Describe the pictures of a run."""
    say(
        f"images, {color}: {splits.source}: {len(splits.train)} to train on, "
        f"{len(splits.val)} to validate, {len(splits.test)} to test"
    )


def describe_decision(decision: DecisionRecord) -> None:
    """Describe the content of ``architecture.json`` in a few lines."""
    params = decision.get("params")
    size = "" if params is None else f", {params:,.0f} parameters"
    say(f"architecture {decision['choices']}{size}")
    if "pruned_from" in decision:
        from clearer.space.space import Architecture

        space = Architecture.from_dict(decision).space
        say(f"  cut from {decision['pruned_from']['name']}: {space.width_text}")
    units = {"mb": "MB", "params": "parameters", "ms": "ms", "gmacs": "GMACs"}
    precision = decision.get("budget_precision")
    for b in decision.get("budgets", []):
        form = ",.0f" if b["metric"] == "params" else ",.4g"
        measured = (
            "not measured here" if b["measured"] is None else f"measured {b['measured']:{form}}"
        )
        of_file = [precision, b.get("backend")] if b["metric"] in ("mb", "ms") else []
        about = ", ".join(filter(None, of_file))
        say(
            f"  {units[b['metric']]}{f' ({about})' if about else ''}: predicted "
            f"{b['predicted']:{form}}, {measured}, limit {b['limit']:{form}}"
        )
    shares = [(b["measured"] or b["predicted"]) / b["limit"] for b in decision.get("budgets", [])]
    if decision.get("strategy") == "race" and shares and max(shares) < _MOSTLY:
        say("  room is left: a race is as large as its training can use, and no wider than --width")
    if "sizes_mb" in decision:
        sizes = ", ".join(f"{name} {mb:,.4g} MB" for name, mb in decision["sizes_mb"].items())
        say(f"  files: {sizes}")
    seeds = decision.get("seeds", [])
    if len(seeds) > 1:
        say(f"  {len(seeds)} searches prefer {', '.join(seeds)}")
        say(f"  they agree in {decision.get('agreement', 0):.0%} of the columns")


def describe_cost_table(table: CostTable) -> None:
    """Describe the cost table in milliseconds, in one line."""
    m = table.measurement
    assert m is not None
    say(
        f"milliseconds: {m.backend} {m.version}, {m.precision}, {m.threads} threads, {m.device}, "
        f"{m.height}x{m.width}, {m.measured}; error of the sum {m.error:.1%}, at most "
        f"{m.max_error:.1%}; from {table.cheapest:.2f} to {table.most_expensive:.2f} ms"
    )
    warn_of_noise(table)


def warn_of_noise(table: CostTable) -> None:
    """Print a warning if the times of a table cannot be trusted."""
    assert table.measurement is not None
    if table.measurement.is_noisy:
        say(
            f"warning: the times spread by {table.measurement.spread:.1%}: the machine is too busy "
            "for a table to be trusted; measure again with clearer profile --force"
        )
