from __future__ import annotations

import numpy as np
import pytest

from clearer.bench import level_runner
from clearer.bench.level_runner import LevelRunner, without_estimates
from clearer.bench.runners import Array, NonLocalMeansRunner, RunnerInfo


class Levels:
    """Gives the level that it is told."""

    info = RunnerInfo(name="levels", backend="none", version="1", precision="fp32", threads=1)

    def __call__(self, degraded: Array) -> Array:
        return degraded[:, -1:]


def test_an_estimate_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = np.random.default_rng(0).normal(0.5, 0.1, (1, 1, 64, 64)).astype(np.float32)
    runner = LevelRunner(Levels(), None)
    assert runner(noisy).mean() == pytest.approx(0.1, rel=0.05)
    monkeypatch.setattr(level_runner, "estimate_level", lambda _: pytest.fail("estimated"))
    timed = without_estimates(runner)
    assert timed(noisy).shape == noisy.shape
    assert 0 < timed(noisy).mean() < 1
    assert timed.info is runner.info


def test_what_is_not_told_a_level_is_timed_as_it_is() -> None:
    runner = NonLocalMeansRunner(25)
    assert without_estimates(runner) is runner
