"""Reports as Markdown, for a pull request."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.bench.compare import Comparison, RowChange
from clearer.bench.report_record import BenchReport, MeanRecord, Skipped

__all__ = ["bench_markdown", "comparison_markdown", "verdict"]


def bench_markdown(report: BenchReport) -> str:
    """Table of a ``bench.json``, and how it was measured."""
    given, environment = report["input"], report["environment"]
    header = ["", "backend", "precision", "PSNR, dB", "SSIM", "ms", "end to end", "MB", "front"]
    lines = [["input", "", "", _db(given), f"{given['ssim']:.4f}", "", "", "", ""]]
    for row in report["rows"]:
        size = "" if row["file_bytes"] is None else f"{row['file_bytes'] / 1e6:.2f}"
        lines.append(
            [
                f"**{row['name']}**" if row["kind"] == "ours" else row["name"],
                f"{row['backend']} {row['version']}",
                row["precision"],
                _db(row),
                f"{row['ssim']:.4f}",
                f"{row['latency']['median_ms']:.1f}",
                f"{row['end_to_end']['median_ms']:.1f}",
                size,
                "yes" if row["on_front"] else "",
            ]
        )
    height, width = report["timed_shape"][2:]
    notes = [
        f"{report['task']}; {report['data']} ({report['data_use']}), {report['num_images']} "
        f"image(s), 95 % interval of the mean in brackets; median ms of one image of "
        f"{height}x{width} (height x width), {environment['threads']} thread(s), "
        f"{environment['device']}; {report['noise']['text']}.",
        *(f"Left out: {_left_out(entry)}" for entry in report["skipped"]),
    ]
    return _table(header, lines) + "\n" + "\n".join(f"\n{_plain(note)}" for note in notes)


def _left_out(entry: Skipped) -> str:
    return ", ".join(filter(None, (entry["name"], entry["backend"]))) + f": {entry['reason']}"


def _db(row: MeanRecord) -> str:
    interval = row["psnr_db_interval_95"]
    between = "" if interval is None else f" ({interval[0]:.2f} to {interval[1]:.2f})"
    return f"{row['psnr_db']:.2f}{between}"


def comparison_markdown(comparison: Comparison) -> str:
    """Table of what changed."""
    lines = [
        [
            row.name,
            row.backend,
            row.precision,
            f"{row.old_ms:.1f}",
            f"{row.new_ms:.1f}",
            f"{row.ratio:.3f} ({row.ratio_interval_95[0]:.3f} to {row.ratio_interval_95[1]:.3f})",
            f"{row.change_db:+.3f}",
            verdict(row),
        ]
        for row in comparison.rows
    ]
    header = ["", "backend", "precision", "old ms", "new ms", "ratio (95 %)", "PSNR, dB", "verdict"]
    notes = [comparison.note, *(f"fails now: {text}" for text in comparison.lost)]
    return _table(header, lines) + "\n" + "\n".join(f"\n{_plain(note)}" for note in notes)


def verdict(row: RowChange) -> str:
    """What changed in a row, in a word or two."""
    words = {
        "slower": row.is_slower,
        "faster": row.is_faster,
        "worse": row.is_worse,
        "better": row.is_better,
    }
    return ", ".join(word for word, holds in words.items() if holds) or "the same"


def _table(header: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    rows = [header, ["---"] * len(header), *([_plain(cell) for cell in line] for line in lines)]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def _plain(text: str) -> str:
    """Escape names from files: they must not break the table or act as markup."""
    one_line = "".join(c if c.isprintable() else " " for c in text)
    return one_line.replace("|", "\\|").replace("<", "&lt;").replace("`", "'")
