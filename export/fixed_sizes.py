"""ONNX networks for pictures of one size, with all arithmetic on sizes precomputed."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper, numpy_helper

from clearer.errors import require
from clearer.export.metadata import update_metadata

__all__ = ["with_fixed_sizes"]


def with_fixed_sizes(model: bytes, shape: tuple[int, int, int]) -> bytes:
    """Fix batch, height and width; values computed from them become constants.

    Args:
        model: A file with float32 ``(n, C, h, w)`` in and out.
        shape: (batch, height, width).

    Returns:
        A file in which no operator queries a size.

    Raises:
        ClearerError: If onnxscript is not installed.
    """
    ir = require("onnxscript.ir", extra="shapes")
    optimizer = require("onnxscript.optimizer", extra="shapes")
    fixed = ir.from_proto(onnx.load_model_from_string(model))
    batch, height, width = shape
    image, *levels = fixed.graph.inputs
    for value in (image, *fixed.graph.outputs):
        assert value.shape is not None
        value.shape = ir.Shape([batch, value.shape[1], height, width])
    for value in levels:
        value.shape = ir.Shape([batch])
    optimizer.optimize(fixed, onnx_shape_inference=True)
    proto = ir.to_proto(fixed)
    del proto.graph.value_info[:]
    for node in proto.graph.node:
        del node.metadata_props[:]
    _pad_by_one_operator(proto.graph, height, width)
    update_metadata(proto, {"sizes": f"{batch}x{height}x{width} only"})
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _pad_by_one_operator(graph: onnx.GraphProto, height: int, width: int) -> None:
    """Replace the gathering of reflected rows and columns by one Pad, or by nothing.

    It stays if a side is too short to be reflected, which Pad refuses.
    """
    gathers = [node for node in graph.node if node.op_type == "Gather"]
    constants = {tensor.name: tensor for tensor in graph.initializer}
    lengths = [len(numpy_helper.to_array(constants[node.input[1]])) for node in gathers]
    bottom, right = (length - side for length, side in zip(lengths, (height, width), strict=True))
    if bottom >= height or right >= width:
        return
    image, padded = gathers[0].input[0], gathers[1].output[0]
    place = list(graph.node).index(gathers[0])
    for node in gathers:
        graph.node.remove(node)
    for name in {node.input[1] for node in gathers}:
        graph.initializer.remove(constants[name])
    if bottom == right == 0:
        for node in graph.node:
            for index, name in enumerate(node.input):
                if name == padded:
                    node.input[index] = image
        return
    pads = numpy_helper.from_array(np.array([0] * 6 + [bottom, right]), f"{padded}_pads")
    graph.initializer.append(pads)
    pad = helper.make_node("Pad", [image, pads.name], [padded], mode="reflect")
    graph.node.insert(place, pad)
