"""ONNX networks with 8-bit pictures in and out, as decoders and screens hold them."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from clearer.export.metadata import update_metadata

__all__ = ["with_image_io"]


def with_image_io(model: bytes) -> bytes:
    """Put scaling, layout, clipping and rounding into a file.

    Args:
        model: A file with float32 ``(N, C, H, W)`` in [0, 1] in and out.

    Returns:
        A file with uint8 ``(N, H, W, C)`` in and out, of the same names; values are clipped,
        and rounded half to even.
    """
    proto = onnx.load_model_from_string(model)
    graph = proto.graph
    given, (result,) = graph.input[0], graph.output
    names = given.name, result.name
    for node in graph.node:
        node.input[:] = ["image_planes" if n == names[0] else n for n in node.input]
        node.output[:] = ["image_restored" if n == names[1] else n for n in node.output]
    graph.initializer.extend(
        numpy_helper.from_array(np.array(value, np.float32), f"image_{name}")
        for name, value in (("white", 255), ("zero", 0), ("one", 1))
    )
    # TensorRT accepts 8-bit values only at inputs and outputs, next to a cast.
    before = [
        helper.make_node("Cast", [names[0]], ["image_float"], to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["image_float"], ["image_levels"], perm=[0, 3, 1, 2]),
        helper.make_node("Div", ["image_levels", "image_white"], ["image_planes"]),
    ]
    after = [
        helper.make_node("Clip", ["image_restored", "image_zero", "image_one"], ["image_clipped"]),
        helper.make_node("Mul", ["image_clipped", "image_white"], ["image_scaled"]),
        helper.make_node("Round", ["image_scaled"], ["image_rounded"]),
        helper.make_node("Transpose", ["image_rounded"], ["image_pixels"], perm=[0, 2, 3, 1]),
        helper.make_node("Cast", ["image_pixels"], [names[1]], to=TensorProto.UINT8),
    ]
    nodes = [*before, *graph.node, *after]
    del graph.node[:]
    graph.node.extend(nodes)
    for value in (given, result):
        _to_pixels(value)
    update_metadata(proto, {"io": "image", "layout": "NHWC", "range": "0..255, uint8"})
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data


def _to_pixels(value: onnx.ValueInfoProto) -> None:
    """float32 ``(N, C, H, W)`` becomes uint8 ``(N, H, W, C)``; names and sizes stay."""
    tensor = value.type.tensor_type
    n, c, h, w = (d.dim_param or d.dim_value for d in tensor.shape.dim)
    value.CopyFrom(helper.make_tensor_value_info(value.name, TensorProto.UINT8, [n, h, w, c]))
