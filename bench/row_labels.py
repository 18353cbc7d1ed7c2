"""Names of the rows of a benchmark, for people."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.bench.report_record import BenchRow

__all__ = ["distinction", "row_label"]


def row_label(row: BenchRow, rows: Sequence[BenchRow]) -> str:
    """Name of a row, with what distinguishes it from others of the same name."""
    return ", ".join([row["name"], *distinction(row, rows)])


def distinction(row: BenchRow, rows: Sequence[BenchRow]) -> list[str]:
    """Backend, precision and file of a row, as far as rows of its name differ in them."""
    words: list[str] = []
    alike = [other for other in rows if other["name"] == row["name"]]
    for key in ("backend", "precision", "source"):
        if len({other[key] for other in alike}) > 1:
            words.append(row[key])
        alike = [other for other in alike if other[key] == row[key]]
    return words
