"""The precision of an ONNX file: as it is written, and as ONNX Runtime computes it."""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

__all__ = ["computed_precision", "written_precision"]

_INTEGER: Final = frozenset(
    {
        "ConvInteger",
        "MatMulInteger",
        "QLinearConv",
        "QLinearMatMul",
        "QGemm",
        "MatMulIntegerToFloat",
    }
)
_PRODUCTS: Final = frozenset(
    {"Conv", "ConvTranspose", "FusedConv", "NhwcFusedConv", "MatMul", "Gemm", "FusedMatMul"}
)


def computed_precision(ort: Any, model: Path | bytes, options: Any) -> str:
    """Precision of the products (convolutions, matrices) in ONNX Runtime's optimised graph.

    On a processor without fp16 arithmetic ONNX Runtime uses fp32 with casts around it, and
    quantised convolutions that could not be fused are computed in fp32: both show only in that
    graph. A file that is all fp32 stays fp32.

    Args:
        ort: The package onnxruntime.
        model: The file, or its content.
        options: Session options; they are changed here.

    Returns:
        ``fp32``, ``fp16``, ``bf16`` or ``int8``; if there are several, all, most common first.
    """
    if written_precision(model) == "fp32":
        return "fp32"
    with tempfile.TemporaryDirectory() as folder:
        optimised = Path(folder) / "optimised.onnx"
        options.optimized_model_filepath = str(optimised)
        ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        return _count(optimised, is_fused=True)


def written_precision(model: Path | bytes) -> str:
    """Precision of the products in a file, for a backend that fuses quantised ones."""
    return _count(model, is_fused=False)


def _count(model: Path | bytes, *, is_fused: bool) -> str:
    import onnx

    if isinstance(model, bytes):
        graph = onnx.load_from_string(model).graph
    else:  # types do not need external weights
        graph = onnx.load(model, load_external_data=False).graph
    types = {value.name: value.data_type for value in graph.initializer}
    types |= {value.name: value.type.tensor_type.elem_type for value in graph.input}
    producers = {name: node for node in graph.node for name in node.output}
    found: Counter[str] = Counter()
    for node in graph.node:
        if node.op_type in _INTEGER or (
            node.op_type in _PRODUCTS and not is_fused and _is_dequantised(node, producers)
        ):
            found["int8"] += 1
        elif node.op_type in _PRODUCTS and len(node.input) > 1:
            found[_name(_type(node.input[1], types, producers))] += 1
    return ", ".join(name for name, _ in found.most_common()) or "fp32"


def _is_dequantised(node: Any, producers: dict[str, Any]) -> bool:
    weight = producers.get(node.input[1]) if len(node.input) > 1 else None
    return weight is not None and weight.op_type == "DequantizeLinear"


def _type(name: str, types: dict[str, int], producers: dict[str, Any]) -> int:
    """Element type of a value, traced back to a weight, an input, a cast or a scale."""
    for _ in range(len(producers) + 1):
        if name in types or name not in producers:
            break
        node = producers[name]
        if node.op_type == "Cast":
            return int(next(a.i for a in node.attribute if a.name == "to"))
        if node.op_type == "Constant":
            return int(next((a.t.data_type for a in node.attribute if a.name == "value"), 1))
        # The result of a dequantisation has the type of its scale.
        name = node.input[1 if node.op_type == "DequantizeLinear" else 0]
    return types.get(name, 1)


def _name(element_type: int) -> str:
    """Names of ``TensorProto.FLOAT16``, ``BFLOAT16`` and ``DOUBLE``; all others count as fp32."""
    return {10: "fp16", 16: "bf16", 11: "fp64"}.get(element_type, "fp32")
