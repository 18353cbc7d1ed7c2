"""Data for the plots of a report: PSNR against time, predicted against measured time."""

from __future__ import annotations

from typing import Any

from clearer.bench.report_record import BenchReport, BenchRow
from clearer.bench.report_rows import difference, finite, reference_row
from clearer.bench.row_labels import distinction, row_label

__all__ = ["predictions", "scatter"]


def scatter(report: BenchReport) -> dict[str, Any]:
    """A point per row, with its tooltip.

    ``y_range`` is the interval of the mean over the pictures, ``difference_range`` that of the
    difference to the first row of ours, around the row's mean.
    """
    rows = report["rows"]
    reference = reference_row(rows)
    is_alone = len({row["name"] for row in rows if row["kind"] == "ours"}) == 1
    points = []
    for index, row in enumerate(rows):
        latency, interval = row["latency"], row["psnr_db_interval_95"]
        if finite(row["psnr_db"]) is None:
            continue  # infinite PSNR has no place on the axis
        found = None if reference is None else difference(row, reference)
        # If all of ours are one network, the colour identifies it, and the words say what differs.
        words = distinction(row, rows) if row["kind"] == "ours" and is_alone else []
        points.append(
            {
                "row": index,
                "kind": row["kind"],
                "front": row["on_front"],
                "label": row_label(row, rows),
                "short": ", ".join(words) or row_label(row, rows),
                "x": latency["median_ms"],
                "y": row["psnr_db"],
                "x_range": [latency["min_ms"], latency["p95_ms"]],
                "y_range": interval,
                "difference_range": found and [row["psnr_db"] - found[0] + d for d in found[1:]],
                "lines": _lines(row),
            }
        )
    return {"points": points}


def _lines(row: BenchRow) -> list[str]:
    latency, interval = row["latency"], row["psnr_db_interval_95"]
    threads = f"{row['threads']} thread{'s' if row['threads'] != 1 else ''}"
    lines = [f"{row['backend']}, {row['precision']}, {threads}"]
    if row["provider"]:
        lines.append(row["provider"])
    psnr = f"PSNR {row['psnr_db']:.2f} dB"
    lines.append(psnr if interval is None else f"{psnr} ({interval[0]:.2f}–{interval[1]:.2f})")
    lines.append(f"SSIM {row['ssim']:.4f}")
    lines.append(f"median {latency['median_ms']:.1f} ms, p95 {latency['p95_ms']:.1f} ms")
    lines.append(f"end to end {row['end_to_end']['median_ms']:.1f} ms")
    if row["file_bytes"] is not None:
        lines.append(f"file {row['file_bytes'] / 1e6:.2f} MB")
    return lines


def predictions(report: BenchReport) -> list[dict[str, Any]]:
    """Measured (x) and predicted (y) milliseconds of the rows that have both."""
    rows = report["rows"]
    return [
        {
            "label": row_label(row, rows),
            "kind": row["kind"],
            "x": row["latency"]["median_ms"],
            "y": row["predicted_ms"],
        }
        for row in rows
        if row["predicted_ms"] is not None
    ]
