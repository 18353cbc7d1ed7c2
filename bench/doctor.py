"""Examines this machine: runtimes, their devices, and what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from typing import Any, Final, Literal

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper

from clearer.bench.backends import BACKENDS
from clearer.errors import ClearerError, how_to_install
from clearer.export.engine_device import NoGpuError, find_gpus
from clearer.export.engine_library import FLAVOURS, EngineLibrary, open_library
from clearer.export.graph_nodes import OPSET
from clearer.export.openvino import open_core
from clearer.support.device import computes_bf16, device_name

__all__ = ["Finding", "examine"]

State = Literal["ok", "absent", "broken"]

_CPU_PROVIDER: Final = "CPUExecutionProvider"
# Sends images to a web service, so it is not part of this machine.
_REMOTE_PROVIDERS: Final = {"AzureExecutionProvider"}
_LOOKED_AT: Final = {"torch", "onnxruntime", "openvino", "tensorrt"}
_IR_VERSION: Final = 10
_NUM_ERROR_CHARS: Final = 160


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One part of this machine."""

    part: str
    state: State
    """``broken``: installed, but gives wrong or no results."""
    found: str
    advice: str = ""
    """What to do; empty if there is nothing to do."""


def examine() -> list[Finding]:
    """Examine this machine: import packages, and run a one-node network in ONNX Runtime."""
    return [
        Finding(part="Python", state="ok", found=platform.python_version()),
        Finding(part="processor", state="ok", found=_processor()),
        *_torch(),
        *_onnxruntime(),
        *_openvino(),
        *_further(),
        *_nvidia(),
        *(_engine_library(library) for library in FLAVOURS.values()),
    ]


def _processor() -> str:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return f"{device_name('cpu')}, {cores} cores for this process"


def _torch() -> Iterator[Finding]:
    build = f"CUDA {torch.version.cuda}" if torch.version.cuda else "CPU"
    found = f"{torch.__version__} for {build}, {torch.get_num_threads()} threads, "
    found += f"bf16 on the CPU: {'yes' if computes_bf16() else 'no'}"
    yield Finding(part="torch", state="ok", found=found)
    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        bf16 = torch.cuda.is_bf16_supported(including_emulation=False)
        found = f"{', '.join(names)}, bf16: {'yes' if bf16 else 'no'}"
        yield Finding(part="torch, CUDA", state="ok", found=found)
        return
    needed = "a GPU and its driver" if torch.version.cuda else "a torch for CUDA 13"
    yield Finding(part="torch, CUDA", state="absent", found="no", advice=f"needs {needed}")


def _onnxruntime() -> Iterator[Finding]:
    part = "ONNX Runtime"
    owners = sorted(set(metadata.packages_distributions().get("onnxruntime", [])))
    if len(owners) > 1:
        yield Finding(
            part=part,
            state="broken",
            found=f"{' and '.join(owners)} are both installed and overwrite each other's files",
            advice=f"pip uninstall {' '.join(owners)}, then install one: {how_to_install('gpu')} "
            f"with an NVIDIA GPU, else {how_to_install('cpu')}",
        )
        return
    ort, finding = _imported(part, "onnxruntime", "cpu", "gpu")
    yield finding
    if ort is None:
        return
    # It logs at length what it cannot load; the table says the same.
    ort.set_default_logger_severity(4)
    for provider in ort.get_available_providers():
        if provider not in _REMOTE_PROVIDERS:
            yield _provider(ort, provider)
    ort.set_default_logger_severity(2)
    if "CUDAExecutionProvider" not in ort.get_available_providers():
        advice = f"{how_to_install('gpu')}, in place of onnxruntime"
        yield Finding(part=f"{part}, CUDA", state="absent", found="no", advice=advice)


def _provider(ort: Any, provider: str) -> Finding:
    """Whether a provider starts: if it cannot, ONNX Runtime silently uses the CPU."""
    options = ort.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if provider != _CPU_PROVIDER:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    part = f"ONNX Runtime, {provider.removesuffix('ExecutionProvider')}"
    try:
        session = ort.InferenceSession(_sum_model(), options, providers=[provider])
        if session.get_providers()[0] != provider:
            raise RuntimeError(f"it falls back to {session.get_providers()[0]}")
        session.run(None, {"x": np.ones(1, dtype=np.float32)})
    except Exception as error:  # ONNX Runtime has its own, unexported exception types
        advice = "needs its driver and libraries: without them it falls back to the CPU silently"
        found = f"listed, but does not start: {_first_line(error)}"
        return Finding(part=part, state="absent", found=found, advice=advice)
    return Finding(part=part, state="ok", found="starts")


def _sum_model() -> bytes:
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1]) for name in "xy")
    graph = helper.make_graph([helper.make_node("Add", ["x", "x"], ["y"])], "sum", [x], [y])
    opsets = [helper.make_opsetid("", OPSET)]
    model: onnx.ModelProto = helper.make_model(graph, opset_imports=opsets, ir_version=_IR_VERSION)
    data: bytes = model.SerializeToString()
    return data


def _openvino() -> Iterator[Finding]:
    openvino, finding = _imported("OpenVINO", "openvino", "openvino")
    yield finding
    if openvino is None:
        return
    core = open_core()
    for name in core.available_devices:
        try:
            found = str(core.get_property(name, "FULL_DEVICE_NAME")).strip()
        except RuntimeError as error:
            found = f"it does not say what it is: {_first_line(error)}"
        yield Finding(part=f"OpenVINO, {name}", state="ok", found=found)


def _further() -> Iterator[Finding]:
    """Packages of backends that are not examined more closely."""
    for found in BACKENDS.values():
        if found.module not in _LOOKED_AT:
            yield _imported(found.label, found.module, *([found.extra] if found.extra else []))[1]


def _nvidia() -> Iterator[Finding]:
    try:
        gpus = find_gpus()
    except NoGpuError as error:
        found, _, advice = str(error).partition("; ")
        yield Finding(part="NVIDIA GPU", state="absent", found=found, advice=advice)
        return
    if not gpus:
        advice = "attach a GPU, or make it visible with CUDA_VISIBLE_DEVICES"
        found = "there is a driver, but no GPU"
        yield Finding(part="NVIDIA GPU", state="absent", found=found, advice=advice)
    for gpu in gpus:
        found = f"{gpu.name}, compute capability {gpu.compute_capability}, driver {gpu.driver}"
        yield Finding(part="NVIDIA GPU", state="ok", found=found)


def _engine_library(library: EngineLibrary) -> Finding:
    if importlib.util.find_spec(library.module) is None:
        advice = how_to_install(library.extra)
        return Finding(part=library.title, state="absent", found="not installed", advice=advice)
    try:
        version = open_library(library).__version__
    except ClearerError as error:
        return Finding(
            part=library.title,
            state="broken",
            found=str(error),
            advice=how_to_install(library.extra),
        )
    return Finding(part=library.title, state="ok", found=version)


def _imported(part: str, module: str, *extras: str) -> tuple[Any, Finding]:
    advice = " or ".join(how_to_install(extra) for extra in extras)
    if importlib.util.find_spec(module) is None:
        return None, Finding(part=part, state="absent", found="not installed", advice=advice)
    try:
        package = importlib.import_module(module)
    except Exception as error:  # a damaged installation may raise anything
        found = f"cannot be imported: {_first_line(error)}"
        return None, Finding(part=part, state="broken", found=found, advice=advice)
    version = str(package.__version__).split("-")[0]
    return package, Finding(part=part, state="ok", found=version)


def _first_line(error: Exception) -> str:
    line = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return line if len(line) <= _NUM_ERROR_CHARS else f"{line[:_NUM_ERROR_CHARS]}..."
