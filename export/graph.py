"""Writes the ONNX graph of an architecture node by node, in milliseconds.

The same code writes the file of a trained network (:mod:`clearer.export.to_onnx`) and the graphs
for timing, single modules and whole networks of any width, with random weights. Tests compare it
with torch, and with torch's own exporter, which takes a minute for a network of many scales: it
traces the arithmetic on free sizes through every layer.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from clearer.costs.cost import choice_convs, fixed_convs
from clearer.export.graph_nodes import OPSET, Graph, Weights, to_bytes
from clearer.export.network_io import INPUT_NAME, LEVEL_NAME, OUTPUT_NAME
from clearer.networks.level_map import LEVEL_GAIN
from clearer.operations.registry import OPERATIONS
from clearer.space.network_nodes import feature_nodes
from clearer.space.space import Architecture, Choice, SearchSpace
from clearer.support.files import write_atomic

__all__ = [
    "WEIGHTS_FILE",
    "module_graph",
    "module_shapes",
    "network_graph",
    "network_model",
    "random_weights",
    "write_weights",
]

WEIGHTS_FILE: Final = "weights.bin"
"""Weights of all graphs in a folder are views of this one file, so the graphs are small."""

_SEED: Final = 0
# Small enough that activations stay finite in networks of any width and depth, and large enough
# that none becomes denormal, which would be slow.
_WEIGHT_SCALE: Final = 0.02


def write_weights(folder: Path, space: SearchSpace) -> None:
    """Write the file of random weights that the graphs of a space need beside them."""
    convs = [*fixed_convs(space), *chain.from_iterable(chain(*choice_convs(space)))]
    largest = max(conv.num_weights for conv in convs)
    values = np.random.default_rng(_SEED).normal(scale=_WEIGHT_SCALE, size=largest)
    write_atomic(folder / WEIGHTS_FILE, values.astype(np.float32).tobytes())


def random_weights(*, half: bool = False) -> Weights:
    """Random weights to store inside the file, with the same spread; in fp16 if ``half``."""
    rng, kind = np.random.default_rng(_SEED), np.float16 if half else np.float32

    def make(name: str, shape: tuple[int, ...]) -> TensorProto:
        values = rng.standard_normal(shape, dtype=np.float32) * np.float32(_WEIGHT_SCALE)
        return onnx.numpy_helper.from_array(values.astype(kind), name)

    return make


def _beside(name: str, shape: tuple[int, ...]) -> TensorProto:
    """A view of :data:`WEIGHTS_FILE`."""
    tensor = TensorProto(name=name, dims=shape, data_type=TensorProto.FLOAT)
    tensor.data_location = TensorProto.EXTERNAL
    length = 4 * int(np.prod(shape))
    for key, value in (("location", WEIGHTS_FILE), ("offset", "0"), ("length", str(length))):
        tensor.external_data.add(key=key, value=value)
    return tensor


def network_graph(architecture: Architecture) -> bytes:
    """A whole network for timing, with :data:`WEIGHTS_FILE` beside it."""
    return to_bytes(network_model(architecture, _beside))


def network_model(
    architecture: Architecture,
    weights: Weights,
    *,
    opset: int = OPSET,
    half: bool = False,
    sigma: float | None = None,
) -> onnx.ModelProto:
    """A whole network: ``(n, channels, h, w)`` to the same shape, with n, h and w free.

    A network with a level map has a second input, :data:`LEVEL_NAME`: ``(n,)`` levels, or ``(1,)``.

    Args:
        architecture: Architecture of the network.
        weights: Called once for each tensor; gives fp16 if ``half``.
        opset: ONNX operator set, 15 or later.
        half: Compute in fp16 between an fp32 input and output. Padding and the last subtraction
            stay fp32, so that the image itself is not rounded to 11 bits.
        sigma: Fixed level, scale 0 to 255, of a network with a level map; no second input then.
    """
    space, g = architecture.space, Graph(weights)
    shape: list[str | int | None] = ["n", space.channels, "h", "w"]
    image = helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, shape)
    height = g.node("Shape", INPUT_NAME, start=2, end=3)
    width = g.node("Shape", INPUT_NAME, start=3, end=4)
    padded = _pad(g, INPUT_NAME, (height, width), space.multiple)
    inputs, level = [image], None
    if space.level_map:
        levels = helper.make_tensor_value_info(LEVEL_NAME, TensorProto.FLOAT, ["levels"])
        inputs += [levels] if sigma is None else []
        level = (
            g.node("Div", LEVEL_NAME, g.constant([255.0], "float32"))
            if sigma is None
            else g.constant([sigma / 255], "float32")
        )
    given = g.node("Cast", padded, to=TensorProto.FLOAT16) if half else padded
    seen = g.node("Cast", level, to=TensorProto.FLOAT16) if level and half else level
    features = feature_nodes(g, space, architecture.cells, _planes(g, given, seen, space))
    restored = _head(g, features, space)
    if half:
        restored = g.node("Cast", restored, to=TensorProto.FLOAT)
    if space.residual and space.level_units and level is not None:
        unit = g.node("Mul", level, g.constant([LEVEL_GAIN], "float32"))
        unit = g.node("Reshape", unit, g.constant([-1, 1, 1, 1]))
        restored = g.node("Mul", restored, unit)
    if space.residual:
        restored = g.node("Sub", padded, restored)
    zero, one = g.constant([0]), g.constant([1])
    restored = g.node("Slice", restored, zero, height, g.constant([2]), one)
    g.node("Slice", restored, zero, width, g.constant([3]), one, output=OUTPUT_NAME)
    result = helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, shape)
    return g.model(inputs, [result], opset)


def module_graph(
    space: SearchSpace,
    choice: Choice,
    num_scales: int,
    scales: Sequence[int],
    height: int,
    width: int,
) -> bytes:
    """A single candidate on some scales of a column, for images of one size: features in and out.

    Args:
        space: The space of the module.
        choice: The candidate.
        num_scales: Scales of the input.
        scales: Scales of the output.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    g = Graph(_beside)
    shapes = module_shapes(space, num_scales, height, width)
    inputs = [
        helper.make_tensor_value_info(f"input{scale}", TensorProto.FLOAT, shape)
        for scale, shape in enumerate(shapes)
    ]
    names = [value.name for value in inputs]
    outputs = [
        helper.make_tensor_value_info(
            OPERATIONS[choice].nodes(g, names, choice, space.place(num_scales, scale)),
            TensorProto.FLOAT,
            shapes[scale],
        )
        for scale in scales
    ]
    return to_bytes(g.model(inputs, outputs))


def module_shapes(space: SearchSpace, num_scales: int, height: int, width: int) -> list[list[int]]:
    """Shapes of the features that a column works on, for images of one size, finest first."""
    rows, columns = (side // space.unshuffle for side in space.padded_size(height, width))
    return [
        [1, space.scale_width(scale), rows >> scale, columns >> scale]
        for scale in range(num_scales)
    ]


def _pad(g: Graph, image: str, sides: tuple[str, str], multiple: int) -> str:
    """Reflect padding up to a multiple; the graph itself computes the sizes."""
    zero, one, step = g.scalar(0), g.scalar(1), g.scalar(multiple)
    for axis, side in enumerate(sides, start=2):
        last = g.node("Sub", g.node("Squeeze", side, g.constant([0])), one)
        padded = g.node("Mul", g.node("Div", g.node("Add", last, step), step), step)
        places = g.node("Range", zero, padded, one)
        back = g.node("Sub", g.node("Add", last, last), places)
        reflected = g.node("Max", g.node("Min", places, back), zero)
        image = g.node("Gather", image, reflected, axis=axis)
    return image


def _space_to_depth(g: Graph, image: str, space: SearchSpace) -> str:
    """``PixelUnshuffle`` of the space: ONNX's SpaceToDepth orders the channels differently."""
    block, any_ = g.constant([space.unshuffle]), g.constant([-1])
    rows = g.node("Div", g.node("Shape", image, start=2, end=3), block)
    columns = g.node("Div", g.node("Shape", image, start=3, end=4), block)
    channels = g.constant([space.channels])
    split = g.node("Concat", any_, channels, rows, block, columns, block, axis=0)
    blocks = g.node("Transpose", g.node("Reshape", image, split), perm=[0, 1, 3, 5, 2, 4])
    merged = g.constant([space.channels * space.unshuffle**2])
    return g.node("Reshape", blocks, g.node("Concat", any_, merged, rows, columns, axis=0))


def _with_level(g: Graph, planes: str, level: str) -> str:
    """Append a plane with each picture's level to planes ``(n, c, h, w)``."""
    any_batch = g.node("Reshape", level, g.constant([-1, 1, 1, 1]))
    ends = g.node("Shape", planes, start=0, end=1), g.node("Shape", planes, start=2, end=4)
    shape = g.node("Concat", ends[0], g.constant([1]), ends[1], axis=0)
    return g.node("Concat", planes, g.node("Expand", any_batch, shape), axis=1)


def _planes(g: Graph, image: str, level: str | None, space: SearchSpace) -> str:
    """What the stem reads."""
    if space.unshuffle > 1:
        image = _space_to_depth(g, image, space)
    return image if level is None else _with_level(g, image, level)


def _head(g: Graph, x: str, space: SearchSpace) -> str:
    x = g.conv(x, "output.head", space.width, space.channels * space.unshuffle**2, 1, bias=False)
    if space.unshuffle > 1:
        x = g.node("DepthToSpace", x, blocksize=space.unshuffle, mode="CRD")
    return x
