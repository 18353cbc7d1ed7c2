"""What an ONNX file of unknown origin says about itself, by its metadata or its graph."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onnx import TensorProto

from clearer.bench.onnx_precision import written_precision
from clearer.errors import InputError
from clearer.export.metadata import graph_inputs, info_of, metadata_of, read_onnx
from clearer.images import Color
from clearer.tasks import Task

__all__ = ["ModelFile", "read_model_file"]

_MAX_NAME: Final = 40
_FLOATS: Final = (TensorProto.FLOAT, TensorProto.FLOAT16)


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
        InputError: If it is not an ONNX file, its input is not a batch of images, or what it says
            is damaged.
    """
    model = read_onnx(path)
    inputs = graph_inputs(model)
    dims = inputs[0].type.tensor_type.shape.dim
    if len(inputs) != 1 or len(dims) != 4 or dims[1].dim_value not in (0, 1, 3):
        raise InputError(
            f"{path} is not image to image: it needs one N x C x H x W input of 1 or 3 channels"
        )
    if inputs[0].type.tensor_type.elem_type not in _FLOATS:
        raise InputError(f"{path} takes no floating-point tensors: give the file that does")
    info, data = info_of(model, path), metadata_of(model)
    architecture = info.architecture
    return ModelFile(
        path=path,
        name=_name(data, path) if architecture is None else f"clearer {architecture.text}",
        channels=dims[1].dim_value or None,
        precision=written_precision(path),
        num_params=sum(math.prod(value.dims) for value in model.graph.initializer if value.dims),
        is_ours=architecture is not None,
        scale=_scale(data.get("range", "")),
        is_bgr=data.get("color_order", "").upper() == "BGR",
        task=info.task,
    )


def _name(data: dict[str, str], path: Path) -> str:
    name = data.get("name", "").strip()
    return name if 0 < len(name) <= _MAX_NAME and name.isprintable() else path.stem


def _scale(text: str) -> float | None:
    """Of metadata like ``0..1`` or ``0..255, clipped``."""
    words = text.replace("-", "..").split(",")[0].split("..")
    known = {"1": 1.0, "1.0": 1.0, "255": 255.0, "255.0": 255.0}
    return known.get(words[-1].strip()) if len(words) == 2 else None
