"""Models that restore pictures of users: found by a path, run by a backend."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.bench.runners import OnnxRunner, Runner, RunnerInfo, TorchRunner
from clearer.errors import InputError
from clearer.export.openvino import OpenVinoSession
from clearer.network import load_network
from clearer.run import Run
from clearer.space import Architecture

__all__ = ["BACKENDS", "Backend", "LoadedModel", "OpenVinoRunner", "find_restorer"]

Array = NDArray[np.float32]
Backend = Literal["torch", "onnxruntime", "openvino"]
BACKENDS: Final[tuple[Backend, ...]] = ("torch", "onnxruntime", "openvino")
_MAX_METADATA: Final = 10_000


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network that is ready to restore pictures."""

    runner: Runner
    channels: int
    """1 (gray) or 3 (RGB)."""
    architecture: Architecture | None
    """None for a network that was not made by clearer."""


def find_restorer(model: Path | None, backend: Backend | None) -> LoadedModel:
    """Load a run, its weights, or an ONNX file.

    Args:
        model: A run folder, a ``.safetensors`` or an ``.onnx`` file; None: the newest run.
        backend: By default torch for weights, ONNX Runtime for ONNX files.

    Raises:
        InputError: If there is no such model, it cannot be loaded, or the backend cannot run it.
        ClearerError: If a package is missing.
    """
    if model is None or model.is_dir():
        run = Run.open(model)
        if backend in (None, "torch"):
            return _weights(run.weights, run.path.name)
        if not run.onnx.is_file():
            raise InputError(f"{backend} needs {run.onnx}: make it by clearer export {run.path}")
        return _onnx(run.onnx, backend)
    if not model.exists():
        raise InputError(f"{model} does not exist: give --model a run folder or an ONNX file")
    if model.suffix.lower() == ".onnx":
        return _onnx(model, backend)
    if model.suffix.lower() != ".safetensors":
        raise InputError(f"{model} is not a run folder, a .safetensors nor an .onnx file")
    if backend not in (None, "torch"):
        raise InputError(f"{model} runs in torch: give {backend} an ONNX file (clearer export)")
    return _weights(model, model.stem)


def _weights(path: Path, name: str) -> LoadedModel:
    network, _ = load_network(path)
    architecture = network.architecture
    runner = TorchRunner(f"{name} {architecture.text}", network)
    return LoadedModel(runner, architecture.space.channels, architecture)


def _onnx(path: Path, backend: Backend | None) -> LoadedModel:
    if backend == "torch":
        raise InputError(f"{path} is an ONNX file: torch runs run folders and .safetensors files")
    runner = OnnxRunner(path.stem, path, None)
    if runner.channels not in (1, 3):
        raise InputError(f"{path} takes {runner.channels} channels: pictures have 1 or 3")
    if any(isinstance(side, int) for side in runner.shape[2:]):
        raise InputError(
            f"{path} takes pictures of one size only ({runner.shape}): export it with free sizes"
        )
    architecture = _architecture(runner.metadata.get("architecture", ""))
    channels = runner.channels
    if backend == "openvino":
        return LoadedModel(OpenVinoRunner(path.stem, path), channels, architecture)
    return LoadedModel(runner, channels, architecture)


def _architecture(text: str) -> Architecture | None:
    """What the metadata of an ONNX file say, if it was exported by clearer."""
    if not 0 < len(text) < _MAX_METADATA:
        return None
    try:
        return Architecture.from_json(text)
    except InputError:  # another program may use the same word for something else
        return None


class OpenVinoRunner:
    """An image-to-image ONNX file in OpenVINO on the CPU, in fp32, for tiles of any size.

    The one of :mod:`clearer.bench.openvino_runner` is compiled for each size: faster, and too large
    for the memory of large tiles.

    Args:
        name: For reports.
        path: The file.

    Raises:
        InputError: If OpenVINO cannot load the file.
        ClearerError: If OpenVINO is not installed.
    """

    def __init__(self, name: str, path: Path) -> None:
        threads = torch.get_num_threads()
        self._session = OpenVinoSession(path, "f32", threads)
        self.info = RunnerInfo(
            name=name,
            backend="OpenVINO",
            provider="CPU",
            version=self._session.version,
            precision="fp32",
            threads=threads,
            file_bytes=path.stat().st_size,
        )

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If the output has another shape.
        """
        restored = self._session(degraded)
        if restored.shape != degraded.shape:
            raise InputError(
                f"{self.info.name} gives {restored.shape} for an input of {degraded.shape}: "
                "it is not image to image"
            )
        return restored
