"""Quality on pictures that it was measured on before, for trainings that follow each other."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict

from clearer import __version__
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, Quality
from clearer.support.machine_cache import read_measured, remember
from clearer.tasks.base import Task
from clearer.tasks.registry import task_to_dict

__all__ = ["known_quality"]

_CACHE = "quality"


def known_quality(
    restorer: str, images: ImageSet, task: Task, measure: Callable[[], Quality]
) -> Quality:
    """Mean quality of a restorer on pictures, remembered per machine.

    Args:
        restorer: Says what restores, and in which version.
        images: Pictures, or pairs.
        task: What degrades; the noise is that of every validation.
        measure: Called if it is not known yet.
    """
    degraded = f"{task_to_dict(task)}, noise seed {VALIDATION_SEED}, clearer {__version__}"
    key = f"{restorer}; pictures {images.sha256()}; {degraded}"
    known = read_measured(_CACHE, Quality).get(key)
    if known is None:
        known = measure()
        if math.isfinite(known.psnr_db):  # JSON holds no other numbers
            remember(_CACHE, key, asdict(known))
    return known
