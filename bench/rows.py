"""What a row of a benchmark is before it is measured: plain data that any process can open."""

from __future__ import annotations

import importlib
import json
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final, Literal

from clearer.bench.runners import OnnxRunner, Runner, TorchRunner
from clearer.errors import InputError
from clearer.export.picture_io import PictureIo

__all__ = ["BACKENDS", "Backend", "RowSpec", "import_backend", "open_runner"]

Kind = Literal["ours", "other", "classical"]


@dataclass(frozen=True, slots=True)
class Backend:
    """What a backend reads and needs."""

    label: str
    module: str
    files: Literal["weights", "onnx", "engine"]
    precisions: tuple[str, ...] = ("fp32",)
    """Of the files that it is given: others would be computed like one of these."""


BACKENDS: Final[dict[str, Backend]] = {
    "torch": Backend("torch eager", "torch", "weights"),
    "torch-compile": Backend("torch compiled", "torch", "weights"),
    "onnxruntime": Backend("ONNX Runtime", "onnxruntime", "onnx", ("fp32", "fp16", "int8")),
    "onnxruntime-cuda": Backend("ONNX Runtime", "onnxruntime", "onnx", ("fp32", "fp16")),
    "onnxruntime-tensorrt": Backend(
        "ONNX Runtime", "onnxruntime", "onnx", ("fp32", "fp16", "int8")
    ),
    "openvino": Backend("OpenVINO", "openvino", "onnx", ("fp32", "int8")),
    "openvino-bf16": Backend("OpenVINO", "openvino", "onnx"),
    "tensorrt": Backend("TensorRT", "clearer.bench.engine_runner", "engine"),
}
"""By the name that ``--backend`` takes."""

_PROVIDERS: Final = {
    "onnxruntime": "CPUExecutionProvider",
    "onnxruntime-cuda": "CUDAExecutionProvider",
    "onnxruntime-tensorrt": "TensorrtExecutionProvider",
}
_CLASSICAL: Final = {"nlm": "skimage.restoration", "bm3d": "bm3d"}


@dataclass(frozen=True, kw_only=True, slots=True)
class RowSpec:
    """One network or method in one backend."""

    name: str
    kind: Kind
    backend: str
    """One of :data:`BACKENDS`; ``nlm`` or ``bm3d``."""
    path: str | None
    source: str
    """The file, for reports."""
    channels: int
    height: int
    width: int
    """Of the images that are timed."""
    threads: int
    num_params: int | None = None
    sigma_255: float | None = None
    """For classical methods and networks with a level map; None has it estimated from each
    picture."""
    takes_level: bool = False
    """Whether the network has a level map, and the level is not in the file."""
    io: PictureIo | None = None
    """How pictures go into an ONNX file; None for all else."""

    @property
    def label(self) -> str:
        """The backend, for people."""
        return BACKENDS[self.backend].label if self.backend in BACKENDS else self.backend

    def to_json(self) -> str:
        """For another process."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> RowSpec:
        """Inverse of :meth:`to_json`."""
        data = json.loads(text)
        io = data.pop("io")
        return cls(**data, io=None if io is None else PictureIo(**io))


def import_backend(spec: RowSpec) -> None:
    """Load the package that computes, so that neither its time nor its memory counts.

    Raises:
        ImportError: If it is not installed.
    """
    backend = BACKENDS.get(spec.backend)
    importlib.import_module(backend.module if backend else _CLASSICAL[spec.backend])
    if backend and backend.files == "weights":
        importlib.import_module("clearer.networks.network")
        importlib.import_module("clearer.restoring.evaluate")


def open_runner(spec: RowSpec) -> Runner:
    """Load what a row measures.

    Raises:
        ClearerError: If it cannot run as asked for.
    """
    runner = _OPENERS[spec.backend](spec)
    if not spec.takes_level:
        return runner
    from clearer.bench.level_runner import LevelRunner

    return LevelRunner(runner, spec.sigma_255)


def _path(spec: RowSpec) -> Path:
    if spec.path is None:
        raise InputError(f"{spec.name} has no file")
    return Path(spec.path)


def _open_torch(spec: RowSpec) -> Runner:
    import torch

    from clearer.networks.network import load_network

    torch.set_num_threads(spec.threads)
    start = time.perf_counter()
    network, _ = load_network(_path(spec))
    load_ms = 1000 * (time.perf_counter() - start)
    is_compiled = spec.backend == "torch-compile"
    return TorchRunner(spec.name, network, compiled=is_compiled, load_ms=load_ms)


def _open_onnx(spec: RowSpec) -> Runner:
    provider = _PROVIDERS[spec.backend]
    return OnnxRunner(
        spec.name,
        _path(spec),
        spec.channels,
        io=spec.io,
        threads=spec.threads,
        provider=provider,
    )


def _open_openvino(spec: RowSpec) -> Runner:
    from clearer.bench.openvino_runner import OpenVinoRunner

    return OpenVinoRunner(
        spec.name,
        _path(spec),
        io=spec.io or PictureIo(),
        precision="bf16" if spec.backend == "openvino-bf16" else "fp32",
        threads=spec.threads,
        shape=(1, spec.channels, spec.height, spec.width),
    )


def _open_engine(spec: RowSpec) -> Runner:
    from clearer.bench.engine_runner import EngineRunner

    start = time.perf_counter()
    runner = EngineRunner(spec.name, _path(spec))
    load_ms = 1000 * (time.perf_counter() - start)
    runner.info = replace(runner.info, load_ms=load_ms)
    return runner


def _open_classical(spec: RowSpec) -> Runner:
    from clearer.bench.runners import Bm3dRunner, NonLocalMeansRunner

    kind = NonLocalMeansRunner if spec.backend == "nlm" else Bm3dRunner
    return kind(spec.sigma_255)


_OPENERS: Final[dict[str, Callable[[RowSpec], Runner]]] = {
    "torch": _open_torch,
    "torch-compile": _open_torch,
    **dict.fromkeys(_PROVIDERS, _open_onnx),
    "openvino": _open_openvino,
    "openvino-bf16": _open_openvino,
    "tensorrt": _open_engine,
    **dict.fromkeys(_CLASSICAL, _open_classical),
}
