"""What an ONNX file of unknown origin says about itself, by its metadata or its graph."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clearer.bench.onnx_precision import written_precision
from clearer.bench.runners import first_line
from clearer.errors import InputError
from clearer.images import Color
from clearer.tasks import TASKS, Task, make_task

__all__ = ["ModelFile", "read_model_file"]

_MAX_BYTES: Final = 2**31
_MAX_METADATA: Final = 10_000
_MAX_NAME: Final = 40


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelFile:
    """An image-to-image network in a file."""

    path: Path
    name: str
    channels: int | None
    """None: it takes any number."""
    precision: str
    """As written."""
    num_params: int
    """Numbers in its weights."""
    is_ours: bool
    """Whether clearer made it."""
    scale: float | None
    """What white is in its input and output; None where it does not say."""
    is_bgr: bool
    task: Task | None
    """That it was made for, where it says."""

    @property
    def color(self) -> Color | None:
        """Of the pictures that it takes; None for any."""
        return None if self.channels is None else "rgb" if self.channels == 3 else "gray"


def read_model_file(path: Path) -> ModelFile:
    """Read a file's metadata and the types of its graph; nothing in it is run.

    Raises:
        InputError: If it is not an ONNX file, or its input is not a batch of images.
    """
    import onnx

    if not path.is_file():
        raise InputError(f"{path} is not a file: give an ONNX model")
    if path.stat().st_size > _MAX_BYTES:
        raise InputError(f"{path} is larger than 2 GiB: no ONNX file")
    try:
        model = onnx.load(path, load_external_data=False)
        precision = written_precision(path)
    except Exception as error:  # protobuf has its own types
        raise InputError(f"{path} is not a readable ONNX file: {first_line(error)}") from error
    weights = {value.name for value in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in weights]
    dims = inputs[0].type.tensor_type.shape.dim if inputs else []
    if len(inputs) != 1 or len(dims) != 4 or dims[1].dim_value not in (0, 1, 3):
        raise InputError(
            f"{path} is not image to image: it needs one N x C x H x W input of 1 or 3 channels"
        )
    data = {item.key: item.value for item in model.metadata_props}
    text = _architecture(data)
    return ModelFile(
        path=path,
        name=f"clearer {text}" if text else _name(data, path),
        channels=dims[1].dim_value or None,
        precision=precision,
        num_params=sum(math.prod(value.dims) for value in model.graph.initializer if value.dims),
        is_ours=text is not None,
        scale=_scale(data.get("range", "")),
        is_bgr=data.get("color_order", "").upper() == "BGR",
        task=_task(data, path),
    )


def _architecture(data: dict[str, str]) -> str | None:
    """Of a file that clearer exported."""
    from clearer.space import Architecture

    if not data.get("generator", "").startswith("clearer "):
        return None
    try:
        return Architecture.from_dict(json.loads(data["architecture"][:_MAX_METADATA])).text
    except (KeyError, ValueError, InputError):
        return None


def _name(data: dict[str, str], path: Path) -> str:
    name = data.get("name", "").strip()
    return name if 0 < len(name) <= _MAX_NAME and name.isprintable() else path.stem


def _scale(text: str) -> float | None:
    """Of metadata like ``0..1`` or ``0..255, clipped``."""
    words = text.replace("-", "..").split(",")[0].split("..")
    known = {"1": 1.0, "1.0": 1.0, "255": 255.0, "255.0": 255.0}
    return known.get(words[-1].strip()) if len(words) == 2 else None


def _task(data: dict[str, Any], path: Path) -> Task | None:
    options = data.get("task_options", "")
    if data.get("task") not in TASKS or not 0 < len(options) < _MAX_METADATA:
        return None
    try:
        parsed = json.loads(options)
        return make_task(data["task"], {str(k): str(v) for k, v in parsed.items()})
    except (ValueError, AttributeError) as error:
        raise InputError(f"{path} names a task that cannot be read: {error}") from error
