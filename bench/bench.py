"""PSNR against milliseconds per image, over models and backends, in one run."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from clearer import __version__
from clearer.bench.evaluation import evaluation_images
from clearer.bench.measure import latency_ms, summary
from clearer.bench.plots import plot_frontier, plot_strip
from clearer.bench.runners import NonLocalMeansRunner, OnnxRunner, Runner, TorchRunner
from clearer.data import load_splits
from clearer.device import device_name
from clearer.evaluate import VALIDATION_SEED, check_evaluation_size, evaluate, evaluation_pairs
from clearer.files import write_json
from clearer.images import Color, ImageSet
from clearer.metrics import psnr_db, ssim
from clearer.network import load_network
from clearer.run import Run
from clearer.tasks import Task

__all__ = ["BenchSettings", "bench_images", "bench_run", "reference_qualities"]

_SCHEMA_VERSION: Final = 1
Listener = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class BenchSettings:
    """What to measure, and how long."""

    data: Path | None = None
    """Pictures to restore; None for those of the run."""
    against: tuple[Path, ...] = ()
    """Further ONNX files."""
    height: int = 256
    width: int = 256
    """Size of the images that are timed."""
    num_runs: int = 100
    max_seconds: float = 10.0
    """Time per row, after which it is timed no more."""


def bench_images(folder: Path | None, run: Run) -> tuple[ImageSet, str]:
    """The pictures to restore and a name for them, with what they were used for.

    A folder gives its ``test``, else its ``val``, else its own pictures; without a folder, the
    test pictures of the run are taken, else its validation pictures.

    Raises:
        InputError: If the folder or a picture cannot be used.
    """
    settings = run.settings()
    if folder is None:
        splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
        if len(splits.test):
            return splits.test, f"{splits.source}, test"
        return splits.val, f"{splits.source}, validation (used to select the weights)"
    return evaluation_images(folder, settings.task, settings.color)


def bench_run(run: Run, settings: BenchSettings, listener: Listener) -> dict[str, Any]:
    """Measure a run's network, its exports, classical denoising and other models.

    Writes ``bench.json``, ``bench.png`` (PSNR against time) and ``restored.png`` into the run.

    Args:
        run: A trained run.
        settings: What to measure.
        listener: Called with (what, done, total).

    Returns:
        The content of ``bench.json``.

    Raises:
        InputError: If there is no trained network, or a file or folder cannot be used.
    """
    run_settings = run.settings()
    task = run_settings.task
    images, data_name = bench_images(settings.data, run)
    check_evaluation_size(images, task)
    runners, skipped = _runners(run, settings, run_settings.color, task)
    qualities = []
    for done, runner in enumerate(runners):
        listener(f"restoring with {runner.info.name}", done, len(runners))
        qualities.append(evaluate(runner, images, task, VALIDATION_SEED))
    channels = images.images[0].shape[2]
    times = latency_ms(
        runners,
        (1, channels, settings.height, settings.width),
        num_runs=settings.num_runs,
        max_seconds=settings.max_seconds,
        listener=lambda done, total: listener("timing", done, total),
    )
    rows = [
        {
            **asdict(runner.info),
            "psnr_db": quality.psnr_db,
            "ssim": quality.ssim,
            **summary(row_times),
            "times_ms": [round(value, 4) for value in row_times],
        }
        for runner, quality, row_times in zip(runners, qualities, times, strict=True)
    ]
    report = {
        "schema_version": _SCHEMA_VERSION,
        "clearer": __version__,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": device_name("cpu"),
        "task": task.text,
        "protocol": task.protocol,
        "data": data_name,
        "num_images": len(images),
        "noise_seed": VALIDATION_SEED,
        "timed_shape": [1, channels, settings.height, settings.width],
        "input": _input_quality(images, task),
        "rows": rows,
        "skipped": skipped,
    }
    write_json(run.bench_report, report)
    plot_frontier(run.path / "bench.png", report)
    plot_strip(run.path / "restored.png", images, task, runners, VALIDATION_SEED)
    return report


def _runners(
    run: Run, settings: BenchSettings, color: Color, task: Task
) -> tuple[list[Runner], list[str]]:
    network, _ = load_network(run.weights)
    channels = 1 if color == "gray" else 3
    text = network.architecture.text
    runners: list[Runner] = [TorchRunner(f"clearer {text}", network)]
    skipped = []
    if run.onnx.exists():
        runners.append(OnnxRunner(f"clearer {text}", run.onnx, channels))
    else:
        skipped.append(f"{run.onnx.name} is not there: make it with clearer export")
    if task.is_noise:
        runners.append(NonLocalMeansRunner(task.sigma_255))
    runners += [OnnxRunner(path.stem, path, channels) for path in settings.against]
    return runners, skipped


def reference_qualities(images: ImageSet, task: Task) -> dict[str, dict[str, float]]:
    """PSNR and SSIM of the degraded images and, for noise, of non-local means."""
    rows = {"input": _input_quality(images, task)}
    if task.is_noise:
        classical = NonLocalMeansRunner(task.sigma_255)
        quality = evaluate(classical, images, task, VALIDATION_SEED)
        rows[classical.info.name] = {"psnr_db": quality.psnr_db, "ssim": quality.ssim}
    return rows


def _input_quality(images: ImageSet, task: Task) -> dict[str, float]:
    """Of the degraded images as they are, not clipped."""
    pairs = list(evaluation_pairs(images, task, VALIDATION_SEED))
    return {
        "psnr_db": math.fsum(psnr_db(noisy, clean) for noisy, clean in pairs) / len(pairs),
        "ssim": math.fsum(ssim(noisy[0], clean[0]) for noisy, clean in pairs) / len(pairs),
    }
