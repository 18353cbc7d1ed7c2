"""Tables on stdout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearer.terminal.console import printable, say

if TYPE_CHECKING:
    from clearer.bench.compare import Comparison
    from clearer.bench.evaluation_record import EvaluationReport, Figure
    from clearer.bench.report_record import BenchReport, MeanRecord
    from clearer.export.engine_record import BuiltEngine
    from clearer.export.export_record import ExportRecord, FileRecord
    from clearer.searching.standing import RaceRow, Standing
    from clearer.zoo.card_record import CardRecord

__all__ = [
    "print_bench",
    "print_comparison",
    "print_data_sets",
    "print_engines",
    "print_evaluation",
    "print_export",
    "print_findings",
    "print_model_info",
    "print_race_front",
    "print_standing",
    "print_tasks",
    "print_zoo",
]

_NAMED_LAYERS: Final = 6
"""More of them are a resolution, not single layers; ``export.json`` has all names."""
_LEAST_WIDTH: Final = 80
"""Minimum width of tables: in a narrower terminal lines break, but all columns are shown."""


def _print(table: Table, least: int = _LEAST_WIDTH) -> None:
    console = Console()
    console.width = max(console.width, least)
    console.print(table)


def print_data_sets(rows: list[dict[str, Any]]) -> None:
    """Print the data sets and where they are stored."""
    shown = Table(box=SIMPLE)
    shown.add_column("set")
    shown.add_column("what")
    shown.add_column("files", justify="right")
    shown.add_column("MB", justify="right")
    shown.add_column("where", overflow="fold")
    longest = max(len(row["folder"] or "") for row in rows)
    for row in rows:
        where = escape(printable(row["folder"])) if row["folder"] else "not here"
        shown.add_row(row["name"], row["what"], f"{row['files']}", f"{row['mb']}", where)
    _print(shown, _LEAST_WIDTH + longest)
    say("get one with clearer data get NAME; --json shows the terms and sources")


def print_zoo(cards: list[CardRecord]) -> None:
    """Print a line per network and test set."""
    from clearer.zoo.card import shown_sigma
    from clearer.zoo.card_times import main_time, measured_where, ratio_to_ffdnet

    shown = Table(
        box=SIMPLE,
        caption="PSNR of the restored pictures, whole, protocol awgn, or of rain as in the pairs; "
        "ratio: to the ms of FFDNet beside it",
    )
    shown.add_column("network\nfor", overflow="fold", min_width=24)
    for header in ("channels\nparameters", "MB\nONNX", "set", "sigma", "PSNR,\ndB", "ms\nratio"):
        shown.add_column(header, justify="right", no_wrap=True)
    for card in cards:
        rows, time = card["figures"]["rows"], main_time(card)
        columns = [
            "\n".join(str(row["data"]) for row in rows),
            "\n".join(shown_sigma(row) for row in rows),
            "\n".join(f"{row['psnr_db']:.2f}" for row in rows),
        ]
        shown.add_row(
            f"[bold]{card['name']}[/]\n{escape(card['purpose'])}",
            f"{card['channels']}\n{card['params']:,}",
            f"{card['onnx_bytes'] / 1e6:.2f}",
            *columns,
            _or_blank(None if time is None else time["median_ms"], 1)
            + f"\n{_or_blank(ratio_to_ffdnet(card), 2)}",
        )
    _print(shown)
    notes: dict[str, list[str]] = {}
    for card in cards:
        notes.setdefault(f"ms: ONNX Runtime fp32, {measured_where(card)}", []).append(card["name"])
        notes.setdefault(f"licence: {card['licence']}", []).append(card["name"])
    for note in sorted(notes, reverse=True):
        say(f"{', '.join(notes[note])}; {note}")


def print_engines(rows: list[BuiltEngine]) -> None:
    """Print a line per engine."""
    for row in rows:
        differences = [check["max_abs"] for check in row["parity"] or []]
        checked = f"not run here: {row['not_run']}"
        if differences:
            checked = f"largest difference to {row['onnx']} {max(differences):.1e}"
        how = "reused" if row["reused"] else f"built in {row['build_seconds']:g} s"
        print(
            f"{row['file']}: {how}, {row['bytes'] / 1e6:.3f} MB, {row['precision']}, "
            f"{row['profile']}; {checked}"
        )


def print_evaluation(report: EvaluationReport, stays: str) -> None:
    """Print a line per picture, and the mean with its confidence interval."""
    mean, (low, high) = report["mean"], report["psnr_db_interval_95"]
    words = ["self-ensemble" if report["self_ensemble"] else ""]
    words.append("patches of 64x64" if report["patches"] else "")
    how = ", ".join(word for word in words if word) or "whole pictures"
    model = report["model"]
    shown = Table(
        title=f"{report['model']['name']}: {stays}; {report['data']}, {how}",
        caption=f"{model['backend']} {model['version']}, {model['precision']}, "
        f"{model['threads']} threads; {report['device']}",
        box=SIMPLE,
        show_footer=True,
    )
    shown.add_column("image", f"mean of {report['num_images']}", overflow="fold")
    keys: dict[Figure, str] = {"input_psnr_db": "degraded, dB", "input_ssim": "SSIM"}
    keys |= {"psnr_db": "restored, dB", "ssim": "SSIM"}
    if "y" in report["channels"]:
        keys |= {"y_input_psnr_db": "degraded Y, dB", "y_input_ssim": "SSIM"}
        keys |= {"y_psnr_db": "restored Y, dB", "y_ssim": "SSIM"}
    for key, header in keys.items():
        digits = 2 if key.endswith("db") else 4
        shown.add_column(header, f"{mean[key]:.{digits}f}", justify="right")
    for row in report["rows"]:
        cells = [f"{row[key]:.{2 if key.endswith('db') else 4}f}" for key in keys]
        shown.add_row(escape(printable(row["image"])), *cells)
    _print(shown)
    print(f"mean {mean['psnr_db']:.2f} dB, 95 % interval over pictures {low:.2f} to {high:.2f} dB")


def print_tasks(rows: list[dict[str, Any]]) -> None:
    """Print the tasks, their options and defaults."""
    shown = Table(box=SIMPLE)
    for header in ("task", "option", "what"):
        shown.add_column(header)
    for row in rows:
        shown.add_row(f"[bold]{row['task']}", "", f"[bold]{row['summary']}")
        for name, about in row["options"].items():
            shown.add_row("", f"--{name} {about['default']}", escape(about["help"]))
    _print(shown)


def print_export(folder: Path, report: ExportRecord) -> None:
    """Print a line per file of ``export.json``."""
    shown = Table(
        title=f"PSNR on {escape(printable(report['data']))} ({report['num_images']} pictures)",
        caption="differences to torch fp32, on the scale 0 to 1, at odd sizes and in a batch too",
        box=SIMPLE,
        pad_edge=False,
        collapse_padding=True,
    )
    shown.add_column("file\nprecision, io", overflow="fold")
    headers = ("\nMB", "max\ndiff", "mean\ndiff", "torch,\ndB", "file,\ndB", "change,\ndB")
    for header in headers:
        shown.add_column(header, justify="right", no_wrap=True)
    for row in report["files"]:
        check = row["check"]
        shown.add_row(
            f"{row['file']}\n[dim]{row['precision']}, {row['io']}[/]"
            + ("" if check["passed"] else ", [bold red]failed[/]"),
            f"{row['bytes'] / 1e6:.3f}",
            f"{check['max_abs']:.1e}",
            f"{check['mean_abs']:.1e}",
            f"{check['psnr_torch_db']:.3f}",
            f"{check['psnr_file_db']:.3f}",
            f"{check['psnr_change_db']:+.4f}",
        )
    _print(shown)
    for row in report["files"]:
        if "quantization" in row and row["io"] == "tensor" and row["shape"] is None:
            say(_describe_quantization(row))
    print(f"written: {folder}; next: clearer bench {folder}")


def _describe_quantization(row: FileRecord) -> str:
    about = row["quantization"]
    layers = about["float_layers"]
    named = f": {', '.join(layers)}" if 0 < len(layers) <= _NAMED_LAYERS else ""
    losses = ", ".join(f"{name} {-drop:+.3f} dB" for name, drop in about["drops_db"].items())
    return (
        f"{row['file']}: calibrated by {about['calibration']}, weights of {about['weight_bits']} "
        f"bits; {losses} in the middles of the pictures on this processor; {len(layers)} of "
        f"{about['num_layers']} convolutions stay in floating point{named}"
    )


def print_standing(rows: list[Standing]) -> None:
    """Print the standing of a race, best first, with a column of PSNR per round."""
    rounds = max((len(row.scores) for row in rows), default=0)
    table = Table(box=SIMPLE, caption="dB of validation patches at the end of each round; *: won")
    table.add_column("network", no_wrap=True)
    for header in ("MB", "kMACs/px", *(f"{i + 1}, dB" for i in range(rounds))):
        table.add_column(header, justify="right", no_wrap=True)
    for place, row in enumerate(rows):
        figures = ["-" if s["psnr_db"] is None else f"{s['psnr_db']:.2f}" for s in row.scores]
        figures += [""] * (rounds - len(figures))
        mark = " *" if place == 0 else ""
        cells = [f"{row.mb:.2f}", f"{row.macs_per_pixel / 1e3:,.1f}", *figures]
        table.add_row(row.architecture.label + mark, *cells)
    _print(table)


def print_race_front(rows: list[RaceRow], unit: str) -> None:
    """Print the networks of a race, from cheap to expensive."""
    table = Table(
        box=SIMPLE, caption="dB of the first round, in which all did the same work; *: won"
    )
    table.add_column("network", no_wrap=True)
    for header in (unit, "dB", "rounds", "front"):
        table.add_column(header, justify="right", no_wrap=True)
    for row in rows:
        mark = " *" if row["is_winner"] else ""
        figure = "-" if row["psnr_db"] is None else f"{row['psnr_db']:.2f}"
        cells = [f"{row['cost']:,.4g}", figure, str(row["rounds"]), "yes" * row["on_front"]]
        table.add_row(row["shape"] + mark, *cells)
    _print(table)


def print_model_info(row: dict[str, Any]) -> None:
    """Print what a model file says; it may be of any origin."""
    shown = Table(box=SIMPLE, show_header=False)
    shown.add_column()
    shown.add_column(overflow="fold")
    task = row["task"] and " ".join(f"{name} {value}" for name, value in row["task"].items())
    architecture, (batch, height, width) = row["architecture"], row["shape"]
    trained = {True: "trained", False: "never trained", None: None}
    figures = ", ".join(f"{name} {value:g}" for name, value in row["figures"].items())
    cells = {
        "file": row["file"],
        "MB": f"{row['bytes'] / 1e6:.3f}",
        "written by": _writer(row["version"], is_ours=architecture is not None),
        "task": task and task.removeprefix("name "),
        "takes and gives": _takes(row["pictures"]),
        "batch x height x width": " x ".join(str(s or "any") for s in (batch, height, width)),
        "channels": f"{row['channels'] or 'any'}, {row['color']}",
        "precision": row["precision"],
        "architecture": architecture and f"{architecture['choices']}, {architecture['space']}",
        "padded to multiples of": row["multiple"] and str(row["multiple"]),
        "weights": trained[row["is_trained"]],
        "validation": figures and f"{figures}; {row['selection']}",
        "trained on": row["data"],
        "licence": row["licence"],
    }
    if row["pictures"]:
        cells["does not say"] = " nor ".join(row["pictures"]["assumed"]) or "nothing"
    else:
        cells["cannot restore here"] = row["not_usable"]
    for name, cell in cells.items():
        shown.add_row(name, escape(printable(cell)) if cell else "not said")
    _print(shown)


def _writer(version: str | None, *, is_ours: bool) -> str:
    if version:
        return f"clearer {version}"
    return "clearer" if is_ours else "another program"


def _takes(pictures: dict[str, Any] | None) -> str:
    """The input format of a network, in words."""
    if pictures is None:
        return "no pictures that can be restored here"
    element = "8-bit pictures" if pictures["element"] == "uint8" else pictures["element"]
    words = [
        f"{element}, {' x '.join(pictures['layout'])}",
        f"pixels in {pictures['range']}",
        pictures["color_order"] if pictures["channels"] else "gray or RGB",
    ]
    if pictures["needs_multiple"] > 1:
        words.append(f"sides of multiples of {pictures['needs_multiple']}, by reflect padding")
    if pictures["takes_level"]:
        words.append("and the noise level of each, 0..255, as the input sigma")
    return ", ".join(words)


def print_findings(rows: list[dict[str, Any]]) -> None:
    """Print the parts of a machine, and what to do about missing ones."""
    colors = {"ok": "green", "absent": "yellow", "broken": "bold red"}
    shown = Table(box=SIMPLE)
    shown.add_column("part", no_wrap=True)
    shown.add_column("", no_wrap=True)
    shown.add_column("found", overflow="fold")
    shown.add_column("what to do", overflow="fold")
    for row in rows:
        state = f"[{colors[row['state']]}]{row['state']}[/]"
        texts = [escape(printable(row[key])) for key in ("found", "advice")]
        shown.add_row(escape(row["part"]), state, *texts)
    _print(shown)


def print_bench(report: BenchReport) -> None:
    """Print ``bench.json`` as a table, and how noisy it is."""
    height, width = report["timed_shape"][2:]
    environment = report["environment"]
    shown = Table(
        title=escape(
            f"{report['task']}; {printable(report['data'])} ({report['data_use']}), "
            f"{report['num_images']} image(s)"
        ),
        caption=f"{environment['device']}, {environment['threads']} thread(s); ms of one image of "
        f"height {height} and width {width}; * on the front: nothing is faster and as good",
        box=SIMPLE,
    )
    shown.add_column("network\nbackend", overflow="fold", min_width=24)
    headers = ["PSNR, dB\n95 %", "SSIM", "ms\np95", "8-bit, ms\nimages/s", "file, MB\npeak"]
    is_predicted = any(row["predicted_ms"] is not None for row in report["rows"])
    headers += ["predicted\nms"] * is_predicted
    for header in headers:
        shown.add_column(header, justify="right", no_wrap=True)
    shown.add_row("input", *_quality_cells(report["input"]))
    for row in report["rows"]:
        call, size, throughput = row["latency"], row["file_bytes"], row["throughput"]
        speed = None if throughput is None else throughput["images_per_s"]
        cells = [
            *_quality_cells(row),
            f"{call['median_ms']:.1f}\n{call['p95_ms']:.1f}",
            f"{row['end_to_end']['median_ms']:.1f}\n{_or_blank(speed, 1)}",
            f"{_or_blank(None if size is None else size / 1e6, 2)}\n"
            f"{_or_blank(row['peak_memory_mb'], 0)}",
        ]
        cells += [_or_blank(row["predicted_ms"], 1)] * is_predicted
        mark = " *" if row["on_front"] else ""
        backend = f"{row['backend']} {row['precision']}, {printable(row['source'])}".rstrip(", ")
        shown.add_row(f"{escape(printable(row['name']))}{mark}\n  {escape(backend)}", *cells)
    _print(shown)
    say(report["noise"]["text"])
    for entry in report["skipped"]:
        what = ", ".join(word for word in (entry["name"], entry["backend"]) if word)
        say(f"left out: {what}: {entry['reason']}")


def _quality_cells(row: MeanRecord) -> list[str]:
    interval = row["psnr_db_interval_95"]
    between = "" if interval is None else f"\n{interval[0]:.2f}-{interval[1]:.2f}"
    return [f"{row['psnr_db']:.2f}{between}", f"{row['ssim']:.4f}"]


def _or_blank(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def print_comparison(comparison: Comparison) -> None:
    """Print a line per row that two reports share, then what they do not share."""
    from clearer.bench.markdown import verdict

    shown = Table(box=SIMPLE)
    shown.add_column("network\nbackend", overflow="fold", min_width=24)
    for header in ("old ms\nnew", "ratio\n95 %", "PSNR, dB", "verdict"):
        shown.add_column(header, justify="right", no_wrap=True)
    for row in comparison.rows:
        low, high = row.ratio_interval_95
        backend = f"{row.backend} {row.precision}"
        shown.add_row(
            f"{escape(printable(row.name))}\n  {escape(printable(backend))}",
            f"{row.old_ms:.1f}\n{row.new_ms:.1f}",
            f"{row.ratio:.3f}\n{low:.3f}-{high:.3f}",
            f"{row.change_db:+.3f}",
            verdict(row),
        )
    _print(shown)
    say(comparison.note)
    for words, texts in {
        "fails now": comparison.lost,
        "only in the old one": comparison.only_old,
        "only in the new one": comparison.only_new,
    }.items():
        for text in texts:
            say(f"{words}: {text}")
