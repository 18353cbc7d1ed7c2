"""What more training would gain: the estimate, compared with real trainings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest

from clearer.planning.more_training import MoreTraining, estimate_more_training

# (iteration, validation PSNR in dB) of one architecture (a U of width 24 x1.5 on four scales,
# sigma 25, the built-in images), by the length of its training, over which the learning rate falls.
CURVES = {
    1200: [(300, 29.574), (600, 30.320), (900, 30.415), (1200, 30.475)],
    1400: [(300, 29.868), (600, 30.317), (900, 30.451), (1200, 30.493), (1400, 30.558)],
    1800: [
        *[(300, 29.834), (600, 30.335), (900, 30.481)],
        *[(1200, 30.544), (1500, 30.583), (1800, 30.625)],
    ],
}


def log_of(curve: Sequence[tuple[int, float]], speed: float = 2.0) -> list[dict[str, Any]]:
    lines: list[dict[str, Any]] = []
    for iteration, psnr_db in curve:
        lines.append({"iteration": iteration, "loss": 0.1, "iterations_per_s": speed})
        lines.append({"iteration": iteration, "val_psnr_db": psnr_db, "val_ssim": 0.8})
    return lines


def estimated(curve: Sequence[tuple[int, float]]) -> MoreTraining:
    found = estimate_more_training(log_of(curve))
    assert found is not None
    return found


@pytest.mark.parametrize(("short", "long"), [(1200, 1400), (1200, 1800), (1400, 1800)])
def test_longer_trainings_gain_what_the_range_says(short: int, long: int) -> None:
    found = estimated(CURVES[short])
    assert found.iterations == 2 * short
    real = CURVES[long][-1][1] - CURVES[short][-1][1]
    ratio = long / short
    # These longer trainings are only part of a doubling: compare with both ends of the range.
    lowest = found.low_db * (1 - 1 / ratio) / (1 - 1 / 2)
    highest = found.high_db * math.log2(ratio)
    assert lowest <= real <= highest
    assert found.low_db < found.gain_db < found.high_db


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0])
def test_an_exact_law_lies_within_the_range(exponent: float) -> None:
    def law(t: float) -> float:
        return math.log(t) if exponent == 0 else 30 - t**-exponent

    found = estimated([(t, law(t)) for t in range(100, 1001, 100)])
    real = law(2000) - law(1000)
    assert found.low_db - 1e-9 <= real <= found.high_db + 1e-9
    if exponent == 0.5:
        assert found.gain_db == pytest.approx(real)


def test_a_curve_that_is_level_or_falls_promises_nothing() -> None:
    assert estimated([(t, 30.0) for t in range(100, 601, 100)]).high_db == pytest.approx(0)
    assert estimated([(t, 30.0 - t / 1e4) for t in range(100, 601, 100)]).gain_db < 0


def test_the_time_is_by_the_speed_so_far() -> None:
    found = estimate_more_training(log_of(CURVES[1400], speed=4.0))
    assert found is not None
    assert found.minutes == pytest.approx(2800 / 4 / 60)


@pytest.mark.parametrize(
    "curve",
    [
        [],
        [(30, 25.0)],
        [(300, 29.0), (600, 29.5), (900, 29.7)],
        [(0, 29.0), (10, 29.0), (20, 29.0), (400, 29.5), (700, 29.6), (1000, 29.7)],
        [(100, 29.0), (200, math.inf), (300, 29.1), (400, 29.2)],
    ],
)
def test_a_short_or_broken_curve_gives_no_estimate(curve: list[tuple[int, float]]) -> None:
    assert estimate_more_training(log_of(curve)) is None
