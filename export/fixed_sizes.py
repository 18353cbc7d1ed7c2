"""An ONNX network for pictures of one size, with the arithmetic on sizes done beforehand."""

from __future__ import annotations

import onnx
import onnxscript.optimizer
from onnxscript import ir

from clearer.export.metadata import update_metadata

__all__ = ["with_fixed_sizes"]


def with_fixed_sizes(model: bytes, shape: tuple[int, int, int]) -> bytes:
    """Fix batch, height and width; what is computed from them becomes constant.

    Args:
        model: Takes and gives float32 ``(n, C, h, w)``.
        shape: (batch, height, width).

    Returns:
        A file in which no operator asks for a size.
    """
    fixed = ir.from_proto(onnx.load_model_from_string(model))
    batch, height, width = shape
    for value in (*fixed.graph.inputs, *fixed.graph.outputs):
        assert value.shape is not None
        value.shape = ir.Shape([batch, value.shape[1], height, width])
    onnxscript.optimizer.optimize(fixed, onnx_shape_inference=True)
    proto = ir.to_proto(fixed)
    del proto.graph.value_info[:]
    for node in proto.graph.node:
        del node.metadata_props[:]
    update_metadata(proto, {"sizes": f"{batch}x{height}x{width} only"})
    onnx.checker.check_model(proto, full_check=True)
    data: bytes = proto.SerializeToString(deterministic=True)
    return data
