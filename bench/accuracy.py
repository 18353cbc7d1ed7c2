"""PSNR and SSIM of the rows of a benchmark, and the confidence in their differences."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from importlib import metadata
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.bench.evaluation import bootstrap_interval
from clearer.bench.known_quality import known_quality
from clearer.bench.report_record import AccuracyRecord, MeanRecord
from clearer.bench.runners import Array, NonLocalMeansRunner, Runner
from clearer.errors import ClearerError, InputError
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, Quality, evaluate, evaluation_pairs
from clearer.restoring.metrics import psnr_db, ssim
from clearer.tasks.base import Task

__all__ = [
    "SAME_PSNR_DB",
    "Accuracy",
    "difference",
    "input_accuracy",
    "measure_accuracy",
    "reference_qualities",
]

SAME_PSNR_DB: Final = 0.005
"""Smaller differences of the mean do not show with two decimals: they count as none."""


@dataclass(frozen=True, slots=True)
class Accuracy:
    """Figures per picture of a set."""

    names: tuple[str, ...]
    psnr_db: NDArray[np.float64]
    ssim: NDArray[np.float64]
    restored: dict[int, Array]
    """The restored pictures that were to be kept, ``(C, H, W)``, by index."""

    @property
    def mean_db(self) -> float:
        """Mean PSNR in dB."""
        return float(self.psnr_db.mean())

    def to_dict(self) -> AccuracyRecord:
        """Means, the 95 % interval of PSNR over pictures (None for one picture), and all values."""
        return {
            "psnr_db": self.mean_db,
            "ssim": float(self.ssim.mean()),
            "psnr_db_interval_95": _interval(self.psnr_db),
            "images": [
                {"image": name, "psnr_db": float(p), "ssim": float(s)}
                for name, p, s in zip(self.names, self.psnr_db, self.ssim, strict=True)
            ],
        }


def measure_accuracy(
    runner: Runner, images: ImageSet, task: Task, keep: Collection[int] = ()
) -> Accuracy:
    """Restore every picture, clip to [0, 1], and compare with the clean one.

    Args:
        runner: The restorer.
        images: Pictures, or pairs.
        task: What degrades; the noise of a picture is the same for every runner.
        keep: Indices of the pictures whose restored form is kept.

    Raises:
        InputError: If a result has another size, or is not finite.
    """
    figures, kept = [], {}
    for index, (degraded, clean) in enumerate(evaluation_pairs(images, task, VALIDATION_SEED)):
        restored = runner(degraded)
        if restored.shape != degraded.shape:
            raise InputError(f"gives {restored.shape} for an input of {degraded.shape}")
        if not np.isfinite(restored).all():
            raise InputError(f"gives NaN or infinite values for {images.names[index]}")
        restored = restored.clip(0, 1)
        figures.append((psnr_db(restored, clean), ssim(restored[0], clean[0])))
        if index in keep:
            kept[index] = restored[0]
    columns = np.array(figures).T
    return Accuracy(images.names, columns[0], columns[1], kept)


def input_accuracy(images: ImageSet, task: Task) -> MeanRecord:
    """Figures of the degraded pictures, not clipped."""
    pairs = list(evaluation_pairs(images, task, VALIDATION_SEED))
    psnrs = np.array([psnr_db(degraded, clean) for degraded, clean in pairs])
    ssims = np.array([ssim(degraded[0], clean[0]) for degraded, clean in pairs])
    figures = Accuracy(images.names, psnrs, ssims, {}).to_dict()
    return {
        "psnr_db": figures["psnr_db"],
        "ssim": figures["ssim"],
        "psnr_db_interval_95": figures["psnr_db_interval_95"],
    }


def _interval(values: NDArray[np.float64]) -> tuple[float, float] | None:
    if len(values) < 2 or not np.isfinite(values).all():
        return None
    return bootstrap_interval(values)


def difference(
    psnrs_db: NDArray[np.float64], to_db: NDArray[np.float64]
) -> tuple[float, tuple[float, float] | None]:
    """Mean difference of PSNR in dB, and its 95 % interval, paired over pictures.

    The interval is None for one picture.
    """
    return float(psnrs_db.mean() - to_db.mean()), _interval(psnrs_db - to_db)


def reference_qualities(
    images: ImageSet, task: Task, say: Callable[[str], None]
) -> dict[str, dict[str, float]]:
    """PSNR and SSIM of the degraded images and, for noise, of non-local means.

    Args:
        images: Pictures, or pairs.
        task: What degrades.
        say: Called with the reason if non-local means are left out for lack of a package.
    """

    def given() -> Quality:
        figures = input_accuracy(images, task)
        return Quality(figures["psnr_db"], figures["ssim"])

    def classical() -> Quality:
        return evaluate(NonLocalMeansRunner(task.sigma_255), images, task, VALIDATION_SEED)

    version = f"scikit-image {metadata.version('scikit-image')}"
    rows = {"input": known_quality(f"none, {version}", images, task, given)}
    if task.is_noise:
        name = NonLocalMeansRunner.name
        try:
            rows[name] = known_quality(f"{name}, {version}", images, task, classical)
        except ClearerError as error:
            say(f"{name} are left out: {error}")
    return {name: asdict(quality) for name, quality in rows.items()}
