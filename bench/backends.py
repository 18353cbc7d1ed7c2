"""All backends by name: a new one is a file in this folder and a line here."""

from __future__ import annotations

from typing import Final

from clearer.bench.backend import Backend
from clearer.bench.backend_onnxruntime import OnnxRuntime, OnnxRuntimeCuda, OnnxRuntimeTensorRt
from clearer.bench.backend_openvino import OpenVino, OpenVinoBf16
from clearer.bench.backend_tensorrt import TensorRt
from clearer.bench.backend_torch import Torch, TorchCompile, TorchCuda
from clearer.errors import InputError

__all__ = ["BACKENDS", "find_backend", "measured", "profiling", "restoring"]

BACKENDS: Final[dict[str, Backend]] = {
    found.name: found
    for found in (
        *(Torch(), TorchCompile(), TorchCuda()),
        *(OnnxRuntime(), OnnxRuntimeCuda(), OnnxRuntimeTensorRt()),
        *(OpenVino(), OpenVinoBf16()),
        TensorRt(),
    )
}
"""In the order of tables and messages."""


def measured() -> list[str]:
    """Names of the backends that ``clearer bench`` can measure."""
    return [name for name, found in BACKENDS.items() if found.files]


def profiling() -> list[str]:
    """Names of the backends with which ``clearer profile`` can time networks."""
    return [name for name, found in BACKENDS.items() if found.profiles]


def restoring() -> list[str]:
    """Names of the backends with which ``clearer restore`` can compute."""
    return [name for name, found in BACKENDS.items() if found.restores]


def find_backend(name: str, names: list[str]) -> Backend:
    """The backend of a name, if it is one of ``names``.

    Raises:
        InputError: If it is not.
    """
    if name not in names:
        raise InputError(f"unknown --backend {name}: use one of {', '.join(names)}")
    return BACKENDS[name]
