"""Several trainings in a limited time on one GPU, and a short try of all of them before.

The time is shared equally. A training begins when the last validation of the one before is written:
figures that follow there need no GPU.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from check import gpu_test_words
from pieces import DATA, ROOT, Entry, clearer_environment, command, log_path
from PIL import Image

from clearer.data.datasets import DATA_SETS
from clearer.data.splits import load_splits
from clearer.runs.run import Run
from clearer.support.files import read_json, read_jsonl
from clearer.tasks.denoise import Denoise

__all__ = ["chain", "try_out"]

_LENGTHS: Final = ("iterations", "minutes", "validate-every")
_TRIED_ITERATIONS: Final = 40
_NUM_TRIED_PICTURES: Final = 12
_FOR_ALL: Final = 600.0
"""Minutes after which a process stops by itself: never, here."""
_TICK_S: Final = 0.2
_PATIENCE_S: Final = 60.0
_TOLD: Final = 1500
"""Characters of a log that are shown."""


def try_out(entries: Sequence[Entry], runs: Path, seconds: float) -> int:
    """Begin every training at once, for some iterations, beside the tests marked ``gpu``.

    That fills the compiler's cache, and shows at once what does not work. Built-in photographs
    stand for those of the entries, which may not be here yet.

    Args:
        entries: Trainings of the queue.
        runs: Folder of the runs; these are in ``try`` inside.
        seconds: What is not done by then is ended.

    Returns:
        0, or 1 if something fails.
    """
    folder, jobs = runs / "try", dict[str, subprocess.Popen[bytes]]()
    shutil.rmtree(folder, ignore_errors=True)
    # All share the cores: more threads than cores would wait for each other.
    threads = max(1, (os.cpu_count() or 1) // (len(entries) + 1))
    environment = {**clearer_environment(), "OMP_NUM_THREADS": str(threads)}
    for entry in entries:
        _write_pictures(folder / DATA / entry.data, is_paired=entry.data in DATA_SETS)
        every = str(_TRIED_ITERATIONS // 2)
        lengths = {"iterations": str(_TRIED_ITERATIONS), "validate-every": every}
        jobs[entry.name] = _start(_timed(entry, lengths), folder, environment)
    words = gpu_test_words()
    if words is not None:
        with log_path("tests", folder).open("w") as log:
            jobs["tests"] = subprocess.Popen(words, cwd=ROOT, stdout=log, stderr=log)
    _wait(lambda: all(job.poll() is not None for job in jobs.values()), seconds)
    for name, job in jobs.items():
        if job.poll() is None:
            job.kill()
        print(f"== {name}: exit code {job.wait()}")
        print(log_path(name, folder).read_text(errors="replace")[-_TOLD:], flush=True)
    return int(any(job.returncode for job in jobs.values()))


def chain(entries: Sequence[Entry], minutes: float, runs: Path, out: Path) -> int:
    """Train all, each from beginning to end in its share of the time; copy weights and logs.

    Args:
        entries: Trainings of the queue, the most important first.
        minutes: For all of them, with loading and compiling.
        runs: Folder of the runs.
        out: Folder for ``NAME.weights.safetensors`` and ``NAME.train.jsonl``.

    Returns:
        0, or 1 if a training fails.
    """
    end, start_s, code = time.monotonic() + 60 * minutes, 0.0, 0
    jobs: list[subprocess.Popen[bytes]] = []
    for index, entry in enumerate(entries):
        begun = time.monotonic()
        share = (end - begun) / (len(entries) - index)
        timed = _timed(entry, {"minutes": f"{max(share - start_s, 5.0) / 60:.3f}"})
        print(f"{entry.name}: {share:.0f} s", flush=True)
        job = _start(timed, runs, clearer_environment())
        jobs.append(job)
        run = Run(runs / entry.name)
        _wait(partial(_is_over, job, run), 2 * share + _PATIENCE_S)
        # What the first took beyond its minutes, for loading and compiling, the next will take.
        start_s = max(0.0, time.monotonic() - begun - (share - start_s))
        code |= int(bool(job.poll()) or not _is_trained(run))
        _hand_over(entry.name, runs, out)
    for job in jobs:
        job.terminate()
        job.wait()
    return code


def _is_over(job: subprocess.Popen[bytes], run: Run) -> bool:
    return job.poll() is not None or _is_trained(run)


def _timed(entry: Entry, lengths: dict[str, str]) -> Entry:
    kept = {k: v for k, v in entry.options.items() if k not in _LENGTHS}
    return replace(entry, options={**kept, **lengths})


def _start(entry: Entry, runs: Path, environment: dict[str, str]) -> subprocess.Popen[bytes]:
    runs.mkdir(parents=True, exist_ok=True)
    with log_path(entry.name, runs).open("a") as log:
        return subprocess.Popen(
            command(entry, runs, _FOR_ALL), stdout=log, stderr=log, env=environment
        )


def _wait(is_over: Callable[[], Any], seconds: float) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not is_over():
        time.sleep(_TICK_S)


def _is_trained(run: Run) -> bool:
    """Whether the last validation is written."""
    if not run.train_log.exists():
        return False
    target = read_json(run.config)["settings"]["train"]["iterations"]
    lines = read_jsonl(run.train_log)
    return any(line["iteration"] == target and "val_psnr_db" in line for line in lines)


def _hand_over(name: str, runs: Path, out: Path) -> None:
    run = Run(runs / name)
    for path in (run.weights, run.train_log):
        if path.exists():
            shutil.copyfile(path, out / f"{name}.{path.name}")
    lines = [line for line in read_jsonl(run.train_log) if "val_psnr_db" in line]
    for line in lines:
        print(f"      {line['iteration']:7,}  {line['val_psnr_db']:.3f} dB")
    if not lines:
        print(log_path(name, runs).read_text(errors="replace")[-_TOLD:])
    sys.stdout.flush()


def _write_pictures(folder: Path, *, is_paired: bool) -> None:
    """Built-in photographs, as a set for training and validation."""
    images = load_splits(None, "rgb", 0, Denoise()).train.images[:_NUM_TRIED_PICTURES]
    for index, image in enumerate(images):
        split = folder / ("val" if index < 2 else "train")
        split.mkdir(parents=True, exist_ok=True)
        picture = np.concatenate([image, image], axis=1) if is_paired else image
        Image.fromarray(picture).save(split / f"{index}.png")
