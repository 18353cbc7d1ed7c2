"""Measures PSNR and milliseconds per image, over models and backends, in one run."""

from __future__ import annotations

import hashlib
import platform
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final

import torch

from clearer import __version__
from clearer.bench.accuracy import (
    Accuracy,
    difference,
    input_accuracy,
    measure_accuracy,
)
from clearer.bench.backends import BACKENDS
from clearer.bench.int8_loss import Measured, int8_losses
from clearer.bench.level_runner import without_estimates
from clearer.bench.measure import (
    WARM_UP,
    Timings,
    images_per_second,
    judge_noise,
    ratio_interval,
    summary,
    time_rounds,
    warm_up,
)
from clearer.bench.memory import peak_memory_mb
from clearer.bench.pareto import Point, on_front
from clearer.bench.plots import Example, plot_frontier, plot_strip, require_matplotlib
from clearer.bench.report_record import (
    AboutRecord,
    BenchReport,
    BenchRow,
    RunnerRecord,
    Skipped,
    Throughput,
)
from clearer.bench.rows import RowSpec, import_backend, open_runner
from clearer.bench.runners import Runner
from clearer.bench.strips import picked_pictures, write_strips
from clearer.bench.targets import RunTarget, Targets, choose_backends, make_rows, unused_backends
from clearer.errors import ClearerError
from clearer.export.external_data import model_digest
from clearer.export.picture_io import first_line
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, check_evaluation_size, evaluation_pairs
from clearer.support.device import device_name
from clearer.support.files import check_writable, write_json
from clearer.support.threads import computing_with
from clearer.tasks.base import Task

__all__ = ["SCHEMA_VERSION", "BenchSettings", "bench"]

SCHEMA_VERSION: Final = 2
_MODULES: Final = dict.fromkeys(found.module for found in BACKENDS.values())
_PACKAGES: Final = tuple(dict.fromkeys(("torch", "numpy", *_MODULES, "scikit-image")))
_MOST_PANELS: Final = 5
_SLOW_BATCH_SECONDS: Final = 5.0
Listener = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSettings:
    """What to measure, and for how long."""

    height: int = 256
    width: int = 256
    """Size of the timed images, in pixels."""
    backends: tuple[str, ...] = ()
    """Backends by name; none: those installed that are quick to start."""
    classical: bool = True
    """Whether to measure non-local means and BM3D if the task is noise."""
    num_rounds: int | None = None
    """Timed calls per row; None: 100, and more until the rounds have taken 3 seconds."""
    max_seconds: float = 10.0
    """Time limit per row, in seconds."""
    batch: int = 4
    """Batch size for the throughput; 0: not measured."""
    threads: int = 1
    pinned_cores: tuple[int, ...] | None = None
    """Cores that this process is pinned to, for the report."""
    command: tuple[str, ...] = ()
    """The command line, for the report."""


@dataclass(slots=True)
class _Row:
    """One row while it is being measured."""

    spec: RowSpec
    runner: Runner
    accuracy: Accuracy
    peak_memory_mb: float | None = None


def bench(
    targets: Targets,
    task: Task,
    images: ImageSet,
    data: tuple[str, str],
    out: Path,
    settings: BenchSettings,
    listener: Listener,
) -> BenchReport:
    """Measure networks in all backends, classical methods and other models.

    Writes ``bench.json`` (docs/bench-schema.md), ``bench.png`` (PSNR against time),
    ``restored.png`` and ``strips/``, all after the measurement, and figures first.

    Args:
        targets: What to compare.
        task: What degrades the pictures; their noise is the same for every row.
        images: Pictures, or pairs.
        data: Name of the pictures, and what they were used for.
        out: Folder to write to.
        settings: How to measure.
        listener: Called with (what, done, total).

    Returns:
        The content of ``bench.json``.

    Raises:
        InputError: If a picture cannot be used, or a backend is unknown.
        ClearerError: If no row is left, or matplotlib is not installed.
    """
    require_matplotlib()
    check_evaluation_size(images, task)
    backends, skipped = choose_backends(settings.backends)
    skipped = targets.skipped + skipped
    size = (settings.height, settings.width)
    specs, absent = make_rows(
        targets, backends, task, size, threads=settings.threads, classical=settings.classical
    )
    skipped += absent
    skipped += unused_backends(settings.backends, specs, skipped)
    with computing_with(settings.threads):
        rows = _open_rows(specs, images, task, settings, skipped, listener)
        if not rows:
            reasons = "; ".join(entry["reason"] for entry in skipped)
            raise ClearerError(f"nothing is left to measure: {reasons or 'there is no file'}")
        check_writable(out)
        for done, row in enumerate(rows):
            listener("measuring memory", done, len(rows))
            row.peak_memory_mb = peak_memory_mb(row.spec)
        runners = [without_estimates(row.runner) for row in rows]
        timings = time_rounds(
            runners,
            (1, rows[0].spec.channels, *size),
            num_rounds=settings.num_rounds,
            max_seconds=settings.max_seconds,
            threads=settings.threads,
            listener=lambda done, total: listener("timing", done, total),
        )
        throughputs = _throughputs(rows, timings, settings, listener)
        report: BenchReport = {
            **_about(task, data, images, targets, settings, rows),
            "noise": judge_noise(timings).to_dict(),
            "rows": _report_rows(rows, timings, throughputs, targets.runs),
            "skipped": skipped,
            "notes": [*targets.notes, *int8_losses([_measured(row) for row in rows])],
            "strips": [],
        }
        _write(out, report, rows, images, task)
        return report


def _measured(row: _Row) -> Measured:
    info = row.runner.info
    return Measured(row.spec.name, info.backend, info.precision, row.accuracy.mean_db)


def _open_rows(
    specs: list[RowSpec],
    images: ImageSet,
    task: Task,
    settings: BenchSettings,
    skipped: list[Skipped],
    listener: Listener,
) -> list[_Row]:
    """Load each row, restore all pictures with it, and warm it up at the timed size.

    If anything fails, the row is left out with the reason, and the others continue.
    """
    rows: list[_Row] = []
    known: dict[tuple[str, ...], Accuracy] = {}
    for done, spec in enumerate(specs):
        listener(f"restoring with {spec.name}, {spec.label}", done, len(specs))
        try:
            import_backend(spec)
            runner = open_runner(spec)
            key = _artefact(spec, runner)
            if key not in known:
                kept = picked_pictures(len(images))
                known[key] = measure_accuracy(runner, images, task, kept)
            shape = (1, spec.channels, spec.height, spec.width)
            warm_up(without_estimates(runner), shape, settings.max_seconds / 4)
        except Exception as error:  # each runtime has its own types
            reason = first_line(error)
            skipped.append({"name": spec.name, "backend": spec.label, "reason": reason})
            continue
        rows.append(_Row(spec, runner, known[key]))
    return rows


def _artefact(spec: RowSpec, runner: Runner) -> tuple[str, ...]:
    """What determines the results of a row, so that the same file is not evaluated twice."""
    digest = ""
    if spec.path is not None:
        path = Path(spec.path)
        of_onnx = spec.io is not None
        digest = model_digest(path) if of_onnx else hashlib.sha256(path.read_bytes()).hexdigest()
    info = runner.info
    return digest, spec.backend, info.precision, info.provider, str(spec.io)


def _throughputs(
    rows: list[_Row], timings: Timings, settings: BenchSettings, listener: Listener
) -> list[Throughput | None]:
    """Throughput of batches; None for rows that are slow, classical or take no batches."""
    found: list[Throughput | None] = [None] * len(rows)
    medians = [summary(timing.call)["median_ms"] for timing in timings.rows]
    usable = [
        index
        for index, row in enumerate(rows)
        if row.spec.kind != "classical"
        and settings.batch * medians[index] < 1000 * min(_SLOW_BATCH_SECONDS, settings.max_seconds)
    ]
    if not settings.batch or not usable:
        return found
    listener(f"batches of {settings.batch}", 0, 1)
    first = rows[0].spec
    shape = (first.channels, first.height, first.width)
    runners = [without_estimates(rows[index].runner) for index in usable]
    speeds = images_per_second(runners, shape, settings.batch, settings.max_seconds / 4)
    for index, speed in zip(usable, speeds, strict=True):
        if isinstance(speed, float):
            found[index] = {"batch": settings.batch, "images_per_s": speed}
    return found


def _report_rows(
    rows: list[_Row],
    timings: Timings,
    throughputs: list[Throughput | None],
    runs: list[RunTarget],
) -> list[BenchRow]:
    points = [
        Point(row.accuracy.psnr_db, timing.call)
        for row, timing in zip(rows, timings.rows, strict=True)
    ]
    fronts = on_front(points)
    report: list[BenchRow] = []
    for index, (row, timing) in enumerate(zip(rows, timings.rows, strict=True)):
        spec, info = row.spec, row.runner.info.to_dict()
        gain, gain_interval = difference(points[index].psnrs_db, points[0].psnrs_db)
        ratio, ratio_95 = ratio_interval(points[index].times_ms, points[0].times_ms)
        report.append(
            {
                **info,
                "name": spec.name,
                "kind": spec.kind,
                "source": spec.source,
                "num_params": spec.num_params,
                "peak_memory_mb": row.peak_memory_mb,
                **row.accuracy.to_dict(),
                "latency": summary(timing.call),
                "end_to_end": summary(timing.picture),
                "throughput": throughputs[index],
                "predicted_ms": _predicted_ms(spec, info, runs),
                "versus_first": {
                    "psnr_db": gain,
                    "psnr_db_interval_95": gain_interval,
                    "time_ratio": ratio,
                    "time_ratio_interval_95": ratio_95,
                },
                "on_front": fronts[index],
            }
        )
    return report


def _predicted_ms(spec: RowSpec, info: RunnerRecord, runs: list[RunTarget]) -> float | None:
    """Latency by the cost table of a row's run, if that is for this device, backend and size."""
    target = next((r for r in runs if spec.path and Path(spec.path).parent == r.run.path), None)
    table = None if target is None else target.table
    if target is None or table is None or table.measurement is None:
        return None
    m = table.measurement
    backend = BACKENDS[spec.backend].table if spec.backend in BACKENDS else ""
    here = (backend, info["precision"], spec.threads, spec.height, spec.width, device_name("cpu"))
    if here != (m.backend, m.precision, m.threads, m.height, m.width, m.device):
        return None
    return table.cost(target.architecture) if m.space == target.architecture.space else None


def _about(
    task: Task,
    data: tuple[str, str],
    images: ImageSet,
    targets: Targets,
    settings: BenchSettings,
    rows: list[_Row],
) -> AboutRecord:
    """The conditions under which the figures of a report were measured."""
    return {
        "schema_version": SCHEMA_VERSION,
        "clearer": __version__,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "command": list(settings.command),
        "environment": {
            "device": device_name("cpu"),
            "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
            "os": platform.platform(),
            "python": platform.python_version(),
            "packages": {name: _version(name) for name in _PACKAGES},
            "threads": settings.threads,
            "pinned_cores": None if settings.pinned_cores is None else list(settings.pinned_cores),
        },
        "task": task.text,
        "protocol": task.protocol,
        "color": targets.color,
        "data": data[0],
        "data_use": data[1],
        "num_images": len(images),
        "noise_seed": VALIDATION_SEED,
        "timed_shape": [1, rows[0].spec.channels, settings.height, settings.width],
        "num_rounds": settings.num_rounds,
        "warm_up": WARM_UP,
        "input": input_accuracy(images, task),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _write(out: Path, report: BenchReport, rows: list[_Row], images: ImageSet, task: Task) -> None:
    """Write the report before the pictures, which may fill the disk, then add their names to it."""
    write_json(out / "bench.json", report)
    shown: dict[str, Accuracy] = {}
    for row in rows:
        # A network's results look the same in every backend: its first row represents it.
        if len(shown) < _MOST_PANELS:
            shown.setdefault(row.spec.name, row.accuracy)
    report["strips"] = write_strips(out, images, task, shown)
    plot_frontier(out / "bench.png", report)
    degraded, clean = next(evaluation_pairs(images, task, VALIDATION_SEED))
    restored = rows[0].accuracy.restored[0]
    plot_strip(
        out / "restored.png",
        Example(images.names[0], degraded[0], restored, clean[0]),
        f"{rows[0].spec.name}; {task.text}",
    )
    write_json(out / "bench.json", report)
