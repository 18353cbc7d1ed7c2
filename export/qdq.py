"""Puts the convolutions of an exported file into int8, in the form that all runtimes read: QDQ.

Input, weights and bias of a convolution come from DequantizeLinear; a runtime that sees this
computes it in integers. Everything else stays in floating point (padding, space-to-depth,
additions, upsampling, cropping). A feature map that a convolution reads in int8 is added to others
unrounded, because rounding errors would accumulate along the network.

For ONNX Runtime, what a convolution gives is rounded, too (:mod:`clearer.export.rounding`).
"""

from __future__ import annotations

import contextlib
import io
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final, Literal

import numpy as np
import onnx

from clearer.errors import require
from clearer.export.calibration import Activation, Array, Method
from clearer.export.network_io import network_feed
from clearer.export.resolution import finest_convolutions
from clearer.export.rounding import Grid, direct_readers, with_rounded_outputs

__all__ = ["Flavour", "QdqGraph", "WeightBits", "insert_qdq"]

Flavour = Literal["cpu", "openvino", "tensorrt"]
"""``cpu`` (ONNX Runtime): unsigned activations with a zero point, biases in int32, outputs rounded.
``openvino``: the same, without rounded outputs, since OpenVINO computes in integers all the same,
faster and more exactly. ``tensorrt``: signed activations, symmetric around
zero, biases in fp32. Weights are signed and symmetric, with a scale for each output channel, in
all."""
WeightBits = Literal[8, 7]
"""x86 processors without VNNI add two products of an unsigned by a signed byte in 16 bits, which
may saturate: 2 x 255 x 127 is too much for them, and 2 x 255 x 64 is not."""

_OPERATORS: Final = ["Conv"]
_QDQ: Final = ("QuantizeLinear", "DequantizeLinear")


class QdqGraph:
    """A file in which each convolution can be int8 or floating point.

    Args:
        source: The fp32 file.
        quantized: The same with all convolutions in int8 and the same node names.
        grid: The grid of a tensor, by its name, if what convolutions give is to be rounded.
    """

    def __init__(
        self,
        source: onnx.ModelProto,
        quantized: onnx.ModelProto,
        grid: Callable[[str], Grid] | None = None,
    ) -> None:
        self._source, self._grid = source, grid
        nodes = quantized.graph.node
        self._convolutions = {node.name: node for node in nodes if node.op_type == "Conv"}
        self._makers = {node.output[0]: node for node in nodes if node.op_type in _QDQ}
        tensors = [*quantized.graph.initializer, *source.graph.initializer]
        self._tensors = {tensor.name: tensor for tensor in tensors}
        # A dequantised bias has the name of the bias itself, which may also be needed.
        for name in self._tensors.keys() & self._makers.keys():
            maker = self._makers.pop(name)
            maker.output[0] = f"{name}_dequantized"
            self._makers[maker.output[0]] = maker
            for node in self._convolutions.values():
                node.input[:] = [maker.output[0] if i == name else i for i in node.input]

    @property
    def layers(self) -> tuple[str, ...]:
        """Names of the convolutions, as of the torch modules, in the order of computation."""
        return tuple(_layer(node) for node in self._source.graph.node if node.op_type in _OPERATORS)

    @property
    def finest(self) -> tuple[str, ...]:
        """The layers that read or feed the finest resolution."""
        return tuple(map(_layer, finest_convolutions(self._source.graph)))

    def in_float(self, wanted: Collection[str]) -> tuple[str, ...]:
        """The layers that should stay in floating point if some do.

        Where outputs are rounded, a layer cannot be rounded if one in floating point reads it
        directly. ONNX Runtime would compute it in floating point, more slowly than without int8.

        Args:
            wanted: Those that do.
        """
        found = set(wanted)
        if self._grid is not None:
            readers = direct_readers(self._source.graph)
            for node in reversed(self._source.graph.node):
                if found & {_layer(reader) for reader in readers.get(node.name, [])}:
                    found.add(_layer(node))
        return tuple(layer for layer in self.layers if layer in found)

    def model(self, float_layers: Collection[str] = ()) -> bytes:
        """Bytes of the file, with the metadata, names and versions of the source.

        Args:
            float_layers: Convolutions that stay in floating point, with unrounded inputs.
        """
        nodes: list[onnx.NodeProto] = []
        done = set[str]()

        def dequantize(name: str) -> None:
            """Append the nodes that make a tensor, once, back to the source's own tensors."""
            maker = self._makers.get(name)
            if maker is not None and name not in done:
                done.add(name)
                dequantize(maker.input[0])
                nodes.append(maker)

        for node in self._source.graph.node:
            if node.op_type in _OPERATORS and _layer(node) not in float_layers:
                node = self._convolutions[node.name]
                for name in node.input:
                    dequantize(name)
            nodes.append(node)
        model = onnx.ModelProto()
        model.CopyFrom(self._source)
        del model.graph.node[:], model.graph.initializer[:]
        model.graph.node.extend(nodes)
        used = {name for node in nodes for name in node.input}
        model.graph.initializer.extend(
            self._tensors[n] for n in sorted(used & self._tensors.keys())
        )
        if self._grid is not None:
            model = with_rounded_outputs(model, self._grid)
        data: bytes = model.SerializeToString(deterministic=True)
        return data


def insert_qdq(
    model: bytes,
    flavour: Flavour,
    method: Method,
    activations: Mapping[str, Activation],
    weight_bits: WeightBits = 8,
) -> QdqGraph:
    """Quantise all convolutions.

    Args:
        model: Bytes of an fp32 file of :func:`clearer.export.to_onnx.to_onnx`.
        flavour: The runtimes to quantise for.
        method: Method of calibration.
        activations: Result of :func:`clearer.export.calibration.observe`.
        weight_bits: Bits of the weights, which are stored in bytes either way.

    Raises:
        ClearerError: If ONNX Runtime is not installed.
    """
    quantization = require("onnxruntime.quantization", extra="cpu")
    source = onnx.load_from_string(model)
    is_unsigned = flavour != "tensorrt"
    kinds = quantization.QuantType
    spans = {
        name: activation.span(method, 255 if is_unsigned and activation.low >= 0 else 127)
        for name, activation in activations.items()
    }
    read = {node.input[0] for node in source.graph.node if node.op_type in _OPERATORS}
    ranges = {
        name: [dict(zip(("rmin", "rmax"), map(np.float32, spans[name]), strict=True))]
        for name in read
    }
    prepared = onnx.ModelProto()
    prepared.CopyFrom(source)
    # Batch normalisation is folded already; without this mark ONNX Runtime would warn about it.
    prepared.metadata_props.add(key="onnx.quant.pre_process", value="onnxruntime.quant")
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        path = Path(folder)
        onnx.save(prepared, path / "source.onnx")
        quantization.quantize_static(
            path / "source.onnx",
            path / "int8.onnx",
            _Reader(source.graph.input),
            quant_format=quantization.QuantFormat.QDQ,
            op_types_to_quantize=_OPERATORS,
            per_channel=True,
            reduce_range=weight_bits == 7,
            activation_type=kinds.QUInt8 if is_unsigned else kinds.QInt8,
            weight_type=kinds.QInt8,
            extra_options={
                "ActivationSymmetric": not is_unsigned,
                "WeightSymmetric": True,
                "QuantizeBias": is_unsigned,
                # The output goes into an addition, or the next convolution quantises it.
                "OpTypesToExcludeOutputQuantization": _OPERATORS,
                "TensorQuantOverrides": ranges,
            },
        )
        grid = (lambda name: _unsigned_grid(*spans[name])) if flavour == "cpu" else None
        return QdqGraph(source, onnx.load(path / "int8.onnx"), grid)


def _unsigned_grid(low: float, high: float) -> Grid:
    """The grid of 8 bits from the lowest to the highest value, with zero on it.

    It is that which ONNX Runtime chooses for the same range: a tensor that is rounded twice is
    rounded once.
    """
    low, high = min(low, 0.0), max(high, 0.0)
    step = np.float32((high - low) / 255) or np.float32(1)
    return step, np.uint8(np.clip(np.rint(-low / step), 0, 255))


class _Reader:
    """One tiny image: ONNX Runtime insists on measuring ranges, even if all are given."""

    def __init__(self, inputs: Sequence[onnx.ValueInfoProto]) -> None:
        has_level = len(inputs) > 1
        planes = inputs[0].type.tensor_type.shape.dim[1].dim_value + has_level
        image = np.zeros((1, planes, 8, 8), dtype=np.float32)
        self._left = [network_feed(image, has_level=has_level)]

    def get_next(self) -> dict[str, Array] | None:
        return self._left.pop() if self._left else None


def _layer(node: onnx.NodeProto) -> str:
    name: str = node.input[1]
    return name.removesuffix(".weight")
