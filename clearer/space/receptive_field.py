"""Which input pixels an output pixel of a network can depend on, from its architecture (no torch).

Rows and columns are alike, so one axis is enough. Up-sampling by repetition makes the answer differ
from pixel to pixel, with period ``space.multiple``: every scale is followed position by position
over one such period, as the interval of input pixels that a feature there has seen. The steps are
those of :mod:`clearer.networks.blocks`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from clearer.space.space import Architecture, SearchSpace

__all__ = ["Reach", "receptive_field"]


@dataclass(frozen=True, slots=True)
class Reach:
    """How far from an output pixel the input pixels lie that it can depend on."""

    before: int
    """Rows above it, and columns to its left."""
    after: int
    """Rows below it, and columns to its right."""

    @property
    def size(self) -> int:
        """Side of the whole field, at most."""
        return self.before + 1 + self.after


Interval = tuple[int, int]
"""First and last input pixel."""


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the features of one scale have seen: an interval per position of a period."""

    intervals: tuple[Interval, ...]
    period: int
    """In input pixels."""

    def __getitem__(self, position: int) -> Interval:
        turns, place = divmod(position, len(self.intervals))
        first, last = self.intervals[place]
        return first + turns * self.period, last + turns * self.period


def receptive_field(architecture: Architecture) -> Reach:
    """The farthest that any output pixel sees, over all places of the sampling grids.

    No output depends on pixels outside of it. It is met where no weight is zero and no ReLU cuts a
    path off. The pixels that pad a picture inside the network count as input pixels.
    """
    space = architecture.space
    pixels = _Seen(tuple((i, i) for i in range(space.multiple)), space.multiple)
    stem = space.stem
    blocks = _make(pixels, space.multiple // stem, lambda i: (stem * i, stem * i + stem - 1))
    has_bottlenecks = space.entry == "bottlenecks"
    features = [_conv3(_conv3(blocks)) if has_bottlenecks else _conv3(blocks)]
    for place, cell in enumerate(architecture.cells):
        if len(features) < space.first_scales + place:
            features = _transition(features, narrows=has_bottlenecks and len(features) == 1)
        for column in cell:
            features = [_MODULES[choice](features, scale) for scale, choice in enumerate(column)]
    finest = _fusion(features, 0)
    return _reach(_make(finest, space.multiple, lambda i: (i // stem, i // stem)), space)


def _reach(seen: _Seen, space: SearchSpace) -> Reach:
    """Distances from each pixel to the ends of what it has seen; a residual is the pixel itself."""
    ends = [(i - first, last - i) for i, (first, last) in enumerate(seen.intervals)]
    assert len(ends) == space.multiple
    return Reach(max(before for before, _ in ends), max(after for _, after in ends))


def _make(source: _Seen, num_positions: int, needs: Callable[[int], Interval]) -> _Seen:
    """Positions that each see what the positions ``needs(i)`` of the source see, ends included."""
    intervals = []
    for position in range(num_positions):
        low, high = needs(position)
        # The ends of intervals never fall along an axis, so the outer positions decide.
        intervals.append((source[low][0], source[high][1]))
    return _Seen(tuple(intervals), source.period)


def _union(*seen: _Seen) -> _Seen:
    """A sum of features sees what each term sees."""
    joined = tuple(
        (min(first for first, _ in group), max(last for _, last in group))
        for group in zip(*(one.intervals for one in seen), strict=True)
    )
    return _Seen(joined, seen[0].period)


def _conv3(source: _Seen) -> _Seen:
    """3x3 convolution."""
    return _make(source, len(source.intervals), lambda i: (i - 1, i + 1))


def _down(source: _Seen) -> _Seen:
    """3x3 convolution with stride 2."""
    return _make(source, len(source.intervals) // 2, lambda i: (2 * i - 1, 2 * i + 1))


def _up(source: _Seen) -> _Seen:
    """Nearest up-sampling by 2."""
    return _make(source, 2 * len(source.intervals), lambda i: (i // 2, i // 2))


def _transition(features: list[_Seen], *, narrows: bool) -> list[_Seen]:
    kept = [_conv3(features[0])] if narrows else features
    return [*kept, _down(features[-1])]


def _parallel(features: list[_Seen], scale: int) -> _Seen:
    return _conv3(_conv3(features[scale]))


def _fusion(features: list[_Seen], target: int) -> _Seen:
    terms = []
    for source, seen in enumerate(features):
        step = _down if source < target else _up
        for _ in range(abs(target - source)):
            seen = step(seen)
        terms.append(seen)
    return _union(*terms)


def _identity(features: list[_Seen], scale: int) -> _Seen:
    return features[scale]


_MODULES: Final = {"parallel": _parallel, "fusion": _fusion, "identity": _identity}
