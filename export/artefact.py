"""One product of an export: its files, their properties, and how to run them."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.errors import require
from clearer.export.export_record import QuantizationRecord
from clearer.export.fixed_sizes import with_fixed_sizes
from clearer.export.image_io import with_image_io
from clearer.export.metadata import Io, Precision
from clearer.export.network_io import session_restorer
from clearer.export.openvino import OpenVinoFiles, OpenVinoSession, to_openvino
from clearer.networks.level_map import file_inputs

__all__ = [
    "Artefact",
    "Kind",
    "Restore",
    "Shape",
    "file_name",
    "onnx_artefacts",
    "onnx_restorer",
    "openvino_artefact",
    "program_restorer",
]

Kind = Precision | Literal["fp32, fp16 weights"]
"""Precision of a file's arithmetic, and of its weights if that differs."""
Shape = tuple[int, int, int]
"""(batch, height, width)."""
Restore = Callable[[NDArray[Any]], NDArray[Any]]
"""Has the inputs and outputs of the artefact (:data:`Io`); a level is the last channel."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Artefact:
    """An export that has not been checked yet."""

    files: Mapping[str, bytes]
    """Content by file name; the first is the one that users refer to."""
    precision: Kind
    load: Callable[[Mapping[str, bytes]], Restore]
    """Makes a restorer from :attr:`files`, in the runtime of the check."""
    io: Io = "tensor"
    shape: Shape | None = None
    """The only input shape; None: any."""
    quantization: QuantizationRecord | None = None
    """How an int8 file was made; None for others."""

    @property
    def name(self) -> str:
        """The file that users refer to."""
        return next(iter(self.files))

    @property
    def num_bytes(self) -> int:
        """Size of all files together."""
        return sum(map(len, self.files.values()))


def file_name(*labels: str, ending: str = "onnx") -> str:
    """``model``, the labels and the extension, joined by dots."""
    return ".".join(["model", *filter(None, labels), ending])


def onnx_artefacts(
    model: bytes,
    label: str,
    precision: Precision,
    ios: Sequence[Io],
    shapes: Sequence[Shape],
    quantization: QuantizationRecord | None = None,
) -> Iterator[Artefact]:
    """An ONNX file for any size, and the requested variants.

    Args:
        model: A file with float32 ``(n, C, h, w)`` in and out.
        label: Label in the file names, such as ``fp16``; empty for the plain file.
        precision: Precision of its body.
        ios: Inputs and outputs of the files.
        shapes: Fixed sizes, each of which gets its own files.
        quantization: How an int8 body was made.
    """
    for shape in (None, *shapes):
        fixed = model if shape is None else with_fixed_sizes(model, shape)
        size = "" if shape is None else "x".join(map(str, shape))
        for kind in ios:
            is_image = kind == "image"
            name = file_name(label, "image" if is_image else "", size)
            yield Artefact(
                files={name: with_image_io(fixed) if is_image else fixed},
                precision=precision,
                load=onnx_restorer,
                io=kind,
                shape=shape,
                quantization=quantization,
            )


def onnx_restorer(files: Mapping[str, bytes]) -> Restore:
    """The first file in ONNX Runtime on the CPU.

    Raises:
        ClearerError: If ONNX Runtime is missing.
    """
    ort = require("onnxruntime", extra="cpu")
    options = ort.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    model = next(iter(files.values()))
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return session_restorer(session)


def openvino_artefact(
    model: bytes, label: str, precision: Kind, quantization: QuantizationRecord | None = None
) -> Artefact:
    """OpenVINO IR of an ONNX file; the check runs it in fp32 where it is not int8.

    Args:
        model: An fp32 file, or an int8 one for OpenVINO.
        label: Label in the file names.
        precision: Precision of its body.
        quantization: How an int8 body was made.

    Raises:
        ClearerError: If OpenVINO is missing.
    """
    made = to_openvino(model)
    names = [file_name(label, ending=ending) for ending in ("xml", "bin")]

    def load(files: Mapping[str, bytes]) -> Restore:
        xml, weights = (files[name] for name in names)
        made = OpenVinoFiles(xml=xml, weights=weights)
        session = OpenVinoSession(made, "f32", torch.get_num_threads())
        return lambda given: session(*file_inputs(given, has_level=session.has_level))

    files = dict(zip(names, (made.xml, made.weights), strict=True))
    return Artefact(files=files, precision=precision, load=load, quantization=quantization)


def program_restorer(files: Mapping[str, bytes]) -> Restore:
    """The first file as a ``torch.export`` program, on the CPU."""
    program = torch.export.load(io.BytesIO(next(iter(files.values())))).module()

    def restore(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            return program(torch.from_numpy(batch)).numpy()  # type: ignore[no-any-return]

    return restore
