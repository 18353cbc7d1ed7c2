"""The folder of a run: every file of it, and the record of what made it."""

from __future__ import annotations

import platform
import subprocess
import time
from datetime import datetime
from importlib import metadata
from itertools import chain, count
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from clearer import __version__
from clearer.device import device_name
from clearer.errors import InputError
from clearer.files import read_json, write_json
from clearer.network import RestorationNet, load_network
from clearer.settings import RunSettings
from clearer.space import Architecture

__all__ = ["RUNS", "Run"]

RUNS: Final = Path("runs")
"""Where runs are made and looked for by default."""
_SCHEMA_VERSION: Final = 1
_TIME: Final = "%Y-%m-%dT%H:%M:%S%z"
_REPORTED_PACKAGES: Final = ("torch", "numpy", "onnx", "onnxruntime", "scikit-image")


class Run:
    """Paths in one run folder.

    Args:
        path: The folder; it need not exist yet.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.config = path / "config.json"
        self.search_log = path / "search.jsonl"
        self.architecture = path / "architecture.json"
        self.cost = path / "cost.json"
        self.train_log = path / "train.jsonl"
        self.start_weights = path / "start.safetensors"
        self.weights = path / "weights.safetensors"
        self.last_weights = path / "last.safetensors"
        self.search_checkpoint = path / "checkpoint" / "search.json"
        self.train_checkpoint = path / "checkpoint" / "train.json"
        self.onnx = path / "model.onnx"
        self.export_report = path / "export.json"
        self.bench_report = path / "bench.json"
        self.tensorboard = path / "tensorboard"

    @classmethod
    def create(cls, out: Path | None, settings: RunSettings) -> Run:
        """Make a new run folder with its ``config.json``.

        Raises:
            InputError: If ``out`` exists and is not an empty folder.
        """
        try:
            run = cls(_new_folder() if out is None else _empty_folder(out))
            run.write_config(settings)
        except OSError as error:
            raise InputError(f"{out or RUNS} cannot be made: {error.strerror}") from error
        return run

    def write_config(self, settings: RunSettings) -> None:
        """Record the settings, versions and device of this run."""
        write_json(
            self.config,
            {
                "schema_version": _SCHEMA_VERSION,
                "settings": settings.to_dict(),
                "environment": _environment(settings.device),
            },
        )

    @staticmethod
    def newest() -> Path | None:
        """Folder of the run under ``runs/`` that was begun last; None where there is none."""
        configs = list(RUNS.glob("*/config.json"))
        return max(configs, key=_started).parent if configs else None

    @classmethod
    def open(cls, path: Path | None) -> Run:
        """An existing run; without a path, the newest one under ``runs/``.

        Raises:
            InputError: If there is none.
        """
        if path is None:
            path = cls.newest()
            if path is None:
                raise InputError("no run under runs/: make one with clearer search")
        if not (path / "config.json").is_file():
            raise InputError(f"{path} is not the folder of a run: it has no config.json")
        return cls(path)

    def settings(self) -> RunSettings:
        """The settings in ``config.json``.

        Raises:
            InputError: If the file is damaged or of another version.
        """
        config = read_json(self.config)
        if not isinstance(config, dict) or config.get("schema_version") != _SCHEMA_VERSION:
            raise InputError(f"{self.config} is not of schema version {_SCHEMA_VERSION}")
        try:
            return RunSettings.from_dict(config.get("settings", {}))
        except InputError as error:
            raise InputError(
                f"{self.config}: {error}; undo the change, or make a new run"
            ) from error

    def read_architecture(self) -> Architecture:
        """The frozen architecture.

        Raises:
            InputError: If the search has not finished.
        """
        if not self.architecture.exists():
            raise InputError(
                f"{self.path} has no architecture yet: finish it with clearer search --resume "
                f"--out {self.path}"
            )
        decision = read_json(self.architecture)
        try:
            return Architecture.from_dict(decision)
        except InputError as error:
            raise InputError(f"{self.architecture}: {error}") from error

    def load_network(self) -> tuple[RestorationNet, dict[str, Any]]:
        """The network of the best weights, and what was saved with them.

        Raises:
            InputError: If it is not trained yet, or the weights are damaged or of another network.
        """
        architecture = self.read_architecture()
        network, info = load_network(self.weights)
        if network.architecture != architecture:
            raise InputError(
                f"{self.weights} does not fit the architecture in {self.architecture.name} beside "
                f"it: put the right one there, or train anew by clearer train {self.path} --out NEW"
            )
        return network, info

    def seed_run(self, seed: int) -> Run:
        """Folder inside this one for the search with a further seed."""
        run = Run(self.path / f"seed-{seed}")
        run.path.mkdir(exist_ok=True)
        return run

    def log_op_weights(self) -> NDArray[np.float64]:
        """Logarithm of the final op weights of the search, shape ``(K, 2)``: (parallel, fusion).

        Raises:
            InputError: If the run was not searched by gradient, or its file is damaged.
        """
        architecture = self.read_architecture()
        data = read_json(self.architecture)
        if data.get("strategy") != "gradient":
            raise InputError(f"{self.path} has no op weights: it was not searched by gradient")
        try:
            weights = np.array(data["op_weights"], dtype=float)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{self.architecture} is damaged: op_weights") from error
        is_valid = weights.shape == (architecture.space.num_columns, 2)
        if not (is_valid and np.isfinite(weights).all() and (weights >= 0).all()):
            raise InputError(f"{self.architecture} is damaged: op_weights")
        logarithms: NDArray[np.float64] = np.log(np.clip(weights, 1e-12, 1))
        return logarithms


def _new_folder() -> Path:
    """A folder named by the time; a number tells apart runs that start in the same second."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    for name in chain([stamp], (f"{stamp}-{number}" for number in count(2))):
        try:
            (RUNS / name).mkdir(parents=True)
        except FileExistsError:
            continue
        break
    return RUNS / name


def _empty_folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give --out a new folder")
    path.mkdir(parents=True, exist_ok=True)
    if any(path.iterdir()):
        raise InputError(f"{path} exists: choose another --out, or go on with it by --resume")
    return path


def _started(config: Path) -> tuple[float, float]:
    """When a run was begun, as a key to sort by: names say it only where nobody chose them."""
    try:
        text = read_json(config)["environment"]["started"]
        return datetime.strptime(text, _TIME).timestamp(), config.stat().st_mtime
    except (InputError, KeyError, TypeError, ValueError):
        return config.stat().st_mtime, 0.0


def _environment(device: str) -> dict[str, Any]:
    return {
        "clearer": __version__,
        "git": _git_state(),
        "python": platform.python_version(),
        "packages": {name: _package_version(name) for name in _REPORTED_PACKAGES},
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "started": time.strftime(_TIME),
    }


def _package_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> str | None:
    """Commit of the source tree this package runs from; None where it was installed."""
    source = Path(__file__).resolve().parent.parent
    if not (source / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
