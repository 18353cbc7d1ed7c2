"""Exports a run: files, each checked before it is put in place, and a report of the checks."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final

import torch

from clearer import __version__
from clearer.costs.cost import cost_table
from clearer.errors import ClearerError, InputError, Interrupted
from clearer.export.artefact import (
    Artefact,
)
from clearer.export.artefacts import ExportSettings, Listener, make_artefacts
from clearer.export.export_record import ExportRecord, FileRecord
from clearer.export.file_budgets import check_first_file, file_budgets
from clearer.export.parity import Check, check_artefact, make_reference
from clearer.networks.network import RestorationNet
from clearer.runs.run import Run
from clearer.space.space import Architecture
from clearer.support.files import read_json, write_atomic, write_json
from clearer.support.schema import checked
from clearer.tasks.registry import task_to_dict

__all__ = ["ExportFailed", "check_level", "export_run"]

_SCHEMA_VERSION: Final = 2


class ExportFailed(ClearerError):  # noqa: N818 - as its siblings
    """A file failed its check; those that passed are in place.

    Args:
        report: The content of ``export.json``.
    """

    def __init__(self, report: ExportRecord) -> None:
        self.report = report
        failed = [row for row in report["files"] if not row["check"]["passed"]]
        row = failed[0]
        kept = f"kept as {row['kept_as']}" if row["kept_as"] else "not written (--force keeps it)"
        more = f"; {len(failed) - 1} more failed" if len(failed) > 1 else ""
        super().__init__(f"{row['file']} failed: {row['check']['failure']}; {kept}{more}")


def export_run(
    run: Run, settings: ExportSettings, listener: Listener = lambda what: None
) -> ExportRecord:
    """Write the files of a run, one by one, and ``export.json``.

    Args:
        run: A trained run or, with ``is_untrained``, any run with an architecture.
        settings: What to make.
        listener: Called with a line on each step.

    Returns:
        The content of ``export.json``.

    Raises:
        InputError: If the run has no weights, or its pictures cannot be used.
        ExportFailed: If a file differs from torch; the others are in place.
        ClearerError: If the network is over a budget of the run; then nothing is written.
        Interrupted: On Ctrl-C; files already written are complete.
    """
    network, info, weights = _load(run, settings)
    made_by = run.settings()
    check_level(network.architecture, settings)
    reference = make_reference(network, made_by, settings.sigma)
    report: ExportRecord = {
        "schema_version": _SCHEMA_VERSION,
        "clearer": __version__,
        "architecture": network.architecture.text,
        "weights_sha256": weights,
        "opset": settings.opset,
        "data": reference.source,
        "num_images": len(reference),
        "params": _params(network),
        "budgets": [],
        "files": [],
        "outdated": [],
    }
    report["files"], report["outdated"] = _earlier_files(run, weights)
    try:
        for artefact in make_artefacts(run, network, info, reference, settings, listener):
            listener(f"comparing {artefact.name} with torch")
            if artefact.name == run.onnx.name:
                check_first_file(made_by, report["params"], artefact.num_bytes)
            check = check_artefact(artefact, reference)
            _write(run, artefact, check, settings, report)
    except KeyboardInterrupt as error:
        raise Interrupted(
            f"interrupted; whole and checked in {run.path}: "
            f"{', '.join(row['file'] for row in report['files']) or 'no file yet'}"
        ) from error
    if not all(row["check"]["passed"] for row in report["files"]):
        raise ExportFailed(report)
    return report


def check_level(architecture: Architecture, settings: ExportSettings) -> None:
    """Refuse a level for a network that is given none.

    Raises:
        InputError: If so.
    """
    if settings.sigma is not None and not architecture.space.level_map:
        raise InputError(
            "--sigma is for a network with a level map, and this one has none: leave it out"
        )


def _load(run: Run, settings: ExportSettings) -> tuple[RestorationNet, dict[str, Any], str | None]:
    """The network, the information saved with its weights, and their hash."""
    if not settings.is_untrained:
        if not run.weights.exists():
            run.read_architecture()  # raises if the search has not finished
            raise InputError(
                f"{run.path} has no weights: train it with clearer train {run.path}, or export "
                "those that a training would start from with --untrained"
            )
        network, info = run.load_network()
        return network, info, hashlib.sha256(run.weights.read_bytes()).hexdigest()
    if run.weights.exists():
        raise InputError(f"{run.path} has been trained: leave out --untrained")
    architecture, made_by = run.read_architecture(), run.settings()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(made_by.seed)
        network = RestorationNet(architecture).eval()
    task = made_by.task
    return network, {"task": task_to_dict(task), "protocol": task.protocol}, None


def _params(network: RestorationNet) -> float:
    return cost_table(network.architecture.space, "params").cost(network.architecture)


def _write(
    run: Run, artefact: Artefact, check: Check, settings: ExportSettings, report: ExportRecord
) -> None:
    """Put the files in place, or aside if they failed, and update ``export.json``."""
    has_passed = check.failure is None
    names = {name: name if has_passed else _failed_name(name) for name in artefact.files}
    if has_passed or settings.keeps_failed:
        # The main file comes last: with it the artefact is complete.
        for name, data in reversed(list(artefact.files.items())):
            write_atomic(run.path / names[name], data)
    if has_passed:
        report["outdated"] = [name for name in report["outdated"] if name != artefact.name]
    row: FileRecord = {
        "file": artefact.name,
        "kept_as": names[artefact.name] if not has_passed and settings.keeps_failed else None,
        "precision": artefact.precision,
        "io": artefact.io,
        "shape": None if artefact.shape is None else list(artefact.shape),
        "bytes": artefact.num_bytes,
        "sha256": {name: _sha256(data) for name, data in artefact.files.items()},
        "check": check.to_dict(),
    }
    if artefact.quantization is not None:
        row["quantization"] = artefact.quantization
    others = [other for other in report["files"] if other["file"] != artefact.name]
    report["files"] = [*others, row]
    report["budgets"] = file_budgets(run.settings(), report["params"], report["files"])
    write_json(run.export_report, report)


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _failed_name(name: str) -> str:
    """``model.fp16.onnx`` becomes ``model.fp16.failed.onnx``."""
    path = Path(name)
    return f"{path.stem}.failed{path.suffix}"


def _earlier_files(run: Run, weights: str | None) -> tuple[list[FileRecord], list[str]]:
    """Rows of an earlier export that are still valid, and names of files of other weights."""
    try:
        earlier: ExportRecord = read_json(run.export_report)
        checked(earlier, ExportRecord, run.export_report)
    except InputError:  # none, or damaged: this export writes a new one
        return [], []
    if earlier["schema_version"] != _SCHEMA_VERSION:
        return [], []
    rows = [row for row in earlier["files"] if row["check"]["passed"] and _is_there(run, row)]
    is_same = earlier["weights_sha256"] == weights
    return (rows, []) if is_same else ([], [row["file"] for row in rows])


def _is_there(run: Run, row: FileRecord) -> bool:
    paths = {run.path / name: digest for name, digest in row["sha256"].items()}
    return all(p.is_file() and _sha256(p.read_bytes()) == h for p, h in paths.items())
