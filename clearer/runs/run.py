"""The folder of a run: all its files, and the record of how they were made."""

from __future__ import annotations

import platform
import subprocess
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer import __version__
from clearer.errors import InputError
from clearer.networks.weights_file import SavedWeights, read_weights
from clearer.runs.run_list import RUNS, TIME_FORMAT, run_folders
from clearer.runs.run_lock import lock_run
from clearer.runs.run_name import name_of_run
from clearer.runs.run_records import ConfigRecord, DecisionRecord
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.support.device import device_name
from clearer.support.files import read_json, read_record, write_json

if TYPE_CHECKING:
    from clearer.networks.network import RestorationNet

__all__ = ["RUNS", "Run"]

_SCHEMA_VERSION: Final = 2
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
        self.race = path / "race.json"
        self.pictures = path / "pictures.json"
        self.train_log = path / "train.jsonl"
        self.start_weights = path / "start.safetensors"
        self.teacher = path / "teacher.safetensors"
        self.weights = path / "weights.safetensors"
        self.last_weights = path / "last.safetensors"
        self.search_checkpoint = path / "checkpoint" / "search.json"
        self.train_checkpoint = path / "checkpoint" / "train.json"
        self.onnx = path / "model.onnx"
        self.export_report = path / "export.json"
        self.bench_report = path / "bench.json"
        self.tensorboard = path / "tensorboard"

    @property
    def name(self) -> str:
        """Name of the folder, also where the path is ``.``."""
        return self.path.resolve().name

    @classmethod
    def create(
        cls,
        out: Path | None,
        settings: RunSettings,
        prepare: Callable[[Run], object] = lambda run: None,
    ) -> Run:
        """Make a new run folder; ``config.json`` is written last and makes the run complete.

        Leftovers of a process that was killed before that are overwritten.

        Args:
            out: The folder; None for one in ``runs/``, named after the settings.
            settings: Settings of the run.
            prepare: Writes the other files that the run starts with.

        Raises:
            InputError: If ``out`` is a file, is not empty, or cannot be made.
            ClearerError: If another process works in it.
        """
        run = cls(_new_folder(name_of_run(settings)) if out is None else _folder(out))
        try:
            with lock_run(run.path) as was_killed:
                run._check_empty(was_killed)
                try:
                    prepare(run)
                    run.write_config(settings)
                except BaseException:
                    for path in run._first_files:
                        path.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise InputError(f"{out or RUNS} cannot be made: {error.strerror}") from error
        return run

    @classmethod
    def check_new(cls, out: Path | None) -> None:
        """Check, before long work, that :meth:`create` can make a folder.

        Raises:
            InputError: If ``out`` or a folder above it is a file, or ``out`` is not empty.
        """
        if out is None:
            return
        for place in (out, *out.parents):
            if place.exists() and not place.is_dir():
                raise InputError(f"{place} is a file: give --out a new folder")
        if out.is_dir():  # what a process left that was killed is seen when the run is made
            cls(out)._check_empty(was_killed=True)

    @property
    def _first_files(self) -> tuple[Path, ...]:
        """What a new run may hold before its ``config.json``."""
        return (
            self.cost,
            self.pictures,
            self.race,
            self.architecture,
            self.start_weights,
            self.teacher,
        )

    def _check_empty(self, was_killed: bool) -> None:
        """Refuse a folder with files in it; hidden files of the system do not count."""
        found = {path for path in self.path.iterdir() if not path.name.startswith(".")}
        if found - (set(self._first_files) if was_killed else set()):
            raise InputError(
                f"{self.path} exists: choose another --out, or continue it with --resume"
            )

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
        """Folder of the run under ``runs/`` that was started last; None if there is none."""
        return next(iter(run_folders()), None)

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
        advice = "undo the change, or make a new run"
        config = read_record(self.config, ConfigRecord, advice=advice)
        try:
            return RunSettings.from_dict(config["settings"], "settings")
        except InputError as error:
            raise InputError(f"{self.config}: {error}; {advice}") from error

    def read_architecture(self) -> Architecture:
        """The frozen architecture.

        Raises:
            InputError: If the search has not finished.
        """
        self._require_architecture()
        decision = read_json(self.architecture)
        try:
            return Architecture.from_dict(decision)
        except InputError as error:
            raise InputError(f"{self.architecture}: {error}") from error

    def read_decision(self) -> DecisionRecord:
        """The content of ``architecture.json``: the frozen architecture, and how it was chosen.

        Raises:
            InputError: If the search has not finished, or the file is damaged.
        """
        self._require_architecture()
        decision = read_record(self.architecture, DecisionRecord)
        space = Architecture.from_dict(decision).space
        return {**decision, "schema_version": 2, "space": space.to_dict()}

    def _require_architecture(self) -> None:
        if not self.architecture.exists():
            raise InputError(
                f"{self.path} has no architecture yet: finish it with clearer search --resume "
                f"--out {self.path}"
            )

    def load_network(self) -> tuple[RestorationNet, dict[str, Any]]:
        """The network with the best weights, and the information saved with them.

        Raises:
            InputError: If it is not trained yet, or the weights are damaged or of another network.
        """
        from clearer.networks.network import network_of

        saved = self.read_weights()
        return network_of(saved), saved.info

    def read_weights(self) -> SavedWeights:
        """The best weights.

        Raises:
            InputError: As :meth:`load_network`.
        """
        architecture = self.read_architecture()
        saved = read_weights(self.weights)
        if saved.architecture != architecture:
            raise InputError(
                f"{self.weights} does not fit the architecture in {self.architecture.name} beside "
                f"it: put the right one there, or train again: clearer train {self.path} --out NEW"
            )
        return saved

    def seed_run(self, seed: int) -> Run:
        """A run inside this folder, for the search with one of several seeds."""
        run = Run(self.path / f"seed-{seed}")
        run.path.mkdir(exist_ok=True)
        return run

    def log_op_weights(self) -> NDArray[np.float64]:
        """Logarithm of the final op weights of the search, shape ``(K, C)``.

        Raises:
            InputError: If the run was not searched by gradient, or its file is damaged.
        """
        architecture = self.read_architecture()
        decision = self.read_decision()
        if decision.get("strategy") != "gradient":
            raise InputError(f"{self.path} has no op weights: it was not searched by gradient")
        weights = np.array(decision.get("op_weights", []), dtype=float)
        space = architecture.space
        if weights.shape != (space.num_choices, len(space.candidates)):
            raise InputError(
                f"{self.architecture} is damaged: op_weights must have a row for each choice"
            )
        logarithms: NDArray[np.float64] = np.log(np.clip(weights, 1e-12, 1))
        return logarithms


def _new_folder(name: str) -> Path:
    """Make a folder of this name with the next free number."""
    taken = [path.name.removeprefix(f"{name}-") for path in RUNS.glob(f"{name}-*")]
    number = max((int(t) + 1 for t in taken if t.isdecimal()), default=0)
    while True:
        folder = RUNS / f"{name}-{number}"
        try:
            folder.mkdir(parents=True)
            return folder
        except FileExistsError:  # made by another process just now
            number += 1
        except OSError as error:
            raise InputError(f"{RUNS} cannot be made: {error.strerror}") from error


def _folder(path: Path) -> Path:
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is a file: give --out a new folder")
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{path} cannot be made: {error.strerror}") from error
    return path


def _environment(device: str) -> dict[str, Any]:
    import torch

    return {
        "clearer": __version__,
        "git": _git_state(),
        "python": platform.python_version(),
        "packages": {name: _package_version(name) for name in _REPORTED_PACKAGES},
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "started": time.strftime(TIME_FORMAT),
    }


def _package_version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _git_state() -> str | None:
    """Commit of the source tree that this package runs from; None if it is installed."""
    source = Path(__file__).resolve().parents[2]
    if not (source / ".git").exists():
        return None
    try:
        command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None
