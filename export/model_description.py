"""Describes ONNX files of any origin before they restore, in the same way for all commands."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import onnx
from onnx import TensorProto

from clearer.costs.cost import cost_table
from clearer.errors import InputError
from clearer.export.external_data import model_bytes
from clearer.export.metadata import (
    ModelInfo,
    graph_inputs,
    info_of,
    metadata_of,
    model_info,
    model_metadata,
    read_onnx,
)
from clearer.export.network_io import LEVEL_NAME
from clearer.export.picture_io import Element, Layout, PictureIo
from clearer.export.statements import said_layout, said_order, said_scale
from clearer.export.trial import find_io, find_scale, open_trial
from clearer.networks.weights_file import SavedWeights
from clearer.pictures.images import Color

__all__ = ["ModelDescription", "describe_weights", "read_description"]

_MAX_NAME: Final = 40
_MAX_FIXED: Final = 2**26
"""Most numbers in a picture of a fixed size: 4096x4096, RGB, and some more."""
_ELEMENTS: Final[dict[int, Element]] = {
    TensorProto.FLOAT: "float32",
    TensorProto.FLOAT16: "float16",
    TensorProto.UINT8: "uint8",
}
_LAYOUTS: Final[tuple[Layout, Layout]] = ("NCHW", "NHWC")


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelDescription:
    """An image-to-image network in a file."""

    path: Path
    name: str
    io: PictureIo
    """How pictures go into it, in every backend."""
    info: ModelInfo
    """What clearer wrote into it; for other files, what their input says."""
    num_params: int
    """Number of its weights."""
    num_bytes: int
    """Size of the file and its external weights."""
    assumed: tuple[str, ...]
    """What it does not say, and what is assumed instead."""

    @property
    def is_ours(self) -> bool:
        """Whether clearer made it."""
        return self.info.architecture is not None

    @property
    def channels(self) -> int:
        """1 or 3; 1 for a network that takes both."""
        return self.io.channels or 1

    @property
    def color(self) -> Color:
        """``gray`` or ``rgb``: the pictures that it takes."""
        return "rgb" if self.channels == 3 else "gray"

    @property
    def notes(self) -> tuple[str, ...]:
        """Notes for the user before the network restores."""
        found = []
        if self.assumed:
            found.append(f"{self.path.name} does not say {' nor '.join(self.assumed)}")
        if self.io.element == "uint8":
            found.append(f"{self.path.name} takes 8-bit pixels: finer ones are rounded and clipped")
        if self.io.multiple > 1:
            found.append(
                f"{self.path.name} takes sides that are multiples of {self.io.multiple}: pictures "
                "are padded to them by reflection, and cropped again"
            )
        return tuple(found)

    def require_any_size(self) -> None:
        """Refuse a network for pictures of one size.

        Raises:
            InputError: If a side is fixed.
        """
        if not self.io.has_any_size:
            size = f"{self.io.height or 'any'}x{self.io.width or 'any'}"
            raise InputError(
                f"{self.path} takes pictures of one size only ({size}, height x width): export it "
                "with free sizes"
            )

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        io = self.io
        return {
            "channels": io.channels,
            "element": io.element,
            "layout": io.layout,
            "range": f"0..{io.scale:g}",
            "color_order": "gray" if io.channels == 1 else "BGR" if io.is_bgr else "RGB",
            "needs_multiple": io.multiple,
            "takes_level": io.has_level,
            "height": io.height,
            "width": io.width,
            "num_params": self.num_params,
            "bytes": self.num_bytes,
            "assumed": list(self.assumed),
        }


def read_description(path: Path) -> ModelDescription:
    """Find out how a file takes pictures: from what it says, and by trying small ones.

    What is not said is found in the same way for all commands. The multiple of sides, and channels
    if their number is free, are the smallest with which the network returns a picture of the size
    of its input. The range is the one in which it keeps a clean picture; RGB is assumed.

    Raises:
        InputError: If it is no ONNX file, is invalid, or is not image to image for single pictures
            of 1 or 3 channels.
        ClearerError: If there is no runtime to try it with.
    """
    model = read_onnx(path)
    candidates = _candidates(model, path)
    info, metadata = info_of(model, path), metadata_of(model)
    try:
        scale, order = said_scale(metadata), said_order(metadata)
    except InputError as error:
        raise InputError(f"{path} {error}") from error
    name = path.name
    run = open_trial(path)
    io = find_io(run, candidates, name)
    io = replace(io, is_bgr=order == "BGR" and io.channels == 3)
    assumed = []
    if io.element == "uint8":
        scale = 255.0
    elif scale is None:
        scale = 1.0 if info.version is not None else find_scale(run, io, name)
        assumed.append(f"its range (taken: 0..{scale:g}, in which it keeps a clean picture)")
    if order is None and io.channels == 3:
        assumed.append("the order of its channels (taken: RGB)")
    return ModelDescription(
        path=path,
        name=_name(metadata, info, path),
        io=replace(io, scale=scale),
        info=info,
        num_params=sum(math.prod(value.dims) for value in model.graph.initializer if value.dims),
        num_bytes=model_bytes(path),
        assumed=() if info.version is not None else tuple(assumed),
    )


def describe_weights(saved: SavedWeights) -> ModelDescription:
    """Describe weights of clearer as the ONNX file that they would become.

    Raises:
        InputError: If what was saved with them cannot be read.
    """
    architecture, path = saved.architecture, saved.path
    try:
        info = model_info(model_metadata(architecture, saved.info))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    space = architecture.space
    return ModelDescription(
        path=path,
        name=f"clearer {architecture.label}",
        io=PictureIo(channels=space.channels, has_level=space.level_map),
        # They do not say which version wrote them.
        info=replace(info, version=None),
        num_params=round(cost_table(space, "params").cost(architecture)),
        num_bytes=path.stat().st_size,
        assumed=(),
    )


def _name(metadata: dict[str, str], info: ModelInfo, path: Path) -> str:
    if info.architecture is not None:
        return f"clearer {info.architecture.label}"
    name = metadata.get("name", "").strip()
    return name if 0 < len(name) <= _MAX_NAME and name.isprintable() else path.stem


def _candidates(model: onnx.ModelProto, path: Path) -> list[PictureIo]:
    """Ways in which pictures may go into a network, from its inputs and outputs.

    Raises:
        InputError: If there is none.
    """
    inputs, outputs = graph_inputs(model), list(model.graph.output)
    # In files of other programs the scale of such an input is unknown.
    says_level = metadata_of(model).get("sigma", "").startswith("input")
    has_level = says_level and len(inputs) == 2 and _is_level(inputs[1])
    if len(inputs) != 1 + has_level or len(outputs) != 1:
        which = ("inputs", inputs) if len(inputs) != 1 else ("outputs", outputs)
        names = ", ".join(value.name for value in which[1])
        raise InputError(
            f"{path} is not image to image: it has {len(which[1])} {which[0]} ({names[:200]}), and "
            "one of each is needed"
        )
    kind = inputs[0].type.tensor_type
    element = _ELEMENTS.get(kind.elem_type)
    if element is None:
        known = TensorProto.DataType.items()
        found = next((name for name, value in known if value == kind.elem_type), "no tensor")
        raise InputError(
            f"{path} takes {found.lower()}: it needs tensors of float32, float16 or uint8"
        )
    sides: list[int | None] = [None] * 4
    if kind.HasField("shape"):
        sides = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    if len(sides) != 4:
        raise InputError(
            f"{path} is not image to image: it needs one input N x C x H x W, or N x H x W x C"
        )
    # Some exporters write 0 or -1 for free sizes.
    sides = [side if side is not None and side > 0 else None for side in sides]
    if sides[0] not in (None, 1):
        raise InputError(f"{path} takes batches of {sides[0]} only: export it for any batch")
    if math.prod(side or 1 for side in sides) > _MAX_FIXED:
        raise InputError(f"{path} takes pictures of one size only, and of a huge one: {sides}")
    found = _fitting(sides, element, said_layout(metadata_of(model)), path)
    return [replace(io, has_level=has_level) for io in found]


def _is_level(value: onnx.ValueInfoProto) -> bool:
    """Whether an input takes the noise level of each picture, as in our files."""
    kind = value.type.tensor_type
    is_list = kind.HasField("shape") and len(kind.shape.dim) == 1
    return value.name == LEVEL_NAME and kind.elem_type == TensorProto.FLOAT and is_list


def _fitting(
    sides: Sequence[int | None], element: Element, said: str | None, path: Path
) -> list[PictureIo]:
    """Layouts and channels that a shape allows, the most likely first.

    A layout with a given number of channels goes before one that leaves it open.
    """
    likely = _LAYOUTS if element != "uint8" else _LAYOUTS[::-1]
    order = [layout for layout in likely if said in (None, layout)]
    of = {layout: sides[layout.index("C")] for layout in order}
    stated = [(layout, n) for layout, n in of.items() if n in (1, 3)]
    is_open = all(n is None for n in of.values()) or of[order[0]] is None
    chosen: list[tuple[Layout, int | None]] = list(stated)
    if not stated and is_open:
        chosen = [(layout, n) for layout, have in of.items() if have is None for n in (1, 3)]
    if not chosen:
        words = f"{of[order[0]]} channels"
        raise InputError(f"{path} takes {words}: pictures have 1 or 3")
    return [
        PictureIo(
            channels=channels,
            element=element,
            layout=layout,
            height=sides[layout.index("H")],
            width=sides[layout.index("W")],
        )
        for layout, channels in chosen
    ]
