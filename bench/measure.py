"""Timing of several runners in turn."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.bench.runners import Runner

__all__ = ["latency_ms", "summary"]

_WARMUP_SECONDS: Final = 0.2
_WARMUP_RUNS: Final = 10
_NUM_INPUTS: Final = 4


def latency_ms(
    runners: Sequence[Runner],
    shape: tuple[int, int, int, int],
    *,
    num_runs: int,
    max_seconds: float,
    listener: Callable[[int, int], None],
) -> list[list[float]]:
    """Wall-clock time of single calls, the runners taking turns, on rotating random inputs.

    A runner leaves the rounds after ``num_runs`` calls, or once it has used ``max_seconds``.

    Args:
        runners: What to time.
        shape: Of the inputs.
        num_runs: Calls per runner, after the warm-up.
        max_seconds: Time per runner.
        listener: Called after each round with (done, total).

    Returns:
        All times of each runner, in ms.
    """
    rng = np.random.default_rng(0)
    inputs = [rng.random(shape, dtype=np.float32) for _ in range(_NUM_INPUTS)]
    for runner in runners:
        _warm_up(runner, inputs, max_seconds)
    times: list[list[float]] = [[] for _ in runners]
    for done in range(num_runs):
        for runner, row in zip(runners, times, strict=True):
            if sum(row) > 1000 * max_seconds:
                continue
            start = time.perf_counter_ns()
            runner(inputs[done % _NUM_INPUTS])
            row.append((time.perf_counter_ns() - start) / 1e6)
        listener(done + 1, num_runs)
    return times


def _warm_up(runner: Runner, inputs: list[NDArray[np.float32]], max_seconds: float) -> None:
    start, runs = time.perf_counter(), 0
    while runs < _WARMUP_RUNS or time.perf_counter() - start < _WARMUP_SECONDS:
        runner(inputs[runs % _NUM_INPUTS])
        runs += 1
        if time.perf_counter() - start > max_seconds / 4:
            return


def summary(times_ms: list[float]) -> dict[str, Any]:
    """Median, 95th percentile, minimum and number of some times in ms."""
    return {
        "median_ms": float(np.median(times_ms)),
        "p95_ms": float(np.percentile(times_ms, 95)),
        "min_ms": min(times_ms),
        "n": len(times_ms),
    }
