"""The machine that computes."""

from __future__ import annotations

import os
import platform
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from clearer.errors import InputError

if TYPE_CHECKING:  # pictures are restored without it
    from torch import Tensor

__all__ = ["computes_bf16", "device_name", "num_cores", "resolve_device", "send"]


def resolve_device(name: str) -> str:
    """Resolve ``auto``, ``cpu`` or ``cuda`` to the device that is used.

    Raises:
        InputError: If the device is unknown or absent.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if name not in ("cpu", "cuda"):
        raise InputError(f"unknown device {name!r}: use auto, cpu or cuda")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("--device cuda: torch finds no CUDA device here; use --device cpu")
    return name


def computes_bf16() -> bool:
    """Whether the processor itself computes in bf16.

    ``torch`` also says so of those with AVX-512 alone, which imitate it in fp32, and are slower.
    """
    import torch

    if platform.machine().lower() in ("x86_64", "amd64"):
        return torch.cpu._is_avx512_bf16_supported()
    return bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def num_cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def device_name(device: str) -> str:
    """Name of the GPU or processor, for reports."""
    if device == "cuda":
        import torch

        return torch.cuda.get_device_name()
    info = Path("/proc/cpuinfo")
    if not info.exists():
        return platform.processor() or platform.machine()
    fields = {}
    for line in info.read_text().split("\n\n")[0].splitlines():
        name, _, value = line.partition(":")
        fields[name.strip()] = value.strip()
    # Virtual machines shorten the name: family and model still tell processors apart.
    names = {"model name": "", "cpu family": "family ", "model": "model "}
    words = [f"{prefix}{fields[name]}" for name, prefix in names.items() if name in fields]
    return " ".join(words) or platform.machine()


def send(numbers: NDArray[np.generic], device: str) -> Tensor:
    """Copy an array to a device as a tensor, without waiting for the device."""
    import torch

    tensor = torch.from_numpy(np.ascontiguousarray(numbers))
    return tensor.pin_memory().to(device, non_blocking=True) if device == "cuda" else tensor
