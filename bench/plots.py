"""Plots of benchmarks, searches and pictures."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from clearer.bench.cost_fit import Check
from clearer.bench.report_record import BenchReport, BenchRow
from clearer.bench.row_labels import distinction
from clearer.costs.cost import CostTable
from clearer.errors import require
from clearer.restoring.metrics import psnr_db, ssim
from clearer.support.files import write_atomic

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from clearer.searching.front import FrontRow
    from clearer.searching.standing import RaceRow

__all__ = [
    "Example",
    "draw_frame",
    "most_detailed",
    "new_figure",
    "plot_check",
    "plot_crops",
    "plot_example",
    "plot_front",
    "plot_frontier",
    "plot_race",
    "plot_strip",
    "require_matplotlib",
    "save_figure",
    "show",
    "shown",
]

_OURS: Final = "#c2410c"
_OTHERS: Final = "#475569"
_MARKERS: Final = "osD^vP*X<>"
_CROP: Final = 256


def require_matplotlib() -> None:
    """Check for matplotlib, before work whose result is drawn.

    Raises:
        ClearerError: If matplotlib is not installed; the text says how to install it.
    """
    require("matplotlib", extra="bench")


def new_figure(width: float, height: float) -> Figure:
    """An empty figure of this size, in inches.

    Raises:
        ClearerError: If matplotlib is not installed.
    """
    figure: Figure = require("matplotlib.figure", extra="bench").Figure(
        figsize=(width, height), layout="constrained"
    )
    return figure


def save_figure(figure: Figure, path: Path, description: str = "") -> None:
    """Write a figure as PNG, atomically, with a description in the file."""
    buffer = io.BytesIO()
    metadata = {"Description": description} if description else None
    figure.savefig(buffer, format="png", dpi=150, bbox_inches="tight", metadata=metadata)
    write_atomic(path, buffer.getvalue())


def plot_frontier(path: Path, report: BenchReport) -> None:
    """Plot PSNR, with its intervals, against median time, from the content of ``bench.json``.

    Rows on the front are filled; our networks have their own colour.
    """
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    figure = new_figure(9, max(4.5, 0.62 * len(report["rows"])))
    axes = figure.add_subplot()
    axes.set_xscale("log")
    axes.grid(True, alpha=0.25)
    axes.margins(y=0.25)
    times = [row["latency"]["median_ms"] for row in report["rows"]]
    axes.set_xlim(min(times) / 2.5, max(times) * 2.5)
    for index, row in enumerate(report["rows"]):
        is_twice = row["source"] in distinction(row, report["rows"])
        what = f"{row['backend']}, {row['precision']}" + f", {row['source']}" * is_twice
        _plot_row(axes, row, what, _MARKERS[index % len(_MARKERS)])
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, labelspacing=1.0)
    height, width = report["timed_shape"][2:]
    axes.set_xlabel(f"median ms per image of {height}x{width} pixels (height x width), log scale")
    axes.set_ylabel("PSNR, dB; 95 % interval of the mean")
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    environment = report["environment"]
    busy = "" if report["noise"]["is_quiet"] else "; the machine was busy: times are uncertain"
    axes.set_title(
        f"{report['task']}; input {report['input']['psnr_db']:.2f} dB\n"
        f"{report['data']} ({report['data_use']}), {report['num_images']} images\n"
        f"{environment['device']}, {environment['threads']} thread(s){busy}",
        fontsize=9,
    )
    save_figure(figure, path)


def _plot_row(axes: Axes, row: BenchRow, what: str, marker: str) -> None:
    color = _OURS if row["kind"] == "ours" else _OTHERS
    ms, db = row["latency"]["median_ms"], row["psnr_db"]
    axes.plot(
        ms,
        db,
        marker,
        color=color,
        fillstyle="full" if row["on_front"] else "none",
        markersize=9,
        label=f"{row['name']}\n{what}: {db:.2f} dB, {ms:.1f} ms"
        + (", on the front" if row["on_front"] else ""),
    )
    if row["psnr_db_interval_95"] is not None:
        axes.plot([ms, ms], row["psnr_db_interval_95"], color=color, linewidth=0.8, alpha=0.4)


@dataclass(frozen=True, slots=True)
class Example:
    """One picture in three states, each ``(C, H, W)``."""

    name: str
    degraded: NDArray[np.float32]
    restored: NDArray[np.float32]
    clean: NDArray[np.float32]

    @property
    def panels(self) -> list[tuple[str, NDArray[np.float32]]]:
        """Each state with its title; figures are for the whole picture."""
        return [
            (f"degraded, {_figures(self.degraded, self.clean)}", self.degraded),
            (f"restored, {_figures(self.restored, self.clean)}", self.restored),
            ("clean", self.clean),
        ]


def _figures(image: NDArray[np.float32], clean: NDArray[np.float32]) -> str:
    return f"{psnr_db(image, clean):.2f} dB / {ssim(image, clean):.4f}"


def plot_strip(path: Path, example: Example, title: str) -> None:
    """Plot degraded, restored and clean: the middle of the picture."""
    _plot_panels(path, example, title, _middle)


def plot_example(path: Path, example: Example, title: str) -> None:
    """Plot degraded, restored and clean: the whole picture."""
    _plot_panels(path, example, title, shown)


def _plot_panels(
    path: Path,
    example: Example,
    title: str,
    cut: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> None:
    height, width = cut(example.clean).shape[:2]
    figure = new_figure(9, 3 * height / width + 0.5)
    for axes, (text, image) in zip(figure.subplots(1, 3), example.panels, strict=True):
        show(axes, cut(image), text)
    figure.suptitle(f"{example.name}; {title}", fontsize=9)
    save_figure(figure, path)


def plot_crops(path: Path, examples: Sequence[Example], title: str) -> None:
    """Plot a row per picture: the whole with a frame, and the framed part in three states.

    The frame is where the clean picture has most detail.
    """
    figure = new_figure(10, 2.7 * len(examples))
    grid = figure.subplots(len(examples), 4, squeeze=False)
    for row, example in zip(grid, examples, strict=True):
        top, left, side = most_detailed(example.clean)
        show(row[0], shown(example.clean), example.name)
        draw_frame(row[0], (top, left, side), 2)
        for axes, (text, image) in zip(row[1:], example.panels, strict=True):
            show(axes, shown(image)[top : top + side, left : left + side], text)
    figure.suptitle(title, fontsize=9)
    save_figure(figure, path)


def most_detailed(clean: NDArray[np.float32]) -> tuple[int, int, int]:
    """(top, left, side) in pixels of the square whose pixels differ most from their neighbours."""
    height, width = clean.shape[1:]
    side = max(1, min(height, width) // 3)
    brightness = clean.mean(axis=0)
    steps = np.abs(np.diff(brightness, axis=0))[:, 1:] + np.abs(np.diff(brightness, axis=1))[1:]
    detail = uniform_filter(steps, side, mode="constant")
    y, x = np.unravel_index(int(detail.argmax()), detail.shape)
    top, left = int(y) - side // 2, int(x) - side // 2
    return max(0, min(top, height - side)), max(0, min(left, width - side)), side


def draw_frame(axes: Axes, square: tuple[int, int, int], line_width: float) -> None:
    """Draw a frame around a square (top, left, side) of the picture in a panel."""
    from matplotlib.patches import Rectangle

    top, left, side = square
    frame = Rectangle((left, top), side, side, fill=False, edgecolor=_OURS, linewidth=line_width)
    axes.add_patch(frame)


def show(axes: Axes, pixels: NDArray[np.float32], title: str) -> None:
    """Show ``(H, W, C)`` pixels in a panel without axes."""
    gray = pixels.shape[2] == 1
    axes.imshow(pixels.squeeze(-1) if gray else pixels, cmap="gray", vmin=0, vmax=1)
    axes.set_title(title, fontsize=9)
    axes.set_axis_off()


def shown(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert ``(C, H, W)`` to ``(H, W, C)``, clipped to [0, 1]."""
    return image.transpose(1, 2, 0).clip(0, 1)


def _middle(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """At most 256x256 pixels from the middle, ``(H, W, C)``, clipped to [0, 1]."""
    _, height, width = image.shape
    top, left = max(0, (height - _CROP) // 2), max(0, (width - _CROP) // 2)
    return shown(image[:, top : top + _CROP, left : left + _CROP])


def plot_check(path: Path, table: CostTable, check: Check) -> None:
    """Plot predicted against measured milliseconds of held-out networks."""
    m = table.measurement
    assert m is not None
    figure = new_figure(6, 5.5)
    axes = figure.add_subplot()
    ends = [min(check.measured_ms) * 0.95, max(check.measured_ms) * 1.05]
    axes.plot(ends, ends, color=_OTHERS, linewidth=1, label="predicted = measured")
    axes.fill_between(
        ends,
        [0.95 * x for x in ends],
        [1.05 * x for x in ends],
        color=_OTHERS,
        alpha=0.15,
        label="within 5 %",
    )
    axes.plot(
        check.measured_ms,
        check.modules_alone_ms,
        "x",
        color=_OTHERS,
        label=f"sum of modules timed alone: MAPE {check.mape_modules_alone:.1%}",
    )
    axes.plot(
        check.measured_ms,
        check.predicted_ms,
        "o",
        color=_OURS,
        label=f"cost table: MAPE {check.mape:.1%}, Spearman's rho {check.rho:.3f}",
    )
    axes.grid(True, alpha=0.25)
    axes.set_xlabel("measured, ms")
    axes.set_ylabel("predicted, ms")
    axes.legend(loc="best", fontsize=8)
    axes.set_title(
        f"{len(check.measured_ms)} networks, width {m.space.width}, unshuffle {m.space.unshuffle}, "
        f"{m.height}x{m.width}\n{m.backend} {m.version}, {m.precision}, {m.threads} threads, "
        f"{m.device}",
        fontsize=9,
    )
    save_figure(figure, path)


def plot_race(path: Path, rows: list[RaceRow], unit: str) -> None:
    """Plot the networks of a race: PSNR of the first round against cost."""
    figure = new_figure(9, 4.5)
    axes = figure.add_subplot()
    scored = [(row, row["psnr_db"]) for row in rows if row["psnr_db"] is not None]
    for index, (row, psnr) in enumerate(scored):
        axes.plot(
            row["cost"],
            psnr,
            _MARKERS[index % len(_MARKERS)],
            color=_OURS if row["is_winner"] else _OTHERS,
            fillstyle="full" if row["on_front"] else "none",
            markersize=5 + 2 * row["rounds"],
            linestyle="none",
            label=f"{row['shape']}{', won' if row['is_winner'] else ''}",
        )
    axes.margins(0.1)
    axes.grid(True, alpha=0.25)
    axes.set_xlabel(unit)
    axes.set_ylabel("PSNR of validation patches, dB")
    title = "first round, equal work; larger: stayed longer; filled: on the front"
    axes.set_title(title, fontsize=9)
    if scored:
        axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8)
    save_figure(figure, path)


def plot_front(path: Path, rows: list[FrontRow], unit: str, chosen: str) -> None:
    """Plot what a search offers: log-probability and, if known, PSNR against cost."""
    costs = [row["cost"] for row in rows]
    series = {"log-probability": [row["log_probability"] for row in rows]}
    psnrs = [row["supernet_psnr_db"] for row in rows if row["supernet_psnr_db"] is not None]
    if psnrs:
        series["supernet, PSNR in dB"] = psnrs
    figure = new_figure(9 if psnrs else 5.5, 4)
    for index, (label, values) in enumerate(series.items()):
        axes = figure.add_subplot(1, len(series), index + 1)
        axes.plot(costs, values, "o-", color=_OTHERS)
        for row, value in zip(rows, values, strict=True):
            if row["architecture"] == chosen:
                axes.plot(row["cost"], value, "o", color=_OURS, markersize=9, label=chosen)
                axes.legend(loc="lower right", fontsize=8)
        axes.grid(True, alpha=0.25)
        axes.set_xlabel(unit)
        axes.set_ylabel(label)
    save_figure(figure, path)
