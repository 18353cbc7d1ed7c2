"""Settings of a run for tests: those of ``quick``, on a CPU in fp32."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from clearer.runs.settings import PRESETS, RunSettings
from clearer.space.space import SearchSpace
from clearer.tasks.denoise import Denoise

__all__ = ["quick_run"]


def quick_run(
    space: SearchSpace, train: dict[str, Any] | None = None, **changes: Any
) -> RunSettings:
    """Settings that denoise gray pictures.

    Args:
        space: The space.
        train: Changes to the training.
        changes: Changes to the run.
    """
    quick = PRESETS["quick"]
    values: dict[str, Any] = {
        "preset": "quick",
        "task": Denoise(),
        "color": "gray",
        "data": None,
        "space": space,
        "budgets": (),
        "image_size": (64, 64),
        "strategy": "gradient",
        "num_seeds": 1,
        "search": quick.search,
        "train": replace(quick.train, **(train or {})),
        "seed": 0,
        "device": "cpu",
        "precision": "fp32",
    }
    return RunSettings(**{**values, **changes})
