"""OpenVINO IR of an exported ONNX file, and a session that runs one on the CPU.

There are two kinds of IR: one from the fp32 file, with weights stored as fp16, and one from the
int8 form for OpenVINO. There is none in bf16: that is requested when a file is loaded
(``INFERENCE_PRECISION_HINT``), and applies to everything in floating point of either kind.
"""

from __future__ import annotations

import functools
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

import onnx
from numpy.typing import NDArray

from clearer.errors import ClearerError, InputError, require
from clearer.export.picture_io import first_line

__all__ = [
    "OpenVinoFiles",
    "OpenVinoSession",
    "Precision",
    "metadata_of",
    "open_core",
    "to_openvino",
]

Precision = Literal["f32", "bf16"]
"""Precision of the arithmetic that is not int8, as OpenVINO writes it."""

_EXTRA: Final = "openvino"
_METADATA: Final = "clearer"
"""Section of ``rt_info`` for the ``metadata_props`` of an ONNX file."""


@functools.cache
def open_core() -> Any:
    """OpenVINO's ``Core``, one for the whole process, never released.

    The CPU plugin of OpenVINO 2026.4 sets an alternate signal stack. When its core is released, it
    frees that memory but leaves it in use: the next Ctrl-C would then crash Python.

    Raises:
        ClearerError: If OpenVINO is not installed.
    """
    return require("openvino", extra=_EXTRA).Core()


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenVinoFiles:
    """An IR: the graph and its weights, which OpenVINO keeps in two files of one name."""

    xml: bytes
    weights: bytes


def to_openvino(model: bytes) -> OpenVinoFiles:
    """Convert an ONNX file; names, free sizes and metadata are kept.

    Weights of a floating-point network are stored as fp16, in half the bytes: they change by up to
    1/2048, and the arithmetic does not change. In an int8 network floating-point values stay fp32:
    scales of biases are too small for fp16, and fp32 weights are few.

    Args:
        model: Bytes of an ONNX file from :func:`clearer.export.to_onnx.to_onnx`, or its int8 form
            for OpenVINO (:data:`clearer.export.qdq.Flavour`).

    Raises:
        ClearerError: If OpenVINO is not installed.
    """
    openvino, core = require("openvino", extra=_EXTRA), open_core()
    source = onnx.load_from_string(model)
    network = core.read_model(model)
    for entry in source.metadata_props:
        network.set_rt_info(entry.value, [_METADATA, entry.key])
    _name_by_place(network, source.graph)
    is_int8 = any(node.op_type == "QuantizeLinear" for node in source.graph.node)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.xml"
        openvino.save_model(network, path, compress_to_fp16=not is_int8)
        return OpenVinoFiles(xml=path.read_bytes(), weights=path.with_suffix(".bin").read_bytes())


class OpenVinoSession:
    """A network on the CPU, for images of any size.

    If a processor has bf16, OpenVINO uses it by default, so the precision is always set, and
    ``precision`` says which is in effect. To time a network, use ``clearer.bench.device_timer``: it
    fixes the sizes, which is faster.

    Args:
        source: An ``.xml`` file with its ``.bin`` beside it, an ``.onnx`` file, or an IR in memory.
        precision: Precision of the arithmetic that is not int8.
        threads: Number of CPU threads.

    Raises:
        InputError: If the file cannot be loaded, or is not image to image.
        ClearerError: If OpenVINO is not installed, or does not compute in this precision.
    """

    def __init__(self, source: Path | OpenVinoFiles, precision: Precision, threads: int) -> None:
        openvino, core = require("openvino", extra=_EXTRA), open_core()
        try:
            if isinstance(source, Path):
                network = core.read_model(source)
            else:
                network = core.read_model(source.xml, source.weights)
        except Exception as error:  # it raises plain RuntimeError and its own types
            raise _load_error(source, error) from error
        if len(network.inputs) not in (1, 2) or len(network.outputs) != 1:
            raise InputError(f"{source} is not image to image: it needs one input and one output")
        self.has_level = len(network.inputs) == 2
        """Whether the noise level is a second input."""
        self.metadata = metadata_of(network)
        config = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            "INFERENCE_PRECISION_HINT": precision,
        }
        try:
            compiled = core.compile_model(network, "CPU", config)
        except Exception as error:
            raise _load_error(source, error) from error
        effective = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        self.precision = {"float": "f32", "bfloat16": "bf16"}.get(effective, effective)
        """Precision in effect for what is not int8."""
        if self.precision != precision:
            raise ClearerError(
                f"OpenVINO computes in {self.precision} here, not in {precision}: "
                "this processor lacks it"
            )
        self.version = str(openvino.__version__).split("-")[0]
        self._compiled = compiled
        self._request = compiled.create_infer_request()

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """Restore a batch: the images and, if the network takes it, the level of each."""
        restored: NDArray[Any] = self._request.infer(list(inputs))[0].copy()
        return restored

    @property
    def num_int8_convolutions(self) -> int:
        """Convolutions that this processor computes in int8, in OpenVINO's compiled graph."""
        return sum(
            _text(info["layerType"]) == "Convolution"
            and _text(info["runtimePrecision"]) in ("i8", "u8")
            for info in (
                node.get_rt_info() for node in self._compiled.get_runtime_model().get_ops()
            )
        )


def metadata_of(network: Any) -> dict[str, str]:
    """Metadata that :func:`to_openvino` put into an ``openvino.Model``; empty for others."""
    if not network.has_rt_info([_METADATA]):
        return {}
    section = network.get_rt_info([_METADATA])
    return {key: str(network.get_rt_info([_METADATA, key]).value) for key in section.value}


def _name_by_place(network: Any, graph: onnx.GraphProto) -> None:
    """Rename nodes that OpenVINO names by a process-wide counter: equal files stay equal."""
    known = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    for place, node in enumerate(network.get_ordered_ops()):
        if node.get_friendly_name() not in known:
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


def _text(value: Any) -> str:
    return str(value.astype(str))


def _load_error(source: Path | OpenVinoFiles, error: Exception) -> InputError:
    name = source if isinstance(source, Path) else "the IR"
    return InputError(f"{name} cannot be loaded by OpenVINO: {first_line(error)}")
