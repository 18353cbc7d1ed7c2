"""Checks of a request before anything is read."""

from __future__ import annotations

import math
import time
from typing import Final

from clearer.errors import InputError

__all__ = ["check_minutes", "check_size", "piece_deadline"]

_MAX_SIDE: Final = 8192


def check_size(size: tuple[int, int]) -> None:
    """Refuse a (height, width) out of range.

    Raises:
        InputError: If a side is out of range.
    """
    height, width = size
    if not (0 < height <= _MAX_SIDE and 0 < width <= _MAX_SIDE):
        raise InputError(f"--size '{height}x{width}': both sides must lie in 1..{_MAX_SIDE}")


def piece_deadline(minutes_now: float | None) -> float | None:
    """When this part of the work ends, by ``time.monotonic``; None: when all of it is done.

    Raises:
        InputError: If it is not a positive number.
    """
    if minutes_now is None:
        return None
    if not 0 < minutes_now < math.inf:
        raise InputError(f"--minutes-now must be a number above 0; got {minutes_now:g}")
    return time.monotonic() + 60 * minutes_now


def check_minutes(
    minutes: float | None, iterations: int | None, validate_every: int | None
) -> None:
    """Refuse an invalid time, and settings that a time would decide.

    Raises:
        InputError: If it is not a positive number, or iterations are given too.
    """
    if minutes is not None and not 0 < minutes < math.inf:
        raise InputError(f"--minutes must be a number above 0; got {minutes:g}")
    if minutes is not None and (iterations is not None or validate_every is not None):
        raise InputError(
            "--minutes sets the iterations itself: leave out --iterations and --validate-every"
        )
