"""A network for the demonstration page: its bytes, and what the page has to know about it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clearer.errors import InputError
from clearer.export.model_description import read_description
from clearer.restoring.restore import FOREIGN_OVERLAP, default_plan
from clearer.space.space import Architecture
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise

__all__ = ["PageModel", "read_page_model"]

_MAX_MODEL_BYTES: Final = 512_000_000
"""A browser has to hold this twice; it is far above any restoration network."""
_MAX_NOISE: Final = 75
"""End of the page's slider."""
_DEFAULT_NOISE: Final = 25


@dataclass(frozen=True, slots=True)
class PageModel:
    """A network that the page can run."""

    data: bytes
    about: dict[str, Any]
    """``channels``; ``task`` in words, empty if the file does not say; ``noise``, the level for the
    sample picture on the scale 0 to 255; ``element``, ``layout``, ``scale``, ``isBgr`` and
    ``multiple``: how pictures go into it; ``takesLevel``: whether the noise level does, too;
    ``margin``: pixels around a tile that its result depends on."""
    notes: tuple[str, ...]
    """Notes for the user."""


def read_page_model(path: Path) -> PageModel:
    """Read a network of any origin.

    Raises:
        InputError: If it is not an image-to-image network for any size, in one file.
        ClearerError: If there is no runtime to try it with.
    """
    file = read_description(path)
    file.require_any_size()
    if file.num_bytes > _MAX_MODEL_BYTES:
        raise InputError(f"{path} has over {_MAX_MODEL_BYTES / 1e6:.0f} MB: too much for a page")
    data = path.read_bytes()
    if file.num_bytes != len(data):
        raise InputError(f"{path} keeps its weights in another file: export it as one file")
    if file.io.element == "float16":
        raise InputError(f"{path} takes float16, which browsers lack: give a file of float32")
    task = file.info.task
    about = {
        "channels": file.channels,
        "task": "" if task is None else task.text,
        "noise": _noise(task),
        "element": file.io.element,
        "layout": file.io.layout,
        "scale": file.io.scale,
        "isBgr": file.io.is_bgr,
        "multiple": file.io.multiple,
        "takesLevel": file.io.has_level,
        "margin": _margin(file.info.architecture),
    }
    return PageModel(data, about, file.notes)


def _margin(architecture: Architecture | None) -> int:
    overlap = default_plan(architecture).overlap
    return max(FOREIGN_OVERLAP, overlap.before, overlap.after)


def _noise(task: Task | None) -> int:
    """Noise level for the sample picture: one that the network is for; 0 for other tasks."""
    if task is None:
        return _DEFAULT_NOISE
    if not isinstance(task, Denoise):
        return 0
    return min(_MAX_NOISE, round((task.sigma.low + task.sigma.high) / 2))
