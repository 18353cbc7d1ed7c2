"""The runs in a folder, and a summary of each from its files, without opening a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from clearer.errors import InputError
from clearer.runs.run_lock import is_held
from clearer.runs.run_records import ConfigRecord, DecisionRecord
from clearer.space.space import Architecture
from clearer.support.files import read_json, read_jsonl, read_record
from clearer.tasks.registry import task_from_dict

__all__ = ["RUNS", "TIME_FORMAT", "RunSummary", "run_folders", "summarize"]

RUNS: Final = Path("runs")
"""Where runs are made and looked for by default."""
TIME_FORMAT: Final = "%Y-%m-%dT%H:%M:%S%z"
"""Format of the start time in ``config.json``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """What a run is, and how far it is."""

    name: str
    folder: str
    is_newest: bool
    """Whether commands without a run use this one."""
    started: str | None
    """Start time in ISO 8601 format."""
    task: str | None
    color: str | None
    budgets: dict[str, float]
    """Limits by metric: ``mb``, ``ms``, ``gmacs``, ``params``."""
    architecture: str | None
    mb: float | None
    """Size of the exported file, or as the search measured it, in the budget's precision."""
    ms: float | None
    """Latency per image of its fastest file in ``bench.json``, or as the search measured it."""
    psnr_db: float | None
    """Best PSNR on the validation images."""
    state: str
    """``search``, ``searched``, ``training``, ``trained``, ``exported``, ``measured`` or
    ``damaged``."""
    share: float | None
    """Share of the training that is done."""
    is_running: bool
    """Whether a command is working in it."""
    problem: str | None
    """What is damaged."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)


def run_folders(parent: Path = RUNS) -> list[Path]:
    """Folders of the runs in a folder, the latest start first."""
    configs = sorted(parent.glob("*/config.json"), key=_started, reverse=True)
    return [config.parent for config in configs]


def summarize(folder: Path, *, is_newest: bool) -> RunSummary:
    """Summarise a run; what cannot be read is named in ``problem`` and left out."""
    known: dict[str, Any] = {
        "started": None,
        "task": None,
        "color": None,
        "budgets": {},
        "architecture": None,
        "mb": None,
        "ms": None,
        "psnr_db": None,
        "state": "search",
        "share": None,
        "problem": None,
    }
    try:
        config = read_record(folder / "config.json", ConfigRecord)
        known |= _settings(config)
        if (folder / "architecture.json").exists():
            known |= _decision(folder)
            known |= _training(folder, config)
            known |= _files(folder, config["settings"].get("budget_precision", "fp32"))
    except (InputError, KeyError, TypeError, ValueError, AttributeError) as error:
        known |= {"state": "damaged", "problem": str(error) or type(error).__name__}
    return RunSummary(
        name=folder.name,
        folder=str(folder),
        is_newest=is_newest,
        is_running=is_held(folder),
        **known,
    )


def _settings(config: ConfigRecord) -> dict[str, Any]:
    settings = config["settings"]
    task = task_from_dict(settings["task"])
    return {
        "started": (config.get("environment") or {}).get("started"),
        "task": task.text.removesuffix(f", protocol {task.protocol}"),
        "color": settings["color"],
        "budgets": {budget["metric"]: budget["limit"] for budget in settings["budgets"]},
    }


def _decision(folder: Path) -> dict[str, Any]:
    decision = read_record(folder / "architecture.json", DecisionRecord)
    measured = {b["metric"]: b["measured"] for b in decision.get("budgets", [])}
    sizes: dict[str, float] = dict(decision.get("sizes_mb", {}))  # type: ignore[arg-type]
    return {
        "state": "searched",
        "architecture": Architecture.from_dict(decision).label,
        "mb": sizes.get(decision.get("budget_precision", "fp32"), measured.get("mb")),
        "ms": measured.get("ms"),
    }


def _training(folder: Path, config: ConfigRecord) -> dict[str, Any]:
    lines = read_jsonl(folder / "train.jsonl")
    if not lines:
        return {}
    validations = [line["val_psnr_db"] for line in lines if line.get("val_psnr_db") is not None]
    share = lines[-1]["iteration"] / config["settings"]["train"]["iterations"]
    return {
        "psnr_db": max(validations, default=None),
        "share": share,
        "state": "trained" if share >= 1 else "training",
    }


def _files(folder: Path, precision: str) -> dict[str, Any]:
    """Size of the exported file, and latency of the fastest one."""
    export, bench = folder / "export.json", folder / "bench.json"
    if not (folder / "model.onnx").exists() or not export.exists():
        return {}
    sizes = {file["file"]: file["bytes"] for file in read_json(export)["files"]}
    known: dict[str, Any] = {"state": "exported"}
    meant = "model.onnx" if precision == "fp32" else f"model.{precision}.onnx"
    if meant in sizes:
        known["mb"] = sizes[meant] / 1e6
    if bench.exists():
        times = [
            row["latency"]["median_ms"]
            for row in read_json(bench)["rows"]
            # Networks of other runs may be in the table: their files tell them apart.
            if row["source"] in sizes and sizes[row["source"]] == row["file_bytes"]
        ]
        known |= {"state": "measured", **({"ms": min(times)} if times else {})}
    return known


def _started(config: Path) -> tuple[float, float]:
    """Sort key by start time, which names do not give."""
    try:
        text = read_json(config)["environment"]["started"]
        return datetime.strptime(text, TIME_FORMAT).timestamp(), config.stat().st_mtime
    except (InputError, KeyError, TypeError, ValueError, OverflowError):
        return config.stat().st_mtime, 0.0
    except OSError:  # removed since it was found
        return 0.0, 0.0
