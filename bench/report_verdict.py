"""The verdict of a benchmark: who wins, and who is on the front."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from clearer.bench.accuracy import SAME_PSNR_DB
from clearer.bench.report_record import BenchReport, BenchRow
from clearer.bench.report_rows import difference
from clearer.bench.row_labels import row_label

__all__ = ["Verdict", "verdict", "winner"]

_SAME_TIME: Final = 1.05
"""Ratio of times below which none is called faster."""
_MANY: Final = 4
"""Number of rows that are named; others are only counted."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """The result in a few sentences."""

    text: str
    is_quiet: bool
    noise: str


def verdict(report: BenchReport) -> Verdict:
    """Who wins, who is on the front of quality and time, and how far times can be trusted."""
    rows, noise = report["rows"], report["noise"]
    front = sorted(
        (row for row in rows if row["on_front"]), key=lambda row: row["latency"]["median_ms"]
    )
    words = [winner(report)]
    if front:
        verb = "is" if len(front) == 1 else "are"
        words.append(f"On the front {verb} {_listed(front, rows)}.")
    return Verdict(" ".join(filter(None, words)), noise["is_quiet"], noise["text"])


def winner(report: BenchReport) -> str:
    """A sentence on who wins: one of our networks, or one of the others measured.

    It compares the best of our rows with its strongest rival: one that is at least as good and no
    slower, or else the one of highest PSNR. If one of the two is better and the other faster, the
    sentence says so. What the pictures do not prove is marked.
    """
    rows = report["rows"]
    ours = _best([row for row in rows if row["kind"] == "ours"])
    rivals = [row for row in rows if row["kind"] != "ours"]
    if ours is None:
        best = _best(rivals)
        return "Nothing was measured." if best is None else f"{_in_words(best, rows)} wins."
    rival = _best([row for row in rivals if _beats(row, ours)]) or _best(rivals)
    if rival is None:
        text = f"{_in_words(ours, rows)} is the best of what was measured."
    else:
        text = _compared(ours, rival, rows)
    return text if report["noise"]["is_quiet"] else f"By the times of a busy machine, {text}"


def _best(rows: Sequence[BenchRow]) -> BenchRow | None:
    """The row of highest PSNR to two decimals, then the fastest; from the front if possible."""
    front = [row for row in rows if row["on_front"]]
    return max(
        front or rows,
        key=lambda row: (round(row["psnr_db"], 2), -row["latency"]["median_ms"]),
        default=None,
    )


def _beats(one: BenchRow, other: BenchRow) -> bool:
    """Whether ``one`` is neither worse nor slower, by the bare figures."""
    is_worse = one["psnr_db"] < other["psnr_db"] - SAME_PSNR_DB
    return not is_worse and one["latency"]["median_ms"] <= other["latency"]["median_ms"]


def _compared(ours: BenchRow, rival: BenchRow, rows: Sequence[BenchRow]) -> str:
    """Which of two wins, and by how much."""
    is_same = ours["psnr_db"] == rival["psnr_db"]  # may be infinite
    gain = 0.0 if is_same else ours["psnr_db"] - rival["psnr_db"]
    if abs(gain) < SAME_PSNR_DB:
        is_first = ours["latency"]["median_ms"] <= rival["latency"]["median_ms"]
    else:
        is_first = gain > 0
    first, second = (ours, rival) if is_first else (rival, ours)
    slower = first["latency"]["median_ms"] / second["latency"]["median_ms"]
    quality = f"{abs(gain):.2f}\N{NO-BREAK SPACE}dB better than"
    if abs(gain) < SAME_PSNR_DB:
        wins, quality = "wins", "as good as"
    else:
        wins = "wins in quality, not in time" if slower >= _SAME_TIME else "wins"
    return (
        f"{_in_words(first, rows)} {wins}: {quality} {_in_words(second, rows)}, "
        f"{_in_time(slower)}{_doubt(first, second, gain)}."
    )


def _in_time(slower: float) -> str:
    if slower >= _SAME_TIME:
        return f"in {slower:.1f} times its time"
    if slower > 1 / _SAME_TIME:
        return "in about the same time"
    return f"and {1 / slower:.1f} times as fast"


def _doubt(first: BenchRow, second: BenchRow, gain: float) -> str:
    """Why the difference in quality may not be significant."""
    if abs(gain) < SAME_PSNR_DB:
        return ""
    found = difference(first, second)
    if found is None:
        return " (measured on one picture: that proves little)" if len(first["images"]) < 2 else ""
    _, low, high = found
    return " (no more than pictures differ)" if low <= 0 <= high else ""


def _in_words(row: BenchRow, rows: Sequence[BenchRow]) -> str:
    psnr_db, ms = row["psnr_db"], row["latency"]["median_ms"]
    space = "\N{NO-BREAK SPACE}"
    return f"{row_label(row, rows)} ({psnr_db:.2f}{space}dB at {ms:.1f}{space}ms)"


def _listed(rows: Sequence[BenchRow], all_rows: Sequence[BenchRow]) -> str:
    words = [row_label(row, all_rows) for row in rows[:_MANY]]
    if len(rows) > len(words):
        words.append(f"{len(rows) - len(words)} more")
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
