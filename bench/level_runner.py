"""Makes a network with a level map a runner, which takes only pictures."""

from __future__ import annotations

from typing import Final

import numpy as np

from clearer.bench.runners import Array, Runner, RunnerInfo
from clearer.networks.level_map import with_level
from clearer.restoring.noise_level import estimate_level

__all__ = ["LevelRunner", "at_level", "without_estimates"]

_TIMED_SIGMA_255: Final = 25.0


class LevelRunner:
    """Adds the noise level to each picture.

    Args:
        runner: A network with a level map.
        sigma_255: The true level, scale 0 to 255; None: estimated from each picture.
    """

    def __init__(self, runner: Runner, sigma_255: float | None) -> None:
        self._runner = runner
        self._level = None if sigma_255 is None else sigma_255 / 255

    @property
    def info(self) -> RunnerInfo:
        """What computes, and how."""
        return self._runner.info

    def told(self) -> LevelRunner:
        """The same network at a fixed level."""
        return LevelRunner(self._runner, _TIMED_SIGMA_255)

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch ``(N, C, H, W)``."""
        levels = [self._level_of(picture) for picture in degraded]
        given = [
            with_level(picture[None], level)
            for picture, level in zip(degraded, levels, strict=True)
        ]
        return self._runner(np.concatenate(given))

    def _level_of(self, picture: Array) -> float:
        if self._level is not None:
            return self._level
        return estimate_level(picture.transpose(1, 2, 0))


def at_level(runner: Runner, sigma_255: float | None, *, has_level: bool) -> Runner:
    """A runner that takes only pictures: one with a level map gets the level as above."""
    return LevelRunner(runner, sigma_255) if has_level else runner


def without_estimates(runner: Runner) -> Runner:
    """What is timed: a network takes as long at any level, and finding that is no work of it."""
    return runner.told() if isinstance(runner, LevelRunner) else runner
