"""Tables of what is known by name, and of figures picture by picture, on stdout."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clearer.console import printable, say

__all__ = ["print_data_sets", "print_engines", "print_evaluation", "print_findings", "print_tasks"]


def print_data_sets(rows: list[dict[str, Any]]) -> None:
    """Sets of pictures and where they lie."""
    shown = Table(box=SIMPLE)
    shown.add_column("set")
    shown.add_column("what")
    shown.add_column("files", justify="right")
    shown.add_column("MB", justify="right")
    shown.add_column("where", overflow="fold")
    for row in rows:
        where = escape(printable(row["folder"])) if row["folder"] else "not here"
        shown.add_row(row["name"], row["what"], f"{row['files']}", f"{row['mb']}", where)
    Console().print(shown)
    say("get one by clearer data get NAME; --json shows the terms and sources")


def print_engines(rows: list[dict[str, Any]]) -> None:
    """A line per engine."""
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


def print_evaluation(report: dict[str, Any], stays: str) -> None:
    """A line per picture, and the mean with its interval."""
    mean, (low, high) = report["mean"], report["psnr_db_interval_95"]
    words = ["self-ensemble of 8" if report["self_ensemble"] else ""]
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
    keys = {"input_psnr_db": "degraded, dB", "input_ssim": "SSIM"}
    keys |= {"psnr_db": "restored, dB", "ssim": "SSIM"}
    for key, header in keys.items():
        digits = 2 if key.endswith("db") else 4
        shown.add_column(header, f"{mean[key]:.{digits}f}", justify="right")
    for row in report["rows"]:
        cells = [f"{row[key]:.{2 if key.endswith('db') else 4}f}" for key in keys]
        shown.add_row(escape(printable(row["image"])), *cells)
    Console().print(shown)
    print(f"mean {mean['psnr_db']:.2f} dB, 95 % interval over pictures {low:.2f} to {high:.2f} dB")


def print_tasks(rows: list[dict[str, Any]]) -> None:
    """Tasks, their options and defaults."""
    shown = Table(box=SIMPLE)
    for header in ("task", "option", "what"):
        shown.add_column(header)
    for row in rows:
        shown.add_row(f"[bold]{row['task']}", "", f"[bold]{row['summary']}")
        for name, about in row["options"].items():
            shown.add_row("", f"--{name} {about['default']}", escape(about["help"]))
    Console().print(shown)


def print_findings(rows: list[dict[str, Any]]) -> None:
    """Parts of a machine, and what to do about the missing ones."""
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
    Console().print(shown)
