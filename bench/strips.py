"""Strips: restored versions of a picture side by side, with a zoomed part of each below."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clearer.bench.accuracy import Accuracy
from clearer.bench.plots import draw_frame, most_detailed, new_figure, save_figure, show, shown
from clearer.bench.report_record import Strip
from clearer.bench.runners import Array
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, evaluation_pairs
from clearer.restoring.metrics import psnr_db
from clearer.tasks.base import Task

__all__ = ["picked_pictures", "write_strips"]

_NUM_STRIPS: Final = 3


def picked_pictures(number: int) -> list[int]:
    """Indices of the pictures of a set that are shown: first, middle and last."""
    return sorted({0, number // 2, number - 1}) if number >= _NUM_STRIPS else list(range(number))


def write_strips(
    folder: Path, images: ImageSet, task: Task, accuracies: dict[str, Accuracy]
) -> list[Strip]:
    """Write ``strips/NN.png`` of a few pictures into a folder.

    Args:
        folder: The folder of ``bench.json``.
        images: All pictures.
        task: What degraded them.
        accuracies: Restored versions of the picked pictures, by the name to show.

    Returns:
        For each picture, its name, its file and the titles of its panels.
    """
    picked = picked_pictures(len(images))
    strips: list[Strip] = []
    for index, (degraded, clean) in enumerate(evaluation_pairs(images, task, VALIDATION_SEED)):
        if index not in picked:
            continue
        restored = {name: a.restored[index] for name, a in accuracies.items()}
        panels = {"degraded": degraded[0], **restored, "clean": clean[0]}
        file = f"strips/{index + 1:02d}.png"
        _plot(folder / file, images.names[index], panels)
        strips.append({"image": images.names[index], "file": file, "panels": list(panels)})
    return strips


def _plot(path: Path, name: str, panels: dict[str, Array]) -> None:
    clean = panels["clean"]
    height, width = clean.shape[1:]
    top, left, side = most_detailed(clean)
    figure = new_figure(2.6 * len(panels), 2.6 * (1 + height / width) + 0.6)
    grid = figure.subplots(2, len(panels), height_ratios=[height / width, 1])
    for (whole, zoomed), (title, image) in zip(grid.T, panels.items(), strict=True):
        figures = "" if title == "clean" else f"\n{psnr_db(image, clean):.2f} dB"
        show(whole, shown(image), title + figures)
        draw_frame(whole, (top, left, side), 1.5)
        show(zoomed, shown(image)[top : top + side, left : left + side], "")
    figure.suptitle(name, fontsize=9)
    save_figure(figure, path)
