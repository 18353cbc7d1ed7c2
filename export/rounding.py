"""Rounds the outputs of int8 convolutions, so that ONNX Runtime computes them in integers.

A convolution reads int8, and what it gives is in floating point. OpenVINO computes it in integers
all the same. ONNX Runtime 1.32 does so only if the result is rounded to 8 bits, too; otherwise it
computes in floating point, and more slowly than without int8. The same holds for the sigmoid and
the product of a SiLU. Sums of feature maps stay in floating point: rounding errors would accumulate
along the network.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Final

import numpy as np
import onnx
from onnx import helper, numpy_helper

__all__ = [
    "Grid",
    "direct_readers",
    "with_rounded_outputs",
    "without_rounded_outputs",
    "worth_rounding",
]

Grid = tuple[np.float32, np.uint8]
"""Scale and zero point of a tensor."""

_UNROUNDED: Final = "_unrounded"
_SIGMOID: Final[Grid] = (np.float32(1 / 255), np.uint8(0))
"""Its values lie between 0 and 1."""


class _Readers:
    """Which nodes read a tensor."""

    def __init__(self, nodes: Iterable[onnx.NodeProto]) -> None:
        self._nodes: dict[str, list[onnx.NodeProto]] = defaultdict(list)
        for node in nodes:
            for name in node.input:
                self._nodes[name].append(node)

    def __call__(self, name: str) -> list[onnx.NodeProto]:
        return self._nodes.get(name, [])

    def last(self, convolution: onnx.NodeProto) -> str:
        """What a convolution gives, after the ReLU if there is one: runtimes fuse the two."""
        name: str = convolution.output[0]
        readers = self(name)
        is_fused = len(readers) == 1 and readers[0].op_type == "Relu"
        return readers[0].output[0] if is_fused else name

    def are_all(self, name: str, op_type: str) -> bool:
        """Whether nodes of one type read a tensor, and nothing else."""
        return all(node.op_type == op_type for node in self(name))


def worth_rounding(graph: onnx.GraphProto) -> list[str]:
    """Tensors of an fp32 file that may be rounded, besides the inputs of convolutions."""
    readers = _Readers(graph.node)
    found = [readers.last(node) for node in graph.node if node.op_type == "Conv"]
    return [name for name in found if not readers.are_all(name, "Conv")]


def direct_readers(graph: onnx.GraphProto) -> dict[str, list[onnx.NodeProto]]:
    """For each convolution of an fp32 file, by name: those that read what it gives, or its ReLU."""
    readers = _Readers(graph.node)
    return {
        node.name: [reader for reader in readers(readers.last(node)) if reader.op_type == "Conv"]
        for node in graph.node
        if node.op_type == "Conv"
    }


def with_rounded_outputs(model: onnx.ModelProto, grid: Callable[[str], Grid]) -> onnx.ModelProto:
    """Round what int8 convolutions give, unless only such convolutions read it, which round it.

    What a convolution in floating point reads stays unrounded: between roundings, ONNX Runtime
    would compute that in integers, too.

    Args:
        model: A file whose int8 convolutions read rounded tensors.
        grid: The grid of a tensor, by its name.
    """
    nodes = model.graph.node
    readers = _Readers(nodes)
    made_by = {node.output[0]: node.op_type for node in nodes}
    grids: dict[str, Grid] = {}
    for node in nodes:
        if node.op_type == "Conv" and made_by.get(node.input[1]) == "DequantizeLinear":
            name = readers.last(node)
            kinds = {reader.op_type for reader in readers(name)}
            if kinds and "Conv" not in kinds and kinds != {"QuantizeLinear"}:
                grids[name] = grid(name)
    for node in nodes:
        if node.op_type == "Sigmoid" and node.input[0] in grids:
            products = readers(node.output[0])
            if all(readers.are_all(product.output[0], "QuantizeLinear") for product in products):
                grids[node.output[0]] = _SIGMOID
    rounded = onnx.ModelProto()
    rounded.CopyFrom(model)
    del rounded.graph.node[:]
    for node in nodes:
        name = node.output[0]
        made = rounded.graph.node.add()
        made.CopyFrom(node)
        if name in grids:
            made.output[0] = f"{name}{_UNROUNDED}"
            rounded.graph.node.extend(_pair(name))
            rounded.graph.initializer.extend(_tensors(name, grids[name]))
    return rounded


def without_rounded_outputs(model: onnx.ModelProto) -> onnx.ModelProto:
    """Undo :func:`with_rounded_outputs`; other files stay as they are."""
    pairs = {
        node.input[0].removesuffix(_UNROUNDED)
        for node in model.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0].endswith(_UNROUNDED)
    }
    added = {node.name for name in pairs for node in _pair(name)}
    grids = {tensor for name in pairs for tensor in _grid_names(name)}
    exact = onnx.ModelProto()
    exact.CopyFrom(model)
    del exact.graph.node[:], exact.graph.initializer[:]
    exact.graph.node.extend(node for node in model.graph.node if node.name not in added)
    for node in exact.graph.node:
        node.output[:] = [name.removesuffix(_UNROUNDED) for name in node.output]
    exact.graph.initializer.extend(t for t in model.graph.initializer if t.name not in grids)
    return exact


def _pair(name: str) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    """The nodes that round a tensor: the result has its name."""
    grid, steps = _grid_names(name), f"{name}_steps"
    return (
        helper.make_node("QuantizeLinear", [name + _UNROUNDED, *grid], [steps], f"{name}_round"),
        helper.make_node("DequantizeLinear", [steps, *grid], [name], f"{name}_restore"),
    )


def _grid_names(name: str) -> tuple[str, str]:
    return f"{name}_step", f"{name}_zero"


def _tensors(name: str, grid: Grid) -> list[onnx.TensorProto]:
    return [
        numpy_helper.from_array(np.asarray(value), tensor)
        for value, tensor in zip(grid, _grid_names(name), strict=True)
    ]
