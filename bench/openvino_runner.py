"""Runs any image-to-image ONNX file in OpenVINO."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from clearer.bench.runners import Array, RunnerInfo
from clearer.errors import ClearerError, InputError, require
from clearer.export.external_data import model_bytes
from clearer.export.openvino import OpenVinoSession, open_core
from clearer.export.picture_io import PictureIo, first_line, picture_restorer
from clearer.support.threads import usual_threads

__all__ = ["OpenVinoRunner", "OpenVinoTiles"]

_HINTS: Final = {"fp32": "f32", "bf16": "bf16"}
_NAMES: Final = {"f32": "fp32", "f16": "fp16", "i8": "int8", "u8": "int8"}
_PRODUCTS: Final = frozenset({"Convolution", "Deconvolution", "FullyConnected", "MatMul"})
_MOST_SIZES: Final = 8
Call = Callable[..., NDArray[Any]]


class OpenVinoRunner:
    """Compiles the network for each image size, as an application with one size would.

    Args:
        name: Name for reports.
        path: The ONNX file, or IR.
        io: How pictures go into it.
        precision: Precision of what is not quantised in the file.
        threads: Number of CPU threads.
        shape: Shape of the first images, ``(N, C, H, W)``.

    Raises:
        InputError: If the file cannot be loaded.
        ClearerError: If OpenVINO is not installed, or would compute in another precision.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        *,
        io: PictureIo,
        precision: Literal["fp32", "bf16"],
        threads: int,
        shape: tuple[int, ...],
    ) -> None:
        openvino = require("openvino", extra="openvino")
        self._core = open_core()
        self._path = path
        self._settings = {
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": threads,
            # Without this, OpenVINO computes in bf16 wherever the processor can.
            "INFERENCE_PRECISION_HINT": _HINTS[precision],
        }
        self._calls: dict[tuple[int, ...], Call] = {}
        self._restore = picture_restorer(self._run, io, name)
        start = time.perf_counter()
        compiled = self._compile(io.shape(shape))
        load_ms = 1000 * (time.perf_counter() - start)
        effective = _effective(compiled)
        if effective.split(", ")[0] not in (precision, "int8"):
            raise ClearerError(
                f"OpenVINO computes in {effective} here, not in {precision}: this processor cannot"
            )
        self._about = RunnerInfo(
            name=name,
            backend="OpenVINO",
            version=str(openvino.__version__).split("-")[0],
            precision=effective,
            threads=threads,
            provider="CPU",
            load_ms=load_ms,
        )

    @cached_property
    def info(self) -> RunnerInfo:
        """What computes, and how."""
        return replace(self._about, file_bytes=model_bytes(self._path))

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If the output has another shape, or the network does not take this size.
            ClearerError: If OpenVINO fails.
        """
        return self._restore(degraded)

    def _run(self, given: NDArray[Any], *levels: NDArray[Any]) -> NDArray[Any]:
        if given.shape not in self._calls:
            self._compile(given.shape)
        return self._calls[given.shape](given, *levels)

    def _compile(self, shape: tuple[int, ...]) -> Any:
        try:
            model = self._core.read_model(self._path)
            levels = {port: [shape[0]] for port in model.inputs[1:]}
            model.reshape({model.inputs[0]: list(shape), **levels})
            compiled = self._core.compile_model(model, "CPU", self._settings)
        except Exception as error:  # OpenVINO raises plain RuntimeError and its own types
            raise InputError(f"OpenVINO cannot load {self._path}: {first_line(error)}") from error
        request = compiled.create_infer_request()

        def call(*inputs: NDArray[Any]) -> NDArray[Any]:
            outputs = request.infer(list(inputs), share_inputs=True)
            # The request reuses this memory at its next call.
            return np.array(outputs[0])

        while len(self._calls) >= _MOST_SIZES:
            self._calls.pop(next(iter(self._calls)))
        self._calls[shape] = call
        return compiled


class OpenVinoTiles:
    """An image-to-image ONNX file in OpenVINO on the CPU, in fp32, for tiles of any size.

    :class:`OpenVinoRunner` is compiled for each size: faster, but it needs too much memory for
    large tiles.

    Args:
        name: Name for reports.
        path: The file.
        io: How pictures go into it.

    Raises:
        InputError: If OpenVINO cannot load the file.
        ClearerError: If OpenVINO is not installed.
    """

    def __init__(self, name: str, path: Path, io: PictureIo) -> None:
        threads = usual_threads()
        session = OpenVinoSession(path, "f32", threads)
        self._restore = picture_restorer(session, io, name)
        self.info = RunnerInfo(
            name=name,
            backend="OpenVINO",
            provider="CPU",
            version=session.version,
            precision="fp32",
            threads=threads,
            file_bytes=model_bytes(path),
        )

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If the output has another shape.
            ClearerError: If OpenVINO fails.
        """
        return self._restore(degraded)


def _effective(compiled: Any) -> str:
    """Precisions of the convolutions and matrix products in the compiled network."""
    found: Counter[str] = Counter()
    for node in compiled.get_runtime_model().get_ordered_ops():
        about = node.get_rt_info()
        if str(about["layerType"].astype(str)) in _PRODUCTS:
            word = str(about["runtimePrecision"].astype(str)).lower()
            found[_NAMES.get(word, word)] += 1
    if not found:
        hint: str = compiled.get_property("INFERENCE_PRECISION_HINT").to_string()
        return _NAMES.get(hint, hint)
    return ", ".join(name for name, _ in found.most_common())
