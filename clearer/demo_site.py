"""The demonstration page with a network: all its files by their path on the server."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any, Final

import onnx

from clearer.data import PHOTOGRAPHS
from clearer.errors import InputError
from clearer.files import write_atomic
from clearer.json_text import parse_json
from clearer.tasks import Denoise, Task, make_task

__all__ = ["SiteFile", "describe_model", "make_site", "save_site"]

_TYPES: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".mjs": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".wasm": "application/wasm",
    ".onnx": "application/octet-stream",
}
_PAGE: Final = ("index.html", "style.css", "app.js", "worker.js", "icon.svg")
_SAMPLE: Final = "coffee.png"
"""A photograph in the public domain (CC0), one of those that validate: no network learns it."""
_MAX_MODEL_BYTES: Final = 512_000_000
"""What a browser can be asked to hold twice, and far above any restoration network."""
_MAX_METADATA: Final = 1000
"""Characters: no task has more options, and the file may be anybody's."""
_MAX_NOISE: Final = 75
"""Where the slider of the page ends."""
_DEFAULT_NOISE: Final = 25


@dataclass(frozen=True, slots=True)
class SiteFile:
    """Content of one path, and its media type."""

    data: bytes
    media_type: str


def make_site(model_path: Path, name: str, runtime: Mapping[str, Path]) -> dict[str, SiteFile]:
    """All files of the page by relative path; ``index.html`` is where it begins.

    Args:
        model_path: ONNX file, one float32 input ``(N, C, H, W)`` with C of 1 or 3.
        name: Of the model, to be shown.
        runtime: Files of onnxruntime-web by name.

    Raises:
        InputError: If the model is missing, or not one that the page can run.
    """
    if not model_path.is_file():
        raise InputError(f"{model_path} is not a file: give an ONNX model")
    if model_path.stat().st_size > _MAX_MODEL_BYTES:
        raise InputError(f"{model_path} has over {_MAX_MODEL_BYTES / 1e6:.0f} MB: too much here")
    model = model_path.read_bytes()
    try:
        about = {"name": name, **describe_model(model)}
    except InputError as error:
        raise InputError(f"{model_path} {error}") from error
    folder = resources.files("clearer") / "page"
    content = {path: (folder / path).read_bytes() for path in _PAGE}
    content["sample.png"] = (PHOTOGRAPHS / _SAMPLE).read_bytes()
    content["model.onnx"] = model
    content["model.json"] = (json.dumps(about, indent=2) + "\n").encode()
    content |= {f"ort/{file}": path.read_bytes() for file, path in runtime.items()}
    return {
        path: SiteFile(data, _TYPES[Path(path).suffix]) for path, data in sorted(content.items())
    }


def save_site(site: Mapping[str, SiteFile], folder: Path) -> None:
    """Write the page as static files.

    Raises:
        InputError: If the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists: give --save a new folder")
    for path, file in site.items():
        write_atomic(folder / path, file.data)


def describe_model(data: bytes) -> dict[str, Any]:
    """What the page has to know of a model.

    Returns:
        ``channels``; ``task`` in words, empty where the file does not say; ``noise``, the level on
        the scale 0 to 255 that the sample picture gets.

    Raises:
        InputError: If it is not an image-to-image network for any size. The text lacks the file.
    """
    try:
        model = onnx.load_model_from_string(data)
    except Exception as error:  # protobuf has its own types for what it cannot decode
        raise InputError("is not an ONNX file") from error
    stored = {tensor.name for tensor in model.graph.initializer}
    if any(t.data_location == onnx.TensorProto.EXTERNAL for t in model.graph.initializer):
        raise InputError("keeps its weights in another file: export it as one file")
    inputs = [value for value in model.graph.input if value.name not in stored]
    kind = inputs[0].type.tensor_type if len(inputs) == 1 else onnx.TypeProto.Tensor()
    sides = kind.shape.dim
    if kind.elem_type != onnx.TensorProto.FLOAT or len(sides) != 4 or len(model.graph.output) != 1:
        raise InputError("is not image to image: it needs one float32 N x C x H x W input")
    channels = sides[1].dim_value
    if channels not in (1, 3):
        raise InputError(f"takes {channels or 'any number of'} channels: the page shows 1 or 3")
    if any(side.dim_value for side in sides[2:]):
        raise InputError("takes pictures of one size only: export it for any size")
    if sides[0].dim_value > 1:
        raise InputError("takes batches only: export it for any batch")
    task = _task({entry.key: entry.value for entry in model.metadata_props})
    return {
        "channels": channels,
        "task": "" if task is None else task.text,
        "noise": _noise(task),
    }


def _task(metadata: Mapping[str, str]) -> Task | None:
    """The task that a file says it was trained for; None where it says none that is known."""
    text = metadata.get("task_options", "")
    if len(text) > _MAX_METADATA:
        return None
    try:
        options = parse_json(text)
        return make_task(metadata.get("task", ""), {k: str(v) for k, v in options.items()})
    except (InputError, ValueError, AttributeError):
        return None


def _noise(task: Task | None) -> int:
    """White noise for the sample: what the network is for, or none where it is for other things."""
    if task is None:
        return _DEFAULT_NOISE
    if not isinstance(task, Denoise):
        return 0
    return min(_MAX_NOISE, round((task.sigma.low + task.sigma.high) / 2))
