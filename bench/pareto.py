"""The Pareto front of a benchmark, taking its noise into account."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clearer.bench.accuracy import SAME_PSNR_DB, difference
from clearer.bench.measure import ratio_interval

__all__ = ["Point", "dominates", "on_front"]


@dataclass(frozen=True, slots=True)
class Point:
    """One row: PSNR per picture in dB, time per round in ms."""

    psnrs_db: NDArray[np.float64]
    times_ms: Sequence[float]


def dominates(one: Point, other: Point) -> bool:
    """Whether ``one`` dominates ``other``, so that there is no reason to use that.

    It is neither slower (median) nor worse (mean PSNR, with a tolerance of 0.005 dB), and has one
    advantage beyond noise: the 95 % interval of the ratio of medians, over rounds, lies below 1, or
    that of the difference in PSNR, paired over pictures, lies above 0.005 dB. With a single picture
    quality has no interval, and only time can be an advantage.
    """
    ratio, (_, high) = ratio_interval(one.times_ms, other.times_ms)
    gain, interval = difference(one.psnrs_db, other.psnrs_db)
    if ratio > 1 or gain < -SAME_PSNR_DB:
        return False
    is_faster = high < 1
    is_better = interval is not None and interval[0] > SAME_PSNR_DB
    return is_faster or is_better


def on_front(points: Sequence[Point]) -> list[bool]:
    """For each row, whether no other one dominates it."""
    return [
        not any(dominates(other, point) for other in points if other is not point)
        for point in points
    ]
