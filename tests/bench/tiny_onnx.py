"""Small image-to-image ONNX files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

Shape = list[str | int | None]


def save(
    path: Path,
    nodes: list[NodeProto],
    weights: dict[str, Any] | None = None,
    channels: int | str = 1,
    metadata: dict[str, str] | None = None,
    takes: int = TensorProto.FLOAT,
    sides: tuple[str | int, str | int] = ("h", "w"),
    shape: Shape | None = None,
    gives: int = TensorProto.FLOAT,
) -> Path:
    """A network from ``x`` to ``y``."""
    shape = shape or ["n", channels, *sides]
    given = helper.make_tensor_value_info("x", takes, shape)
    result = helper.make_tensor_value_info("y", gives, ["n", "c", "p", "q"])
    constants = [
        numpy_helper.from_array(np.asarray(array), name) for name, array in (weights or {}).items()
    ]
    graph = helper.make_graph(nodes, "g", [given], [result], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.helper.set_model_props(model, metadata or {})
    onnx.save(model, path)
    return path


def identity(path: Path, channels: int | str = 1) -> Path:
    return save(path, [helper.make_node("Identity", ["x"], ["y"])], channels=channels)


def with_data_beside(path: Path) -> Path:
    """The blur, with its kernel in another file."""
    model = onnx.load(blur(path))
    onnx.save(
        model, path, save_as_external_data=True, location=f"{path.name}.data", size_threshold=0
    )
    return path


def of_bytes(path: Path) -> Path:
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    return save(path, nodes, takes=TensorProto.UINT8)


def of_one_size(path: Path) -> Path:
    return save(path, [helper.make_node("Identity", ["x"], ["y"])], sides=(64, 64))


def shrinking(path: Path) -> Path:
    return save(path, [helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])])


def not_a_number(path: Path) -> Path:
    """The square root of numbers below 0."""
    minus = {"minus": np.array([-1], np.float32)}
    nodes = [helper.make_node("Mul", ["x", "minus"], ["a"]), helper.make_node("Sqrt", ["a"], ["y"])]
    return save(path, nodes, minus)


def blur(
    path: Path, white: float = 1.0, channels: int = 1, metadata: dict[str, str] | None = None
) -> Path:
    """The mean of 3x3 pixels, clipped to 0..white: it works for one range and fails for another."""
    kernel = np.zeros((channels, channels, 3, 3), np.float32)
    for channel in range(channels):
        kernel[channel, channel] = 1 / 9
    weights: dict[str, Any] = {"k": kernel, "low": np.float32(0), "high": np.float32(white)}
    nodes = [
        helper.make_node("Conv", ["x", "k"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("Clip", ["a", "low", "high"], ["b"]),
        # Without this, a range of 0..255 would do no harm to values of 0..1.
        helper.make_node("Floor" if white > 1 else "Identity", ["b"], ["y"]),
    ]
    return save(path, nodes, weights, channels, metadata)


def half(path: Path) -> Path:
    """A convolution in fp16 between casts."""
    nodes = [
        helper.make_node("Cast", ["x"], ["a"], to=TensorProto.FLOAT16),
        helper.make_node("Conv", ["a", "k"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("Cast", ["b"], ["y"], to=TensorProto.FLOAT),
    ]
    return save(path, nodes, {"k": np.full((1, 1, 3, 3), 1 / 9, np.float16)})


def quantised(path: Path) -> Path:
    """A convolution between QuantizeLinear and DequantizeLinear, unsigned activations."""
    weights: dict[str, Any] = {
        "scale": np.float32(1 / 255),
        "zero": np.uint8(0),
        "wscale": np.float32(0.01),
        "wzero": np.int8(0),
        "k": np.full((8, 1, 3, 3), 11, np.int8),
        "k2": np.full((1, 8, 3, 3), 1, np.int8),
    }
    q, d = ["scale", "zero"], ["wscale", "wzero"]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", *q], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", *q], ["xd"]),
        helper.make_node("DequantizeLinear", ["k", *d], ["kd"]),
        helper.make_node("Conv", ["xd", "kd"], ["a"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["a", *q], ["aq"]),
        helper.make_node("DequantizeLinear", ["aq", *q], ["ad"]),
        helper.make_node("DequantizeLinear", ["k2", *d], ["k2d"]),
        helper.make_node("Conv", ["ad", "k2d"], ["b"], pads=[1, 1, 1, 1]),
        helper.make_node("QuantizeLinear", ["b", *q], ["bq"]),
        helper.make_node("DequantizeLinear", ["bq", *q], ["y"]),
    ]
    return save(path, nodes, weights)


def kernel(channels: int) -> Any:
    """Kernel of a 3x3 convolution that changes nothing."""
    weights = np.zeros((channels, channels, 3, 3), np.float32)
    for channel in range(channels):
        weights[channel, channel, 1, 1] = 1
    return weights


def convolution(path: Path, channels: int, shape: Shape, *, is_nhwc: bool = False) -> Path:
    """A convolution that changes nothing, but fixes the number of channels."""
    to, back = [0, 3, 1, 2], [0, 2, 3, 1]
    nodes = [helper.make_node("Conv", ["x", "k"], ["y"], pads=[1, 1, 1, 1])]
    if is_nhwc:
        nodes = [
            helper.make_node("Transpose", ["x"], ["a"], perm=to),
            helper.make_node("Conv", ["a", "k"], ["b"], pads=[1, 1, 1, 1]),
            helper.make_node("Transpose", ["b"], ["y"], perm=back),
        ]
    return save(path, nodes, {"k": kernel(channels)}, shape=shape)


def pooled(path: Path, side: int, channels: int = 1) -> Path:
    """Adds half the mean of each block to the picture: sides must be multiples."""
    weights: dict[str, Any] = {
        "scales": np.array([1, 1, side, side], np.float32),
        "half": np.float32(0.5),
    }
    nodes = [
        helper.make_node("AveragePool", ["x"], ["a"], kernel_shape=[side] * 2, strides=[side] * 2),
        helper.make_node("Resize", ["a", "", "scales"], ["b"], mode="nearest"),
        helper.make_node("Add", ["x", "b"], ["c"]),
        helper.make_node("Mul", ["c", "half"], ["y"]),
    ]
    return save(path, nodes, weights, channels)


def tinted(path: Path, order: str = "RGB", metadata: dict[str, str] | None = None) -> Path:
    """Halves only red, in either channel order."""
    factors = np.ones((1, 3, 1, 1), np.float32)
    factors[0, order.index("R")] = 0.5
    return save(
        path, [helper.make_node("Mul", ["x", "f"], ["y"])], {"f": factors}, 3, metadata=metadata
    )
