"""Quality and latency of networks, measured in interleaved rounds."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

import torch

from clearer.api.watch import SILENT, Watch
from clearer.bench.bench import BenchSettings, bench
from clearer.bench.report import write_report
from clearer.bench.report_record import BenchReport
from clearer.bench.targets import Targets, agreed_task, open_targets, target_images
from clearer.data.datasets import resolve_data
from clearer.errors import InputError, Interrupted
from clearer.planning.request_checks import check_size
from clearer.runs.run_lock import lock_run
from clearer.support.files import as_path
from clearer.tasks.registry import as_typed

__all__ = ["Benchmark", "benchmark"]

_FOLDER: Final = Path("bench")


@dataclass(frozen=True, slots=True)
class Benchmark:
    """The results of a benchmark, and where they were written."""

    report: BenchReport
    """The content of ``bench.json``."""
    folder: Path
    """Folder of the files."""
    files: tuple[str, ...]
    """Names of the files; crops of pictures are in the same folder."""
    targets: Targets
    """The networks that were compared."""


def benchmark(
    models: Sequence[str | PathLike[str]] = (),
    *,
    data: str | PathLike[str] | None = None,
    task: str | None = None,
    task_options: Mapping[str, object] | None = None,
    against: Sequence[str | PathLike[str]] = (),
    backends: Sequence[str] = (),
    classical: bool = True,
    size: tuple[int, int] = (256, 256),
    num_rounds: int | None = None,
    max_seconds: float = 10.0,
    batch: int = 4,
    threads: int | None = None,
    cores: Sequence[int] | None = None,
    out: str | PathLike[str] | None = None,
    html: bool = False,
    command: Sequence[str] = (),
    watch: Watch = SILENT,
) -> Benchmark:
    """Measure PSNR and milliseconds per image: ``clearer bench``.

    Args:
        models: Run folders, model files (``.safetensors``, ``.onnx``, ``.engine``) and names of
            networks that come with clearer; none: the newest run.
        data: Folder of pictures (its ``test`` or ``val``, or itself), or data set; None: the run's.
        task: The degradation, by name; None: the task of the run.
        task_options: Options of the task by name, such as ``{"sigma": 25}``.
        against: Further model files.
        backends: Names as for ``--backend``; none: those installed that are quick to start.
        classical: Whether to measure non-local means and BM3D if the task is noise.
        size: (height, width) of the timed images, in pixels.
        num_rounds: Timed calls per row; None: 100, and at least 3 seconds in all.
        max_seconds: Time limit per row, in seconds.
        batch: Batch size for the throughput; 0: not measured.
        threads: CPU threads per call; None: torch's.
        cores: CPU cores to pin the process to while it measures, for steadier times.
        out: Folder for the results; None: the run's, or ``bench/`` without a run.
        html: Also write ``report.html``.
        command: Command line, for the report.
        watch: Receives messages and progress.

    Raises:
        InputError: If models or pictures cannot be used, or a value is out of range.
        ClearerError: If nothing can be measured, or another process writes the run.
        Interrupted: On Ctrl-C; nothing is written then.
    """
    check_size(size)
    with _pinned(cores) as pinned, contextlib.ExitStack() as locks:
        settings = BenchSettings(
            height=size[0],
            width=size[1],
            backends=tuple(backends),
            classical=classical,
            num_rounds=num_rounds,
            max_seconds=max_seconds,
            batch=batch,
            threads=_num_threads(threads, pinned),
            pinned_cores=pinned,
            command=tuple(command),
        )
        with watch.status("reading the models"):
            targets = open_targets([*map(Path, models)], [*map(Path, against)])
        for note in targets.notes:
            watch.say(note)
        options = as_typed(task_options)
        what = agreed_task(targets, task, options)
        images, about = target_images(resolve_data(as_path(data)), targets, what)
        run = targets.runs[0].run if targets.runs else None
        is_own = run is not None and not targets.runs[0].is_shipped
        folder = as_path(out) or (run.path if run is not None and is_own else _FOLDER)
        if run is not None and folder == run.path:
            locks.enter_context(lock_run(run.path))
        try:
            with watch.steps("loading") as listener:
                report = bench(targets, what, images, about, folder, settings, listener)
            for note in report["notes"][len(targets.notes) :]:
                watch.say(note)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted: no bench.json was written") from error
        files = ["bench.json", "bench.png", "restored.png"]
        if html:
            with watch.status("writing the report"):
                write_report(folder / "report.html", report, run)
            files.append("report.html")
    return Benchmark(report, folder, tuple(files), targets)


@contextlib.contextmanager
def _pinned(wanted: Sequence[int] | None) -> Iterator[tuple[int, ...] | None]:
    """Pin this process, and all threads that it starts, to some cores inside the context."""
    if wanted is None:
        yield None
        return
    if not hasattr(os, "sched_setaffinity"):
        raise InputError("--pin: this system cannot bind a process to cores; leave it out")
    cores, usable = set(wanted), os.sched_getaffinity(0)
    if not cores <= usable:
        text, known = (",".join(map(str, sorted(each))) for each in (cores, usable))
        raise InputError(f"--pin {text}: the cores of this process are {known.replace(',', ', ')}")
    os.sched_setaffinity(0, cores)
    try:
        yield tuple(sorted(cores))
    finally:
        os.sched_setaffinity(0, usable)


def _num_threads(wanted: int | None, cores: tuple[int, ...] | None) -> int:
    if cores is None:
        return wanted or torch.get_num_threads()
    if wanted is not None and wanted > len(cores):
        raise InputError(
            f"--threads {wanted} on {len(cores)} core(s) of --pin: give at most one per core"
        )
    return wanted or min(torch.get_num_threads(), len(cores))
