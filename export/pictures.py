"""Pictures of a run for an export: to validate, and to calibrate int8."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.data.splits import sample_training
from clearer.restoring.evaluate import evaluation_pairs
from clearer.runs.settings import RunSettings
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise

__all__ = ["available_pictures", "calibration_pictures"]

_NUM_PICTURES: Final = 24
_SIDE: Final = 128
_SEED: Final = 1
"""Seed of their noise, other than that of the validation."""


def available_pictures(settings: RunSettings) -> tuple[Path | None, Task]:
    """The folder and task of a run; None (built-in pictures) if the folder is gone."""
    folder, task = settings.data, settings.task
    if folder is None or folder.is_dir():
        return folder, task
    return None, Denoise() if task.pairs is not None else task


def calibration_pictures(settings: RunSettings, *, level_map: bool) -> list[NDArray[np.float32]]:
    """Centre crops of training pictures, degraded: ``(1, C, H, W)``, sides of at most 128.

    Args:
        settings: Settings of the run.
        level_map: Whether to add a plane with the noise level.

    Raises:
        InputError: If a picture cannot be used.
    """
    folder, task = available_pictures(settings)
    images = sample_training(folder, settings.color, settings.seed, task, _NUM_PICTURES)
    pairs = evaluation_pairs(images.middles(_SIDE), task, _SEED, level_map=level_map)
    return [degraded for degraded, _ in pairs]
