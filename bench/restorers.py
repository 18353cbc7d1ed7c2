"""Finds and loads models that restore users' pictures: by a path, with a backend.

Weights, too, are run by ONNX Runtime if it is installed, and by torch otherwise. ONNX Runtime is
faster and loads at once, while torch takes seconds: neither is imported before it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.bench.backends import BACKENDS, find_backend, restoring
from clearer.bench.level_runner import at_level
from clearer.bench.runners import OnnxRunner, Runner, RunnerInfo, TorchRunner
from clearer.errors import InputError
from clearer.networks.weights_file import SavedWeights
from clearer.pictures.images import Color
from clearer.restoring.restore import ColorMode, default_plan
from clearer.restoring.restore_method import Method, PictureKind
from clearer.restoring.self_ensemble import Views
from clearer.runs.run import Run
from clearer.space.space import Architecture
from clearer.tasks.base import Task
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.photo import Photo
from clearer.tasks.registry import task_from_dict
from clearer.zoo.catalogue import ZooNetwork, default_network, network_for
from clearer.zoo.found import Found, OnnxFile, find_model

__all__ = [
    "LateRunner",
    "LoadedModel",
    "find_restorer",
    "find_restorers",
    "shipped_networks",
]

_OF_WEIGHTS: Final = (None, "torch", "onnxruntime")
"""Backends that need no file but the weights."""
Array = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class LoadedModel:
    """A network that is ready to restore pictures."""

    name: str
    runner: Runner
    channels: int
    """1 (gray) or 3 (RGB)."""
    architecture: Architecture | None
    """None for a network not made by clearer."""
    task: Task | None = None
    """What it was made to undo, if it says so."""
    is_shipped: bool = False
    """Whether it comes with the package."""
    is_late: bool = False
    """Whether it is loaded when it first restores or its ``info`` is read."""
    has_level: bool = False
    """Whether it takes the noise level in addition to the picture."""
    multiple: int = 1
    """Sides of tiles are reflect-padded to a multiple of this outside the network."""
    notes: tuple[str, ...] = ()
    """Notes for the user, such as assumptions about what a file does not say."""

    @property
    def color(self) -> Color:
        """``gray`` or ``rgb``: the pictures that it takes."""
        return "rgb" if self.channels == 3 else "gray"

    @property
    def label(self) -> str:
        """Its name for reports, with its architecture where that is known."""
        return self.runner.info.name

    def runner_for(self, task: Task) -> Runner:
        """A runner that takes only pictures: a level map gets the level of the task."""
        return at_level(self.runner, task.sigma_255, has_level=self.has_level)

    def method(
        self,
        color: ColorMode,
        tile: int | None = None,
        overlap: int | None = None,
        *,
        sigma: float | None = None,
        strength: float = 1.0,
        views: Views = 1,
    ) -> Method:
        """The method by which it restores pictures.

        Args:
            color: How a gray network restores a colour picture.
            tile: As for :func:`clearer.restoring.restore.default_plan`.
            overlap: As for :func:`clearer.restoring.restore.default_plan`.
            sigma: As for :class:`clearer.restoring.restore_method.Method`.
            strength: As for :class:`clearer.restoring.restore_method.Method`.
            views: As for :class:`clearer.restoring.restore_method.Method`.

        Raises:
            InputError: If the tiles are too small for the overlap.
        """
        return Method(
            name=self.name,
            restore=self.runner,
            channels=self.channels,
            color=color,
            plan=default_plan(self.architecture, tile, overlap, self.multiple),
            has_level=self.has_level,
            sigma=sigma,
            strength=strength,
            views=views,
            is_upright=self.task is not None and self.task.is_upright,
        )


def find_restorers(model: Path | None, backend: str | None) -> dict[PictureKind, LoadedModel]:
    """The models that restore pictures of each kind.

    Without a model it is the newest run; without a run, the networks that come with the package for
    each kind, each loaded with the first such picture. Only those treat photographs and low-quality
    JPEG separately. RGB networks trained on pairs do not get gray pictures: what they learned, such
    as rain, has not been measured on gray pictures.

    Raises:
        InputError, ClearerError: As :func:`find_restorer`.
    """
    newest = Run.newest()
    if model is None and newest is not None and not Run(newest).weights.exists():
        raise InputError(
            f"the newest run, {newest}, is not trained: train it with clearer train {newest}, or "
            "name another network with --model; clearer zoo lists those that come with clearer"
        )
    if model is not None or newest is not None:
        found = find_restorer(model, backend)
        is_for_rgb = found.channels == 3 and found.task is not None and found.task.pairs is not None
        return {"rgb": found} if is_for_rgb else {"gray": found, "rgb": found}
    if backend is not None:
        find_backend(backend, restoring())
    networks = shipped_networks()
    loaded = {network.name: _later(network, backend) for network in networks.values()}
    return {kind: loaded[network.name] for kind, network in networks.items()}


def shipped_networks() -> dict[PictureKind, ZooNetwork]:
    """The network that comes with the package for each kind of picture; none is loaded.

    Raises:
        InputError: If there is none for gray pictures.
    """
    found: dict[PictureKind, ZooNetwork | None] = {
        "gray": default_network(1),
        "rgb": default_network(3),
        "photo": network_for(Photo),
        "jpeg": network_for(DeJpeg),
    }
    return {kind: network for kind, network in found.items() if network is not None}


def find_restorer(model: Path | None, backend: str | None) -> LoadedModel:
    """Load a run, its weights, an ONNX file, or a network that comes with the package.

    Args:
        model: As for :func:`clearer.zoo.found.find_model`.
        backend: One of :func:`clearer.bench.backends.restoring`; by default ONNX Runtime, or torch
            for weights if ONNX Runtime is not installed.

    Raises:
        InputError: If there is no such model, it cannot be loaded, or the backend cannot run it.
        ClearerError: If a package is missing.
    """
    if backend is not None:
        find_backend(backend, restoring())
    return _load(find_model(model), backend)


def _load(found: Found, backend: str | None) -> LoadedModel:
    if isinstance(found, OnnxFile):
        return _onnx(found.path, backend, found.name)
    if backend in _OF_WEIGHTS:
        loaded = _of_weights(found.read_weights(), backend, found.name)
    else:
        from clearer.export.onnx_file import onnx_file

        loaded = _onnx(onnx_file(found), backend, found.name)
    return replace(loaded, is_shipped=isinstance(found, ZooNetwork))


def _later(network: ZooNetwork, backend: str | None) -> LoadedModel:
    """The same, described by its card until it is loaded."""
    architecture = network.architecture
    return LoadedModel(
        network.name,
        LateRunner(network, backend),
        network.channels,
        architecture,
        network.task,
        is_shipped=True,
        is_late=True,
        has_level=architecture.space.level_map,
    )


class LateRunner:
    """A network of the package that is loaded when it first restores or its info is read.

    Args:
        network: The network.
        backend: As for :func:`find_restorer`.

    Raises:
        InputError, ClearerError: As :func:`find_restorer`, when it is loaded.
    """

    def __init__(self, network: ZooNetwork, backend: str | None) -> None:
        self._network, self._backend = network, backend

    @cached_property
    def _runner(self) -> Runner:
        return _load(self._network, self._backend).runner

    @property
    def info(self) -> RunnerInfo:
        """What computes, and how."""
        return self._runner.info

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return self._runner(degraded)


def _of_weights(saved: SavedWeights, backend: str | None, name: str) -> LoadedModel:
    architecture, space = saved.architecture, saved.architecture.space
    return LoadedModel(
        name,
        _runner(saved, backend, f"{name} {architecture.label}"),
        space.channels,
        architecture,
        _task_of(saved.info),
        has_level=space.level_map,
    )


def _runner(saved: SavedWeights, backend: str | None, name: str) -> Runner:
    if backend == "torch" or (backend is None and BACKENDS["onnxruntime"].absence() is not None):
        from clearer.networks.network import network_of

        return TorchRunner(name, network_of(saved))
    from clearer.export.picture_io import PictureIo
    from clearer.export.to_onnx import saved_to_onnx

    space = saved.architecture.space
    io = PictureIo(channels=space.channels, has_level=space.level_map)
    return OnnxRunner(name, saved_to_onnx(saved), None, io=io)


def _task_of(info: Mapping[str, Any]) -> Task | None:
    """The task saved with weights, which may be of another program."""
    options = info.get("task")
    return task_from_dict(options) if isinstance(options, dict) else None


def _onnx(path: Path, backend: str | None, name: str) -> LoadedModel:
    from clearer.export.model_description import read_description

    chosen = BACKENDS[backend or "onnxruntime"]
    if chosen.files == "weights":
        raise InputError(f"{path} is an ONNX file: torch runs run folders and .safetensors files")
    file = read_description(path)
    file.require_any_size()
    io = file.io
    runner = chosen.restorer(name, path, io)
    architecture, task = file.info.architecture, file.info.task
    return LoadedModel(
        name,
        runner,
        file.channels,
        architecture,
        task,
        has_level=io.has_level,
        multiple=io.multiple,
        notes=file.notes,
    )
