"""OpenVINO IR of an exported ONNX file, and a session that runs one on the CPU.

A network makes two kinds of IR: one of its fp32 file, with weights stored as fp16, and one of its
int8 file for CPUs. There is none in bf16: that is a way to compute, asked for when a file is
loaded (``INFERENCE_PRECISION_HINT``), and either kind computes what it holds in floating point so.
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
"""Of the arithmetic of whatever is not int8, as OpenVINO writes it."""

_EXTRA: Final = "openvino"
_METADATA: Final = "clearer"
"""Section of ``rt_info`` that holds what ``metadata_props`` are in an ONNX file."""


@functools.cache
def open_core() -> Any:
    """OpenVINO's ``Core``, one for the whole process, never given back.

    The CPU plugin of OpenVINO 2026.4 gives the thread a stack for signals. When its core goes, it
    takes that memory away but leaves it in use: the next Ctrl-C would then crash Python.

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
    """Convert an ONNX file; names, free sizes and metadata stay.

    Weights of a floating-point network are stored as fp16, in half the bytes: they change by up to
    a 2048th, the arithmetic does not. In an int8 network what is floating point stays fp32:
    scales of biases lie below what fp16 resolves, and weights in fp32 are few.

    Args:
        model: Bytes of an ONNX file: of :func:`clearer.export.to_onnx.to_onnx`, or its int8 form
            for CPUs.

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

    Where a processor has bf16, OpenVINO uses it unless told otherwise, so the precision is always
    told, and ``precision`` says which is in effect. To time a network, use
    ``clearer.bench.device_timer``: it fixes the sizes, which is faster.

    Args:
        source: An ``.xml`` file with its ``.bin`` beside it, an ``.onnx`` file, or an IR in memory.
        precision: Of the arithmetic of whatever is not int8.
        threads: Of the CPU.

    Raises:
        InputError: If the file cannot be loaded, or is not image to image.
        ClearerError: If OpenVINO is not installed, or does not compute in the precision asked for.
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
        """Whether the level of the noise is a second input."""
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
        """In effect, for whatever is not int8."""
        if self.precision != precision:
            raise ClearerError(
                f"OpenVINO computes in {self.precision} here, not in {precision}: "
                "this processor lacks it"
            )
        self.version = str(openvino.__version__).split("-")[0]
        self._compiled = compiled
        self._request = compiled.create_infer_request()

    def __call__(self, *inputs: NDArray[Any]) -> NDArray[Any]:
        """Restore a batch: the images and, where there is an input for it, the level of each."""
        restored: NDArray[Any] = self._request.infer(list(inputs))[0].copy()
        return restored

    @property
    def num_int8_convolutions(self) -> int:
        """Convolutions that this processor computes in int8, in the graph as OpenVINO runs it."""
        return sum(
            _text(info["layerType"]) == "Convolution"
            and _text(info["runtimePrecision"]) in ("i8", "u8")
            for info in (
                node.get_rt_info() for node in self._compiled.get_runtime_model().get_ops()
            )
        )


def metadata_of(network: Any) -> dict[str, str]:
    """What :func:`to_openvino` noted in an ``openvino.Model``; empty for one of another origin."""
    if not network.has_rt_info([_METADATA]):
        return {}
    section = network.get_rt_info([_METADATA])
    return {key: str(network.get_rt_info([_METADATA, key]).value) for key in section.value}


def _name_by_place(network: Any, graph: onnx.GraphProto) -> None:
    """Rename what OpenVINO names by a counter of the process, so that equal files stay equal."""
    known = {name for node in graph.node for name in (node.name, *node.input, *node.output)}
    for place, node in enumerate(network.get_ordered_ops()):
        if node.get_friendly_name() not in known:
            node.set_friendly_name(f"{node.get_type_name()}_{place}")


def _text(value: Any) -> str:
    return str(value.astype(str))


def _load_error(source: Path | OpenVinoFiles, error: Exception) -> InputError:
    name = source if isinstance(source, Path) else "the IR"
    return InputError(f"{name} cannot be loaded by OpenVINO: {first_line(error)}")
