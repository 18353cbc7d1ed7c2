"""Makes the int8 file for CPUs of a network, without pictures to calibrate it.

Size and speed depend only on the architecture. So quantisation nodes are inserted here just as by
:func:`clearer.export.qdq.insert_qdq`, name by name, but with arbitrary scales: that needs neither
pictures nor ONNX Runtime, and takes milliseconds instead of seconds.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from clearer.export.rounding import with_rounded_outputs

__all__ = ["in_int8"]

_SCALE: Final = np.float32(1 / 255)
"""Scale of all inputs of convolutions."""
_LARGEST: Final = 127


class _Rounding:
    """Nodes and tensors of the new graph, in the order of computation."""

    def __init__(self, source: onnx.GraphProto) -> None:
        self._sources = {tensor.name: tensor for tensor in source.initializer}
        self._done: dict[str, str] = {}
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[TensorProto] = []

    def convolution(self, node: onnx.NodeProto) -> None:
        """Append a convolution, with its quantised inputs."""
        x, weight, *bias = node.input
        made = onnx.NodeProto()
        made.CopyFrom(node)
        made.input[:2] = [self._activation(x), self._weight(weight)]
        if bias:
            made.input[2] = self._bias(bias[0])
        self.nodes.append(made)

    def _activation(self, name: str) -> str:
        """Quantise the input of a convolution, once for all that read it."""
        if name not in self._done:
            grid = self._grid(f"{name}", _SCALE, TensorProto.UINT8)
            rounded, output = f"{name}_QuantizeLinear_Output", f"{name}_DequantizeLinear_Output"
            for op, given, made in (
                ("QuantizeLinear", name, rounded),
                ("DequantizeLinear", rounded, output),
            ):
                self.nodes.append(helper.make_node(op, [given, *grid], [made], f"{name}_{op}"))
            self._done[name] = output
        return self._done[name]

    def _weight(self, name: str) -> str:
        values = numpy_helper.to_array(self._sources[name])
        scales = np.abs(values).max(axis=(1, 2, 3)) / np.float32(_LARGEST)
        steps = np.rint(values / scales[:, None, None, None]).astype(np.int8)
        self.tensors.append(numpy_helper.from_array(steps, f"{name}_quantized"))
        grid = self._grid(name, scales, TensorProto.INT8)
        return self._dequantized(name, [f"{name}_quantized", *grid], "DequantizeLinear_Output")

    def _bias(self, name: str) -> str:
        values = numpy_helper.to_array(self._sources[name])
        given = [f"{name}_quantized{part}" for part in ("", "_scale", "_zero_point")]
        arrays = values.astype(np.int32), np.full_like(values, _SCALE), np.zeros(len(values), "i4")
        self.tensors += map(numpy_helper.from_array, arrays, given)
        return self._dequantized(name, given, "dequantized")

    def _dequantized(self, name: str, given: list[str], ending: str) -> str:
        output = f"{name}_{ending}"
        self.nodes.append(
            helper.make_node(
                "DequantizeLinear", given, [output], f"{name}_DequantizeLinear", axis=0
            )
        )
        return output

    def _grid(self, name: str, scales: NDArray[Any] | np.float32, kind: int) -> tuple[str, str]:
        """Names of the scale and zero point, single or per channel."""
        names = f"{name}_scale", f"{name}_zero_point"
        shape = np.shape(scales)
        flat = np.ravel(scales)
        for tensor, element, values in (
            (names[0], TensorProto.FLOAT, flat),
            (names[1], kind, np.zeros(len(flat), dtype=int)),
        ):
            self.tensors.append(helper.make_tensor(tensor, element, shape, values.tolist()))
        return names


def in_int8(model: onnx.ModelProto) -> onnx.ModelProto:
    """The network with all convolutions in int8.

    Args:
        model: The fp32 model, with its weights inside.
    """
    rounding = _Rounding(model.graph)
    for node in model.graph.node:
        if node.op_type == "Conv":
            rounding.convolution(node)
        else:
            rounding.nodes.append(node)
    made = onnx.ModelProto()
    made.CopyFrom(model)
    del made.graph.node[:], made.graph.initializer[:]
    made.graph.node.extend(rounding.nodes)
    read = {name for node in rounding.nodes for name in node.input}
    tensors = [*(t for t in model.graph.initializer if t.name in read), *rounding.tensors]
    made.graph.initializer.extend(sorted(tensors, key=lambda tensor: tensor.name))
    return with_rounded_outputs(made, lambda name: (_SCALE, np.uint8(0)))
