"""Which convolutions of an exported file work at its finest resolution."""

from __future__ import annotations

import onnx
from onnx import helper, numpy_helper

__all__ = ["finest_convolutions"]


def finest_convolutions(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The convolutions that read or feed a tensor of the finest resolution.

    That is the resolution of the first convolution's input. A convolution feeds what is computed
    from its output without another convolution.

    Args:
        graph: An fp32 file of :func:`clearer.export.to_onnx.to_onnx`.
    """
    sides = _sides(graph)
    feeding = set[str]()
    for node in reversed(graph.node):
        finest = any(sides.get(name) == 1 or name in feeding for name in node.output)
        if finest and node.op_type != "Conv":
            feeding.update(node.input)
    return [
        node
        for node in graph.node
        if node.op_type == "Conv" and (sides[node.input[0]] == 1 or node.output[0] in feeding)
    ]


def _sides(graph: onnx.GraphProto) -> dict[str, float]:
    """Side of the tensors behind the first convolution, as a share of that of its input."""
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    sides: dict[str, float] = {}
    for node in graph.node:
        known = [sides[name] for name in node.input if name in sides]
        if not known and node.op_type != "Conv":
            continue
        side = max(known, default=1.0)
        if node.op_type == "Conv":
            sides.setdefault(node.input[0], side)
            strides = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            side /= strides.get("strides", [1])[0]
        elif node.op_type == "Resize":
            side *= float(numpy_helper.to_array(tensors[node.input[2]])[-1])
        sides.update(dict.fromkeys(node.output, side))
    return sides
