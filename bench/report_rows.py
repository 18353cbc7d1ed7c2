"""The rows of a benchmark as a table for people."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from clearer.bench.evaluation import bootstrap_interval
from clearer.bench.report_record import BenchReport, BenchRow
from clearer.bench.row_labels import row_label

__all__ = [
    "Table",
    "difference",
    "finite",
    "per_picture",
    "reference_row",
    "table",
]


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell, a smaller note below it, and the value to sort by."""

    text: str
    value: float | str | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the table."""

    title: str
    unit: str
    is_number: bool
    about: str
    """Tooltip of the header."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns and, for each row, its kind, whether it is on the front, and its cells."""

    columns: list[Column]
    rows: list[tuple[str, bool, list[Cell]]]
    reference: str | None
    """The row that others are compared with, picture by picture."""


_Show = Callable[[BenchRow], Cell]
_EMPTY: Final = Cell("", None)


def _number(path: str, digits: int, scale: float = 1.0) -> _Show:
    """Show the number at ``path``, such as ``latency.median_ms``; None stays empty."""

    def show(row: BenchRow) -> Cell:
        value: Any = row
        for key in path.split("."):
            value = value and value[key]
        if value is None:
            return _EMPTY
        return Cell(f"{value * scale:,.{digits}f}", finite(value))

    return show


def finite(value: float) -> float | None:
    """The value, or None if JSON has no number for it."""
    return float(value) if math.isfinite(value) else None


def _psnr(row: BenchRow) -> Cell:
    interval = row["psnr_db_interval_95"]
    note = "" if interval is None else f"{interval[0]:.2f}–{interval[1]:.2f}"
    return Cell(f"{row['psnr_db']:.2f}", finite(row["psnr_db"]), note)


def _throughput(row: BenchRow) -> Cell:
    figures = row["throughput"]
    if figures is None:
        return _EMPTY
    return Cell(
        f"{figures['images_per_s']:,.1f}", figures["images_per_s"], f"batch {figures['batch']}"
    )


_COLUMNS: Final[list[tuple[Column, _Show]]] = [
    (Column("Method", "", False, ""), lambda row: Cell(row["name"], row["name"].lower())),
    (
        Column("Backend", "", False, "The runtime and its version"),
        lambda row: Cell(row["backend"], row["backend"].lower(), row["version"]),
    ),
    (
        Column("Precision", "", False, "Precision of the arithmetic in effect"),
        lambda row: Cell(row["precision"], row["precision"], row["provider"] or ""),
    ),
    (Column("Threads", "", True, ""), _number("threads", 0)),
    (Column("PSNR", "dB", True, "Mean over the pictures; its 95 % interval below"), _psnr),
    (Column("SSIM", "", True, "Mean over the pictures"), _number("ssim", 4)),
    (
        Column("Median", "ms", True, "One call, array in, array out"),
        _number("latency.median_ms", 1),
    ),
    (Column("p95", "ms", True, "95th percentile of the calls"), _number("latency.p95_ms", 1)),
    (
        Column("End to end", "ms", True, "Median from an 8-bit picture to an 8-bit picture"),
        _number("end_to_end.median_ms", 1),
    ),
    (Column("Images", "1/s", True, "Throughput of a batch"), _throughput),
    (Column("p99", "ms", True, "99th percentile of the calls"), _number("latency.p99_ms", 1)),
    (Column("Min", "ms", True, "Fastest of the calls"), _number("latency.min_ms", 1)),
    (
        Column("Memory", "MB", True, "Peak memory beyond imports"),
        _number("peak_memory_mb", 0),
    ),
    (Column("File", "MB", True, "1 MB is 10⁶ bytes"), _number("file_bytes", 2, 1e-6)),
    (Column("Parameters", "10³", True, ""), _number("num_params", 0, 1e-3)),
    (
        Column("Load", "ms", True, "Until the network can be called"),
        _number("load_ms", 0),
    ),
]


def table(report: BenchReport) -> Table:
    """All rows; empty columns are left out."""
    rows = report["rows"]
    reference = reference_row(rows)
    columns = list(_COLUMNS)
    if reference is not None:
        place = next(i for i, (column, _) in enumerate(columns) if column.title == "SSIM")
        about = f"PSNR minus that of {row_label(reference, rows)}, and its 95 % interval"
        columns.insert(place, (Column("Difference", "dB", True, about), _difference(reference)))
    shown = [(column, [show(row) for row in rows]) for column, show in columns]
    shown = [(column, cells) for column, cells in shown if any(cell.text for cell in cells)]
    return Table(
        columns=[column for column, _ in shown],
        rows=[
            (row["kind"], row["on_front"], [cells[index] for _, cells in shown])
            for index, row in enumerate(rows)
        ],
        reference=None if reference is None else row_label(reference, rows),
    )


def reference_row(rows: Sequence[BenchRow]) -> BenchRow | None:
    """The first row of ours, if there is another one to compare with, picture by picture."""
    ours = next((row for row in rows if row["kind"] == "ours"), None)
    if ours is None or len(rows) < 2 or len(ours["images"]) < 2:
        return None
    return ours


def difference(row: BenchRow, reference: BenchRow) -> tuple[float, float, float] | None:
    """PSNR minus that of the reference on the same pictures: mean and 95 % interval, in dB.

    Pictures differ far more than methods do on one picture, so this is far more precise than
    comparing two means. None if there is nothing to compare.
    """
    of_reference = {image["image"]: image["psnr_db"] for image in reference["images"]}
    pairs = [
        image["psnr_db"] - of_reference[image["image"]]
        for image in row["images"]
        if image["image"] in of_reference
    ]
    differences = np.array(pairs, dtype=np.float64)
    if row is reference or len(pairs) < 2 or not np.isfinite(differences).all():
        return None
    return float(differences.mean()), *bootstrap_interval(differences)


def _difference(reference: BenchRow) -> _Show:
    def show(row: BenchRow) -> Cell:
        found = difference(row, reference)
        if found is None:
            return _EMPTY
        mean, low, high = found
        return Cell(_signed(mean), mean, f"{_signed(low)} to {_signed(high)}")

    return show


def _signed(value: float) -> str:
    text = f"{value:+.2f}"
    return "0.00" if text in ("+0.00", "-0.00") else text.replace("-", "−")


def per_picture(rows: Sequence[BenchRow]) -> tuple[list[str], list[tuple[str, list[str]]]]:
    """PSNR per picture and method: titles, and for each picture its name and figures.

    A method appears once per precision: backends differ in time, hardly in results.
    """
    methods: dict[tuple[str, str], BenchRow] = {}
    for row in rows:
        methods.setdefault((row["name"], row["precision"]), row)
    names = list(dict.fromkeys(image["image"] for row in rows for image in row["images"]))
    figures = [
        {image["image"]: f"{image['psnr_db']:.2f}" for image in row["images"]}
        for row in methods.values()
    ]
    titles = [f"{name}, {precision}" for name, precision in methods]
    return titles, [(name, [column.get(name, "") for column in figures]) for name in names]
