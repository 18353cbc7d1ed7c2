"""Output on a terminal: results on stdout, progress and notes on stderr."""

from __future__ import annotations

import contextlib
import functools
import os
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearer.operations.identity import IDENTITY
from clearer.operations.registry import OPERATIONS

if TYPE_CHECKING:
    from clearer.costs.cost import CostTable
    from clearer.data.splits import Splits
    from clearer.runs.run_records import DecisionRecord
    from clearer.runs.settings import RunSettings
    from clearer.space.space import Architecture

__all__ = [
    "be_quiet",
    "describe_cost_table",
    "describe_decision",
    "describe_images",
    "describe_settings",
    "has_warned",
    "is_quiet",
    "print_architecture",
    "print_cost_table",
    "print_front",
    "print_quality",
    "printable",
    "say",
    "stderr",
    "warn",
]

_has_warned = False


class _Console(Console):
    """A console that never draws lines and bars at the same moment.

    A separate thread redraws bars. If it does so after a line has looked up how many rows the bars
    have, and before it is written, rows stay behind or lines are lost. So a line takes the lock
    under which that thread draws.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as any console does."""
        bars = self._live_stack[:1]
        with bars[0]._lock if bars else contextlib.nullcontext():
            super().print(*objects, **options)


@functools.cache
def stderr() -> Console:
    """The one console for all lines, bars and spinners, so that none overwrites another.

    Of several processes on a machine, only the first prints, from the start.
    """
    return _Console(stderr=True, quiet=os.environ.get("LOCAL_RANK", "0") != "0")


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
    speaker = stderr()
    speaker.print(escape(printable(line)), soft_wrap=not speaker.is_terminal, highlight=False)


def has_warned() -> bool:
    """Whether this process has printed an error."""
    return _has_warned


def warn(message: str) -> None:
    """Print a line that says what went wrong."""
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
        f"training iterations; {settings.device}, {settings.precision}, seed {settings.seed}"
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
    units = {"mb": "MB", "params": "parameters", "ms": "ms", "gmacs": "GMACs"}
    precision = decision.get("budget_precision")
    for b in decision.get("budgets", []):
        measured = (
            "not measured here" if b["measured"] is None else f"measured {b['measured']:,.4g}"
        )
        of_file = [precision, b.get("backend")] if b["metric"] in ("mb", "ms") else []
        about = ", ".join(filter(None, of_file))
        say(
            f"  {units[b['metric']]}{f' ({about})' if about else ''}: predicted "
            f"{b['predicted']:,.4g}, {measured}, limit {b['limit']:,.4g}"
        )
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
    _warn_of_noise(table)


def _warn_of_noise(table: CostTable) -> None:
    assert table.measurement is not None
    if table.measurement.is_noisy:
        say(
            f"warning: the times spread by {table.measurement.spread:.1%}: the machine is too busy "
            "for a table to be trusted; measure again with clearer profile --force"
        )


def print_cost_table(table: CostTable, check: dict[str, Any] | None, source: str) -> None:
    """Print modules and their milliseconds, and how well the sum predicts."""
    m = table.measurement
    assert m is not None
    shown = Table(
        title=f"{m.backend} {m.version}, {m.precision}, {m.threads} threads; {m.height}x{m.width}",
        caption=f"{m.device}; {source}",
        box=SIMPLE,
    )
    shown.add_column("column on")
    names = m.space.operations
    first, *others = [f"{name[:3]}." for name in names]
    for header in (*(f"{name}, ms" for name in names), f"alone: {first}", *others):
        shown.add_column(header, justify="right")
    rows = zip(m.space.choice_scales(), table.choices, m.modules_alone_ms, strict=True)
    for (number, scales), row, alone in dict.fromkeys(rows):
        of = f", scale {scales[0] + 1}" if m.space.gates else ""
        cells = [f"{value:.2f}" for value in (*row[: len(names)], *alone[: len(names)])]
        shown.add_row(f"{number} scales{of}", *cells)
    shown.add_row("all else", f"{table.fixed:.2f}")
    Console().print(shown)
    say(
        f"networks from {table.cheapest:.2f} to {table.most_expensive:.2f} ms; a network left out "
        f"of the fit is predicted within {m.error:.1%} (at most {m.max_error:.1%}); {m.num_rounds} "
        f"rounds, spread {m.spread:.1%}"
    )
    if check is not None:
        say(
            f"check on {check['num_networks']} further networks: mean error (MAPE) "
            f"{check['mape']:.1%}, largest {check['max_error']:.1%}, Spearman's rho "
            f"{check['rho']:.3f}; sums of modules timed alone: {check['mape_modules_alone']:.1%}"
        )
    _warn_of_noise(table)


def print_architecture(architecture: Architecture, decision: DecisionRecord) -> None:
    """Draw the columns of a network: a line per scale, finest first."""
    describe_decision(decision)
    space = architecture.space
    for scale in range(space.num_scales):
        cells = []
        for columns in architecture.cells:
            marks = (OPERATIONS[c[scale]].mark if scale < len(c) else " " * 5 for c in columns)
            cells.append("".join(marks))
        side = space.unshuffle * 2**scale
        print(f"1/{side:<3} {space.scale_width(scale):>4} ch  {'  '.join(cells)}")
    known = [OPERATIONS[name] for name in (*space.operations, IDENTITY.name)]
    print("   ".join(f"{found.mark[1:-1]} {found.words}" for found in known))
    if space.level_map:
        print("the noise level is an input plane beside the image")


def print_front(rows: list[dict[str, Any]], unit: str, chosen: str) -> None:
    """Print the alternatives that a search offers."""
    table = Table(box=SIMPLE)
    table.add_column("architecture", no_wrap=True)
    for header in (unit, "log-probability"):
        table.add_column(header, justify="right")
    with_quality = rows[0]["supernet_psnr_db"] is not None
    if with_quality:
        table.add_column("supernet, dB", justify="right")
    for row in rows:
        cells = [f"{row['cost']:,.4g}", f"{row['log_probability']:.3f}"]
        if with_quality:
            cells.append(f"{row['supernet_psnr_db']:.2f}")
        mark = " <- this run" if row["architecture"] == chosen else ""
        table.add_row(row["architecture"] + mark, *cells)
    Console().print(table)


def print_quality(title: str, rows: dict[str, dict[str, float]]) -> None:
    """Print PSNR and SSIM by name."""
    table = Table(title=title, box=SIMPLE)
    for column in ("", "PSNR, dB", "SSIM"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in rows.items():
        table.add_row(name, f"{row['psnr_db']:.2f}", f"{row['ssim']:.4f}")
    Console().print(table)
