"""Costs and results of a search, printed to stdout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from clearer.operations.identity import IDENTITY
from clearer.operations.registry import OPERATIONS
from clearer.terminal.console import describe_decision, say, warn_of_noise

if TYPE_CHECKING:
    from clearer.costs.cost import CostTable
    from clearer.runs.run_records import DecisionRecord
    from clearer.searching.front import FrontRow
    from clearer.space.space import Architecture

__all__ = ["print_architecture", "print_cost_table", "print_front", "print_quality"]


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
    warn_of_noise(table)


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


def print_front(rows: list[FrontRow], unit: str, chosen: str) -> None:
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
        if row["supernet_psnr_db"] is not None:
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
