"""Turns runs and model files into the rows of a benchmark."""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from clearer.bench.backend import Files
from clearer.bench.backends import BACKENDS, find_backend, measured
from clearer.bench.evaluation import evaluation_images
from clearer.bench.onnx_precision import written_precision
from clearer.bench.report_record import Skipped
from clearer.bench.rows import RowSpec
from clearer.costs.cost import CostTable, cost_table
from clearer.costs.cost_file import read_cost_table
from clearer.data.splits import load_splits
from clearer.errors import ClearerError, InputError
from clearer.export.export_record import int8_ir
from clearer.export.model_description import ModelDescription, read_description
from clearer.export.onnx_file import onnx_file
from clearer.export.zoo import exported_network
from clearer.pictures.images import Color, ImageSet
from clearer.runs.run import Run
from clearer.space.space import Architecture
from clearer.tasks.base import Task
from clearer.tasks.registry import change_task
from clearer.zoo.catalogue import ZooNetwork
from clearer.zoo.found import OnnxFile, WeightsFile, find_model

__all__ = [
    "FileTarget",
    "RunTarget",
    "Targets",
    "agreed_task",
    "choose_backends",
    "make_rows",
    "open_targets",
    "target_images",
    "unused_backends",
]

_NOT_MEASURED: Final = frozenset({"image", "trt", "failed"})
"""Words in the names of exports: networks for 8-bit pictures, on which every row is timed anyway;
int8 for TensorRT; files that failed their check."""


@dataclass(frozen=True, slots=True)
class RunTarget:
    """A trained run, or a network that comes with the package."""

    run: Run
    is_shipped: bool
    """Whether it comes with the package: then its folder is in a cache, without its pictures."""
    architecture: Architecture
    color: Color
    task: Task
    table: CostTable | None
    """Table of milliseconds that its search used."""


@dataclass(frozen=True, slots=True)
class FileTarget:
    """A network in a file."""

    found: OnnxFile | WeightsFile
    model: ModelDescription
    """Its ONNX file; that of weights is made in a cache."""


@dataclass(frozen=True, slots=True)
class Targets:
    """What a benchmark compares."""

    runs: list[RunTarget]
    files: list[FileTarget]
    engines: list[Path]
    color: Color
    task: Task | None
    """What the first was made for; None if none says."""
    skipped: list[Skipped]

    @property
    def notes(self) -> list[str]:
        """Notes on the files, for the user."""
        return [note for file in self.files for note in file.model.notes]


def open_targets(paths: Sequence[Path], against: Sequence[Path]) -> Targets:
    """Read what is to be compared.

    Args:
        paths: As for :func:`clearer.zoo.found.find_model`, and engines; none: the newest run.
        against: Further files of models.

    Raises:
        InputError: If something is missing, not a network, or for pictures of another colour.
    """
    given = [*paths, *against]
    engines = [path for path in given if path.suffix.lower() == ".engine"]
    for path in (*against, *engines):
        if not path.is_file():
            raise InputError(f"{path} is not a file: give the file of a model")
    named = [None, *given] if not paths else given
    runs: list[RunTarget] = []
    files: list[FileTarget] = []
    skipped: list[Skipped] = []
    for found in [find_model(path) for path in named if path not in engines]:
        if isinstance(found, Run | ZooNetwork):
            runs.append(_open_run(found))
            continue
        try:
            files.append(FileTarget(found, read_description(onnx_file(found))))
        except ClearerError as error:
            skipped.append({"name": found.name, "backend": "", "reason": str(error)})
    if skipped and not (runs or files or engines):
        raise InputError("; ".join(entry["reason"] for entry in skipped))
    return Targets(runs, files, engines, _color(runs, files), _task(runs, files), skipped)


def _open_run(found: Run | ZooNetwork) -> RunTarget:
    is_shipped = isinstance(found, ZooNetwork)
    run = exported_network(found) if isinstance(found, ZooNetwork) else found
    settings = run.settings()
    network, _ = run.load_network()
    table = read_cost_table(run.cost) if run.cost.exists() else None
    return RunTarget(run, is_shipped, network.architecture, settings.color, settings.task, table)


def _color(runs: list[RunTarget], files: list[FileTarget]) -> Color:
    known = [(str(r.run.path), r.color) for r in runs]
    known += [(str(f.found.path), f.model.color) for f in files if f.model.io.channels is not None]
    for name, color in known:
        if color != known[0][1]:
            raise InputError(
                f"{name} is for {color} pictures, {known[0][0]} for {known[0][1]} ones: "
                "measure them apart"
            )
    return known[0][1] if known else "gray"


def agreed_task(targets: Targets, name: str | None, options: Mapping[str, str]) -> Task:
    """The task to measure: that of the runs, with the user's changes.

    Args:
        targets: What is compared.
        name: Name of another task; None for theirs.
        options: Options of the task, as a user types them.

    Raises:
        InputError: If the runs are for different tasks and the options leave open which counts.
    """
    task = change_task(targets.task, name, options)
    for target in targets.runs[1:]:
        first = targets.runs[0]
        if change_task(target.task, name, options) != task:
            raise InputError(
                f"{target.run.name} is for {target.task.text}, {first.run.name} for "
                f"{first.task.text}: say which by options like --sigma 25, or measure them apart"
            )
    return task


def _task(runs: list[RunTarget], files: list[FileTarget]) -> Task | None:
    """Task of the first run; without runs, of the first file that says it."""
    told = [target.task for target in runs]
    told += [file.model.info.task for file in files if file.model.info.task is not None]
    return told[0] if told else None


def target_images(
    folder: Path | None, targets: Targets, task: Task
) -> tuple[ImageSet, tuple[str, str]]:
    """The pictures to restore, their name, and what they were used for.

    A folder gives its ``test``, else its ``val``, else its own pictures; without a folder, the
    test pictures of the first run are used, else its validation pictures.

    Raises:
        InputError: If there is neither folder nor run, or the folder or a picture cannot be used.
    """
    if folder is not None:
        images, name = evaluation_images(folder, task, targets.color)
        return images, (name, "given by --data")
    if not targets.runs or targets.runs[0].is_shipped:
        raise InputError("give a folder of clean images, or of pairs, with --data")
    settings = targets.runs[0].run.settings()
    splits = load_splits(settings.data, settings.color, settings.seed, task)
    if len(splits.test):
        return splits.test, (splits.source, "test")
    return splits.val, (splits.source, "validation, used to select the weights")


def choose_backends(wanted: Sequence[str]) -> tuple[list[str], list[Skipped]]:
    """Backends to measure, and why others are left out.

    Args:
        wanted: Names; none: those installed that are quick to start.

    Raises:
        InputError: If a name is unknown.
    """
    for name in wanted:
        find_backend(name, measured())
    chosen: list[str] = []
    skipped: list[Skipped] = []
    for name in dict.fromkeys(wanted) or _by_default():
        reason = BACKENDS[name].absence()
        if reason is None:
            chosen.append(name)
        else:
            skipped.append({"name": name, "backend": BACKENDS[name].label, "reason": reason})
    return chosen, skipped


def _by_default() -> list[str]:
    """The backends that start quickly; compiling with torch or building an engine takes minutes."""
    found = list(BACKENDS.values())
    always = [one for one in found if one.by_default == "yes"]
    present = [one for one in found if one.by_default == "if here" and one.absence() is None]
    on_gpu = [one for one in always if one.device == "cuda"]
    return [one.name for one in (*(o for o in always if o.device == "cpu"), *present, *on_gpu)]


def make_rows(
    targets: Targets,
    backends: Sequence[str],
    task: Task,
    size: tuple[int, int],
    *,
    threads: int,
    classical: bool,
) -> tuple[list[RowSpec], list[Skipped]]:
    """All rows: ours first, then other networks, then classical methods where they apply.

    Args:
        targets: What to compare.
        backends: Names of the backends.
        task: The task, for the noise level.
        size: (height, width) of the timed images, in pixels.
        threads: Number of CPU threads.
        classical: Whether to add non-local means and, if installed, BM3D.
    """
    base = {
        "channels": 1 if targets.color == "gray" else 3,
        "height": size[0],
        "width": size[1],
        "threads": threads,
    }
    rows: list[RowSpec] = []
    skipped: list[Skipped] = []
    for target in targets.runs:
        name = f"clearer {target.architecture.label}"
        if target.is_shipped:
            name = target.run.name
        elif len(targets.runs) > 1:
            name += f" ({target.run.name})"
        rows += _run_rows(target, name, backends, base, skipped)
    for file in sorted(targets.files, key=lambda file: not file.model.is_ours):
        rows += _file_rows(file, backends, base)
    for path in targets.engines:
        for backend in _reading("engine", backends):
            rows.append(_row(path.stem, "other", backend, path, base))
    rows = [replace(row, sigma_255=task.sigma_255) if row.takes_level else row for row in rows]
    if classical and task.is_noise:
        names = {"nlm": "non-local means"}
        if importlib.util.find_spec("bm3d") is not None:
            names["bm3d"] = "BM3D"
        for backend, name in names.items():
            row = _row(name, "classical", backend, None, base)
            rows.append(replace(row, sigma_255=task.sigma_255))
    return rows, skipped


_READS: Final[dict[Files, str]] = {
    "weights": "the weights of a run, and .safetensors files",
    "onnx": "ONNX files, which clearer export makes from a run",
    "engine": "*.engine files, which clearer export makes from a run",
}


def unused_backends(
    wanted: Sequence[str], rows: Sequence[RowSpec], skipped: list[Skipped]
) -> list[Skipped]:
    """Backends that were asked for, but have no file to read."""
    known = {row.backend for row in rows} | {entry["name"] for entry in skipped}
    return [
        {
            "name": name,
            "backend": BACKENDS[name].label,
            "reason": f"there is no file for it here: it reads {_READS[files]}",
        }
        for name in wanted
        if name not in known and (files := BACKENDS[name].files) is not None
    ]


def _reading(files: Files, backends: Sequence[str]) -> list[str]:
    """Choose the backends that read such files."""
    return [name for name in backends if BACKENDS[name].files == files]


def _run_rows(
    target: RunTarget,
    name: str,
    backends: Sequence[str],
    base: dict[str, Any],
    skipped: list[Skipped],
) -> list[RowSpec]:
    run = target.run
    takes_level = target.architecture.space.level_map
    rows = [
        _row(name, "ours", backend, run.weights, base, takes_level=takes_level)
        for backend in _reading("weights", backends)
    ]
    if not run.onnx.exists():
        reason = f"{run.onnx.name} is not there: make it with clearer export {run.path}"
        skipped.append({"name": name, "backend": "ONNX Runtime", "reason": reason})
    for path in _exports(run):
        try:
            model = read_description(path)
        except ClearerError as error:
            skipped.append({"name": path.name, "backend": "", "reason": str(error)})
            continue
        ir = int8_ir(path, run.export_report)
        for row in _onnx_rows(model, name, backends, base):
            file = ir if ir is not None and row.backend == "openvino" else path
            rows.append(replace(row, path=str(file), source=file.name))
    rows += [
        _row(name, "ours", backend, path, base, takes_level=takes_level)
        for backend in _reading("engine", backends)
        for path in sorted(run.path.glob("*.engine"))
        if "image" not in path.name.split(".")
    ]
    return _with_params(rows, target.architecture)


def _with_params(rows: list[RowSpec], architecture: Architecture) -> list[RowSpec]:
    """Rows with the parameters that were trained: files hold fewer, with normalisation folded."""
    num_params = round(cost_table(architecture.space, "params").cost(architecture))
    return [replace(row, num_params=num_params) for row in rows]


def _exports(run: Run) -> list[Path]:
    """Exported files of a run that take float arrays on a CPU, fp32 first."""
    found = [p for p in run.path.glob("model*.onnx") if not _NOT_MEASURED & set(p.name.split("."))]
    return sorted(found, key=lambda path: (path != run.onnx, path))


def _file_rows(file: FileTarget, backends: Sequence[str], base: dict[str, Any]) -> list[RowSpec]:
    model = file.model
    rows = _onnx_rows(model, None, backends, base)
    if not isinstance(file.found, WeightsFile) or model.info.architecture is None:
        return rows
    of_weights = [
        _row(model.name, "ours", one, file.found.path, base, takes_level=model.io.has_level)
        for one in _reading("weights", backends)
    ]
    return _with_params([*of_weights, *rows], model.info.architecture)


def _onnx_rows(
    model: ModelDescription, name: str | None, backends: Sequence[str], base: dict[str, Any]
) -> list[RowSpec]:
    # A file with several precisions counts by its most common one.
    precision = written_precision(model.path).split(", ")[0]
    kind = "ours" if model.is_ours or name is not None else "other"
    return [
        replace(
            _row(name or model.name, kind, backend, model.path, base),
            num_params=model.num_params,
            io=model.io,
            takes_level=model.io.has_level,
        )
        for backend in _reading("onnx", backends)
        if precision in BACKENDS[backend].precisions
    ]


def _row(
    name: str,
    kind: Any,
    backend: str,
    path: Path | None,
    base: dict[str, Any],
    *,
    takes_level: bool = False,
) -> RowSpec:
    return RowSpec(
        name=name,
        kind=kind,
        backend=backend,
        path=None if path is None else str(path),
        source="" if path is None else path.name,
        takes_level=takes_level,
        **base,
    )
