"""Which input pixels the features of a scale depend on, along one axis (no torch).

Nearest upsampling makes the answer differ from position to position, with a period. So a scale is
followed position by position over one period, as intervals of input pixels.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Interval", "Seen", "union"]

Interval = tuple[int, int]
"""First and last input pixel."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Input pixels that the features of a scale depend on: an interval per position of a period."""

    intervals: tuple[Interval, ...]
    period: int
    """In input pixels."""
    variance: float = 0.0
    """Variance, in squared pixels, of the distances at which a feature sees the input, if all
    weights were equal; of all paths, the largest. A convolution adds that of its kernel."""

    def __getitem__(self, position: int) -> Interval:
        turns, place = divmod(position, len(self.intervals))
        first, last = self.intervals[place]
        return first + turns * self.period, last + turns * self.period

    def after(self, num_positions: int, needs: Callable[[int], Interval]) -> Seen:
        """Features at ``num_positions``; each reads the positions ``needs(i)``, ends included."""
        step = self.period / len(self.intervals)
        intervals = []
        for position in range(num_positions):
            low, high = needs(position)
            width = (high - low + 1) * step
            # Neither end of an interval decreases along the axis, so the outer positions decide.
            intervals.append((self[low][0], self[high][1]))
        # Of a uniform distribution over what is read, less that of what each position stands for.
        added = max(width**2 - step**2, 0) / 12
        return Seen(tuple(intervals), self.period, self.variance + added)

    def conv(self, kernel: int, stride: int) -> Seen:
        """After a convolution with a kernel of odd size."""
        half, number = kernel // 2, len(self.intervals) // stride
        return self.after(number, lambda i: (stride * i - half, stride * i + half))

    def up(self) -> Seen:
        """After nearest upsampling by 2."""
        return self.after(2 * len(self.intervals), lambda i: (i // 2, i // 2))


def union(*seen: Seen) -> Seen:
    """A sum of features sees what each term sees."""
    joined = tuple(
        (min(first for first, _ in group), max(last for _, last in group))
        for group in zip(*(one.intervals for one in seen), strict=True)
    )
    return Seen(joined, seen[0].period, max(one.variance for one in seen))
