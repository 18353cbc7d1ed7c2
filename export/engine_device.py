"""Queries the NVIDIA driver and its GPUs without torch, whose CPU build sees none."""

from __future__ import annotations

import ctypes
import platform
import re
from dataclasses import dataclass
from typing import Final

from clearer.errors import ClearerError

__all__ = ["Gpu", "NoGpuError", "driver_version", "find_gpus", "require_gpu"]

_CUDA_LIBRARY: Final = "nvcuda.dll" if platform.system() == "Windows" else "libcuda.so.1"
_NVML_LIBRARY: Final = "nvml.dll" if platform.system() == "Windows" else "libnvidia-ml.so.1"
_NO_DEVICE: Final = 100
_COMPUTE_CAPABILITY: Final = (75, 76)
"""Device attributes that hold its major and minor part."""


class NoGpuError(ClearerError):
    """There is no driver, or no GPU that it can use."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Gpu:
    """A GPU and its driver."""

    name: str
    compute_capability: str
    """For example ``9.0``."""
    driver: str
    """Version, for example ``580.65.06``."""

    @property
    def file_name(self) -> str:
        """The name in lower-case letters, digits and dashes."""
        return re.sub(r"[^a-z0-9]+", "-", self.name.lower()).strip("-") or "gpu"


def require_gpu() -> Gpu:
    """The GPU that a process uses by default: the first.

    Raises:
        NoGpuError: If the driver or a GPU is missing; the text says which.
    """
    gpus = find_gpus()
    if not gpus:
        raise NoGpuError(
            "a GPU is missing: the NVIDIA driver is here but finds none; attach one, or make it "
            "visible with CUDA_VISIBLE_DEVICES"
        )
    return gpus[0]


def find_gpus() -> list[Gpu]:
    """All GPUs of this process, in CUDA's order.

    Raises:
        NoGpuError: If there is no driver, or it does not start.
    """
    try:
        cuda = ctypes.CDLL(_CUDA_LIBRARY)
    except OSError as error:
        raise NoGpuError(
            f"the NVIDIA driver is missing ({_CUDA_LIBRARY} cannot be loaded); install one of "
            "version 580 or newer, on a machine with an NVIDIA GPU"
        ) from error
    code = cuda.cuInit(0)
    if code == _NO_DEVICE:
        return []
    if code:
        raise NoGpuError(
            f"the NVIDIA driver does not start (cuInit gives error {code}); install one of version "
            "580 or newer that fits the kernel, and restart"
        )
    count = ctypes.c_int()
    _check(cuda.cuDeviceGetCount(ctypes.byref(count)), "cuDeviceGetCount")
    driver = driver_version() or _cuda_version(cuda)
    return [_describe(cuda, index, driver) for index in range(count.value)]


def driver_version() -> str | None:
    """Version of the driver, for example ``580.65.06``; None if it is not known."""
    try:
        nvml = ctypes.CDLL(_NVML_LIBRARY)
    except OSError:
        return None
    text = ctypes.create_string_buffer(80)
    if nvml.nvmlInit_v2() or nvml.nvmlSystemGetDriverVersion(text, len(text)):
        return None
    return text.value.decode(errors="replace")


def _cuda_version(cuda: ctypes.CDLL) -> str:
    number = ctypes.c_int()
    _check(cuda.cuDriverGetVersion(ctypes.byref(number)), "cuDriverGetVersion")
    return f"CUDA {number.value // 1000}.{number.value % 1000 // 10}"


def _describe(cuda: ctypes.CDLL, index: int, driver: str) -> Gpu:
    device = ctypes.c_int()
    _check(cuda.cuDeviceGet(ctypes.byref(device), index), "cuDeviceGet")
    name = ctypes.create_string_buffer(256)
    _check(cuda.cuDeviceGetName(name, len(name), device), "cuDeviceGetName")
    parts = []
    for attribute in _COMPUTE_CAPABILITY:
        part = ctypes.c_int()
        code = cuda.cuDeviceGetAttribute(ctypes.byref(part), attribute, device)
        _check(code, "cuDeviceGetAttribute")
        parts.append(str(part.value))
    text = name.value.decode(errors="replace")
    return Gpu(name=text, compute_capability=".".join(parts), driver=driver)


def _check(code: int, function: str) -> None:
    if code:
        raise NoGpuError(f"the NVIDIA driver reports error {code} in {function}; restart it")
