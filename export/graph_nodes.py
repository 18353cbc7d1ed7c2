"""An ONNX graph that is built node by node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
import onnx
from onnx import TensorProto, helper

from clearer import __version__

__all__ = ["OPSET", "Graph", "Weights", "to_bytes"]

OPSET: Final = 20
_IR_VERSION: Final = 10

Weights = Callable[[str, tuple[int, ...]], TensorProto]
"""Makes a tensor of a name and shape. Names are those of the torch network whose batch
normalisation is folded, such as ``cells.0.1.blocks.0.body.3.weight``."""


class Graph:
    """Nodes in the order of computation; convolutions have the names of their torch modules.

    Names of values are numbers.
    """

    def __init__(self, weights: Weights) -> None:
        self._weights = weights
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[TensorProto] = []
        self._constants: dict[tuple[str, tuple[float, ...]], str] = {}
        self._count = 0

    def node(self, op: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Append a node and return the name of its output."""
        name = output or self._name()
        self._nodes.append(helper.make_node(op, inputs, [name], **attributes))
        return name

    def constant(self, values: Sequence[float], kind: str = "int64") -> str:
        """Name of a constant list of numbers, which is stored once."""
        key = (kind, tuple(values))
        if key not in self._constants:
            name = self._constants[key] = self._name()
            array = np.array(values, dtype=kind)
            self._initializers.append(onnx.numpy_helper.from_array(array, name))
        return self._constants[key]

    def scalar(self, value: int) -> str:
        """Name of a constant integer, which is stored once."""
        key = ("scalar", (value,))
        if key not in self._constants:
            name = self._constants[key] = self._name()
            self._initializers.append(onnx.numpy_helper.from_array(np.array(value), name))
        return self._constants[key]

    def conv(
        self,
        x: str,
        layer: str,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: int = 1,
        bias: bool = True,
    ) -> str:
        """A convolution with zero padding; its weights are named after the layer."""
        shapes: dict[str, tuple[int, ...]] = {f"{layer}.weight": (outputs, inputs, kernel, kernel)}
        if bias:
            shapes[f"{layer}.bias"] = (outputs,)
        self._initializers.extend(self._weights(name, shape) for name, shape in shapes.items())
        return self.node(
            "Conv",
            x,
            *shapes,
            name=layer,
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            pads=[kernel // 2] * 4,
            dilations=[1, 1],
            group=1,
        )

    def conv_relu(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """The same, and a ReLU."""
        return self.node("Relu", self.conv(x, layer, inputs, outputs, kernel, stride=stride))

    def upsample(self, x: str) -> str:
        """Nearest upsampling by 2."""
        return self.node(
            "Resize",
            x,
            "",
            self.constant((1.0, 1.0, 2.0, 2.0), "float32"),
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )

    def model(
        self,
        inputs: list[onnx.ValueInfoProto],
        outputs: list[onnx.ValueInfoProto],
        opset: int = OPSET,
    ) -> onnx.ModelProto:
        """The finished graph."""
        graph = helper.make_graph(self._nodes, "network", inputs, outputs, self._initializers)
        opsets = [helper.make_opsetid("", opset)]
        model: onnx.ModelProto = helper.make_model(
            graph,
            opset_imports=opsets,
            ir_version=max(_IR_VERSION, helper.find_min_ir_version_for(opsets)),
            producer_name="clearer",
            producer_version=__version__,
        )
        return model

    def _name(self) -> str:
        self._count += 1
        return f"v{self._count}"


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Serialise a model; equal models give equal bytes."""
    data: bytes = model.SerializeToString(deterministic=True)
    return data
