"""Which rows of a benchmark nobody beats, beyond what its noise allows to say."""

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
    """One row: PSNR per picture, time per round."""

    psnrs_db: NDArray[np.float64]
    times_ms: Sequence[float]


def dominates(one: Point, other: Point) -> bool:
    """Whether ``one`` leaves no reason to take ``other``.

    It is neither slower (median) nor worse (mean PSNR, 0.005 dB counting as none), and one of the
    two is an advantage beyond noise: the 95 % interval of the ratio of the medians, over rounds,
    lies below 1, or that of the difference in PSNR, paired over pictures, lies above 0.005 dB. With
    a single picture, quality has no interval, and only time can be an advantage.
    """
    ratio, (_, high) = ratio_interval(one.times_ms, other.times_ms)
    gain, interval = difference(one.psnrs_db, other.psnrs_db)
    if ratio > 1 or gain < -SAME_PSNR_DB:
        return False
    is_faster = high < 1
    is_better = interval is not None and interval[0] > SAME_PSNR_DB
    return is_faster or is_better


def on_front(points: Sequence[Point]) -> list[bool]:
    """Per row, whether no other one dominates it."""
    return [
        not any(dominates(other, point) for other in points if other is not point)
        for point in points
    ]
