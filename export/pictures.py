"""Pictures of a run that an export needs: to validate, and to calibrate int8 with."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.data.splits import sample_training
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import evaluation_pairs
from clearer.runs.settings import RunSettings
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise

__all__ = ["available_pictures", "calibration_pictures"]

_NUM_PICTURES: Final = 24
_SIDE: Final = 128
_SEED: Final = 1
"""Of their noise; that of the validation is another."""


def available_pictures(settings: RunSettings) -> tuple[Path | None, Task]:
    """The folder and the task of a run; built-in pictures, where the folder is no longer there."""
    folder, task = settings.data, settings.task
    if folder is None or folder.is_dir():
        return folder, task
    return None, Denoise() if task.pairs is not None else task


def calibration_pictures(settings: RunSettings, *, level_map: bool) -> list[NDArray[np.float32]]:
    """Middles of training pictures, degraded: ``(1, C, H, W)``, sides of at most 128.

    Args:
        settings: Of the run.
        level_map: Whether a plane with the level of the noise is added.

    Raises:
        InputError: If a picture cannot be used.
    """
    folder, task = available_pictures(settings)
    images = sample_training(folder, settings.color, settings.seed, task, _NUM_PICTURES)
    middles = ImageSet(
        images.names,
        tuple(_middle(image) for image in images.images),
        tuple(_middle(image) for image in images.degraded),
    )
    pairs = evaluation_pairs(middles, task, _SEED, level_map=level_map)
    return [degraded for degraded, _ in pairs]


def _middle(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    top, left = (max(0, side - _SIDE) // 2 for side in picture.shape[:2])
    return picture[top : top + _SIDE, left : left + _SIDE]
