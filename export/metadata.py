"""Writes and reads the metadata of exported files."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, get_args

import onnx

from clearer import __version__
from clearer.data.datasets import data_terms
from clearer.errors import InputError
from clearer.export.external_data import external_files
from clearer.export.network_io import LEVEL_NAME
from clearer.export.picture_io import first_line
from clearer.pictures.images import Color
from clearer.space.space import Architecture
from clearer.tasks.base import Span, Task
from clearer.tasks.registry import TASKS, make_task, task_to_dict

__all__ = [
    "Io",
    "ModelInfo",
    "Precision",
    "graph_inputs",
    "info_of",
    "metadata_of",
    "model_info",
    "model_metadata",
    "read_model_info",
    "read_onnx",
    "update_metadata",
    "with_metadata",
]

Precision = Literal["fp32", "fp16", "int8"]
"""Precision of the arithmetic in the body of a network."""
Io = Literal["tensor", "image"]
"""float32 ``(N, C, H, W)`` in [0, 1], or uint8 ``(N, H, W, C)``."""

_GENERATOR: Final = "clearer "
_FIGURES: Final = ("val_psnr_db", "val_ssim")
_USUAL_SIGMA: Final = 25.0
_UNTRAINED: Final = "as initialised, never trained"
# Files need not be trusted. A network of the widest space has 0.3 GB; ours have some 20 entries.
_MAX_FILE_BYTES: Final = 2**30
_MAX_ENTRIES: Final = 256
_MAX_TEXT: Final = 10_000


def model_metadata(
    architecture: Architecture,
    info: Mapping[str, Any],
    *,
    precision: Precision = "fp32",
    is_trained: bool = True,
    sigma: float | None = None,
) -> dict[str, str]:
    """Metadata, as key and value strings, for a file with tensors in and out.

    Args:
        architecture: Architecture of the network in the file.
        info: What :func:`clearer.networks.network.load_network` returned with the network: task,
            protocol, data and figures. What is missing is ``none`` in the file.
        precision: Precision of the body.
        is_trained: Whether the weights have been trained.
        sigma: The level that is fixed in the file of a network with a level map; None: it has an
            input for it, and the file says which level to use by default.
    """
    space = architecture.space
    options = dict(info.get("task", {}))
    data = str(info.get("data", "none"))
    return {
        "task": str(options.pop("name", "none")),
        "task_options": json.dumps(options, sort_keys=True),
        "channels": str(space.channels),
        "color_order": "gray" if space.channels == 1 else "RGB",
        "io": "tensor",
        "layout": "NCHW",
        "range": "0..1, output not clipped",
        "precision": precision,
        "multiple": str(space.multiple),
        "sizes": f"any; padded inside to a multiple of {space.multiple}",
        "architecture": architecture.to_json(),
        "weights": "trained" if is_trained else _UNTRAINED,
        "training_data": data,
        "protocol": str(info.get("protocol", "none")),
        "selection": str(info.get("selection", "none")),
        "val_psnr_db": f"{info['val_psnr_db']:.3f}" if "val_psnr_db" in info else "none",
        "val_ssim": f"{info['val_ssim']:.4f}" if "val_ssim" in info else "none",
        **(_level(options, sigma) if space.level_map else {}),
        "generator": f"{_GENERATOR}{__version__}",
        "licence": f"code MIT; weights under the terms of the training data: {data_terms(data)}",
    }


def _level(options: Mapping[str, Any], sigma: float | None) -> dict[str, str]:
    """Metadata on the level, for a network with a level map."""
    if sigma is not None:
        return {"sigma": f"{sigma:g}"}
    trained = Span.parse(str(options.get("sigma", _USUAL_SIGMA)))
    default = min(max(_USUAL_SIGMA, trained.low), trained.high)
    about = "input: standard deviation of the noise of each picture, or of all, scale 0..255"
    return {"sigma": about, "sigma_default": f"{default:g}"}


def update_metadata(model: onnx.ModelProto, changes: Mapping[str, str]) -> None:
    """Replace entries of a file's metadata, or add them."""
    onnx.helper.set_model_props(model, {**metadata_of(model), **changes})


def with_metadata(model: bytes, changes: Mapping[str, str]) -> bytes:
    """The same file with entries replaced or added."""
    proto = onnx.load_model_from_string(model)
    update_metadata(proto, changes)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelInfo:
    """Facts about a model file; None where neither its metadata nor its input says it."""

    channels: int | None
    io: Io | None
    shape: tuple[int | None, int | None, int | None] = (None, None, None)
    """(batch, height, width) that it takes; None for any."""
    task: Task | None = None
    precision: Precision | None = None
    architecture: Architecture | None = None
    multiple: int | None = None
    """Sides are padded to a multiple of this inside."""
    is_trained: bool | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    """Figures of the validation that selected the weights: ``val_psnr_db``, ``val_ssim``."""
    selection: str | None = None
    """How the weights were selected, in words."""
    data: str | None = None
    """Pictures that it was trained on."""
    licence: str | None = None
    version: str | None = None
    """Version of clearer that wrote the file; None for a file of another program."""

    @property
    def color(self) -> Color:
        """``rgb`` for three channels, else ``gray``."""
        return "rgb" if self.channels == 3 else "gray"

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "version": self.version,
            "task": None if self.task is None else task_to_dict(self.task),
            "protocol": None if self.task is None else self.task.protocol,
            "channels": self.channels,
            "color": self.color,
            "io": self.io,
            "shape": list(self.shape),
            "precision": self.precision,
            "architecture": None if self.architecture is None else self.architecture.to_dict(),
            "multiple": self.multiple,
            "is_trained": self.is_trained,
            "figures": dict(self.figures),
            "selection": self.selection,
            "data": self.data,
            "licence": self.licence,
        }


Side = int | str | None


def model_info(
    metadata: Mapping[str, str], *, input_type: str = "", input_shape: Sequence[Side] = ()
) -> ModelInfo:
    """Read the metadata of a file of any origin.

    Args:
        metadata: Such as ONNX Runtime's ``custom_metadata_map``.
        input_type: As ONNX Runtime writes it: ``tensor(float)``, ``tensor(uint8)``. What the graph
            says about its input overrides the metadata.
        input_shape: Shape of the input; what is not a number is free.

    Raises:
        InputError: If the metadata are clearer's and damaged, or too large.
    """
    io = _io_of(input_type, input_shape)
    sides = [side if isinstance(side, int) and side > 0 else None for side in input_shape]
    channels: int | None = None
    shape: tuple[int | None, int | None, int | None] = (None, None, None)
    if len(sides) == 4:
        batch, height, width, channels = (
            sides if io == "image" else (sides[0], sides[2], sides[3], sides[1])
        )
        shape = (batch, height, width)
    if len(metadata) > _MAX_ENTRIES:
        raise InputError(f"{len(metadata)} entries of metadata, more than {_MAX_ENTRIES}")
    if not metadata.get("generator", "").startswith(_GENERATOR):
        return ModelInfo(channels=channels, io=io, shape=shape)
    for key, text in metadata.items():
        if len(text) > _MAX_TEXT:
            raise InputError(f"{key[:40]!r} of the metadata is longer than {_MAX_TEXT} characters")
    weights = metadata.get("weights")
    said_channels, said_io = _whole(metadata, "channels"), _one_of(metadata, "io", get_args(Io))
    return ModelInfo(
        channels=channels or said_channels,
        io=io or said_io,
        shape=shape,
        task=_task(metadata),
        precision=_one_of(metadata, "precision", get_args(Precision)),
        architecture=_architecture(metadata),
        multiple=_whole(metadata, "multiple"),
        is_trained=None if weights is None else weights != _UNTRAINED,
        figures=_figures(metadata),
        selection=_text(metadata, "selection"),
        data=_text(metadata, "training_data"),
        licence=_text(metadata, "licence"),
        version=metadata["generator"].removeprefix(_GENERATOR),
    )


def read_model_info(path: Path) -> ModelInfo:
    """Read the metadata of an ONNX file; it is parsed, not run.

    Raises:
        InputError: If there is no such file, it is not ONNX, or its metadata are damaged.
    """
    return info_of(read_onnx(path), path)


def read_onnx(path: Path) -> onnx.ModelProto:
    """Parse and check a file of any origin; external weights are not read, but must exist.

    Raises:
        InputError: If there is no such file, or it is not a valid ONNX network.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file: give an ONNX model")
    size = path.stat().st_size
    if size > _MAX_FILE_BYTES:
        raise InputError(f"{path} has {size / 1e6:,.0f} MB, too much for a network to be read")
    try:
        model = onnx.load_model_from_string(path.read_bytes())
    except OSError:
        raise
    except Exception as error:  # the type depends on the protobuf implementation
        raise InputError(f"{path} is not an ONNX file, or it is damaged") from error
    # Protobuf reads some files of other kinds as an empty message.
    if not (model.ir_version and model.graph.node and graph_inputs(model)):
        raise InputError(f"{path} is not an ONNX file, or it holds no network")
    if not _holds_text(model):
        raise InputError(f"{path} is damaged: a name in it is not UTF-8")
    size += sum(file.stat().st_size for file in external_files(model, path))
    if size > _MAX_FILE_BYTES:
        raise InputError(f"{path} has {size / 1e6:,.0f} MB, too much for a network to be read")
    try:
        onnx.checker.check_model(path)
    except Exception as error:  # its own type, and RuntimeError for what it cannot infer
        raise InputError(f"{path} is not a valid ONNX network: {first_line(error)}") from error
    return model


def _holds_text(message: Any) -> bool:
    """Whether all strings are text: protobuf gives bytes if they are not UTF-8."""
    for about, value in message.ListFields():
        values = (
            [value] if isinstance(value, (str, bytes)) or hasattr(value, "ListFields") else value
        )
        if about.type == about.TYPE_STRING and not all(isinstance(v, str) for v in values):
            return False
        if about.type == about.TYPE_MESSAGE and not all(map(_holds_text, values)):
            return False
    return True


def graph_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """Inputs of a network, without the weights that old files list among them."""
    stored = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in stored]


def metadata_of(model: onnx.ModelProto) -> dict[str, str]:
    """Metadata of a file, as key and value strings."""
    return {entry.key: entry.value for entry in model.metadata_props}


def info_of(model: onnx.ModelProto, path: Path) -> ModelInfo:
    """Read the metadata of a parsed file; ``path`` is for error messages.

    Raises:
        InputError: If the metadata are damaged.
    """
    inputs = graph_inputs(model)
    tensor = inputs[0].type.tensor_type
    is_for_pictures = len(inputs) == 1 or inputs[1].name == LEVEL_NAME
    sides = [d.dim_value or d.dim_param for d in tensor.shape.dim] if is_for_pictures else []
    kind = _TYPES.get(tensor.elem_type, "")
    try:
        return model_info(metadata_of(model), input_type=kind, input_shape=sides)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


_TYPES: Final[dict[int, str]] = {
    onnx.TensorProto.FLOAT: "tensor(float)",
    onnx.TensorProto.FLOAT16: "tensor(float16)",
    onnx.TensorProto.UINT8: "tensor(uint8)",
}


def _io_of(input_type: str, input_shape: Sequence[Side]) -> Io | None:
    if len(input_shape) != 4:
        return None
    if input_type == "tensor(uint8)":
        return "image"
    return "tensor" if input_type in ("tensor(float)", "tensor(float16)") else None


def _text(metadata: Mapping[str, str], key: str) -> str | None:
    text = metadata.get(key, "none")
    return None if text == "none" else text


def _whole(metadata: Mapping[str, str], key: str) -> int | None:
    text = _text(metadata, key)
    if text is None:
        return None
    if not (text.isascii() and text.isdecimal() and 0 < len(text) < 6):
        raise InputError(f"{key} of the metadata is not a whole number: {text[:40]!r}")
    return int(text)


def _one_of(metadata: Mapping[str, str], key: str, words: tuple[Any, ...]) -> Any:
    text = _text(metadata, key)
    if text is not None and text not in words:
        raise InputError(f"{key} of the metadata is none of {', '.join(words)}: {text[:40]!r}")
    return text


def _figures(metadata: Mapping[str, str]) -> dict[str, float]:
    figures = {}
    for key in _FIGURES:
        text = _text(metadata, key)
        if text is None:
            continue
        try:
            figures[key] = float(text)
        except ValueError as error:
            raise InputError(f"{key} of the metadata is not a number: {text[:40]!r}") from error
        if not math.isfinite(figures[key]):
            raise InputError(f"{key} of the metadata is not a finite number")
    return figures


def _task(metadata: Mapping[str, str]) -> Task | None:
    name = _text(metadata, "task")
    if name is None:
        return None
    if name not in TASKS:
        raise InputError(f"unknown task {name[:40]!r}: the file may need a newer clearer")
    try:
        options = json.loads(metadata.get("task_options", "{}"))
        return make_task(name, {str(key): str(value) for key, value in options.items()})
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"options of task {name} that cannot be read: {error}") from error


def _architecture(metadata: Mapping[str, str]) -> Architecture | None:
    text = _text(metadata, "architecture")
    return None if text is None else Architecture.from_json(text)
