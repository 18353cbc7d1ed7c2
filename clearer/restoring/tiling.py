"""Cuts pictures into overlapping tiles that are restored one by one, without seams.

A tile starts at a multiple of what the network pads to, so that its downsampling grids match those
of the whole picture. It keeps only pixels at least an overlap away from its cut edges: with an
overlap of the receptive field's radius, the result equals that of the whole picture.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from clearer.errors import ClearerError, InputError
from clearer.pictures.stored_picture import Samples, full_scale
from clearer.restoring.restorer import Restorer
from clearer.space.receptive_field import Reach

__all__ = ["Span", "Tile", "TilePlan", "restore_tiles", "spans"]


@dataclass(frozen=True, slots=True)
class Span:
    """A tile along one axis: half-open ranges of pixels."""

    read_start: int
    read_stop: int
    keep_start: int
    keep_stop: int


@dataclass(frozen=True, slots=True)
class Tile:
    """A tile of a picture."""

    rows: Span
    columns: Span


@dataclass(frozen=True, kw_only=True, slots=True)
class TilePlan:
    """How pictures are cut into tiles.

    Raises:
        InputError: If the side leaves no room between the overlaps.
    """

    side: int
    """Most rows and columns that the network gets at once."""
    overlap: Reach
    """Pixels around what is kept."""
    multiple: int = 1
    """The multiple that the network pads sides to."""

    def __post_init__(self) -> None:
        if self.side < self.least_side:
            raise InputError(
                f"--tile {self.side} is too small for an overlap of {self.overlap.before} and "
                f"{self.overlap.after} pixels: the least is {self.least_side}"
            )

    @property
    def least_side(self) -> int:
        """The smallest side that keeps anything."""
        return sum(self._margins) + self.multiple

    @property
    def _margins(self) -> tuple[int, int]:
        """The overlap, rounded up to the network's grid."""
        before, after = (
            -(-side // self.multiple) * self.multiple
            for side in (self.overlap.before, self.overlap.after)
        )
        return before, after

    @property
    def text(self) -> str:
        """Description in words."""
        before, after = self.overlap.before, self.overlap.after
        shared = f"{before}" if before == after else f"{before} and {after}"
        return f"tiles of at most {self.side}x{self.side}, overlap {shared}"

    def tiles(self, height: int, width: int) -> Iterator[Tile]:
        """Tiles that together keep each pixel of a picture once, row by row."""
        rows, columns = (self._spans(length) for length in (height, width))
        for one, other in itertools.product(rows, columns):
            yield Tile(one, other)

    def count(self, height: int, width: int) -> int:
        """Number of tiles of a picture."""
        return len(self._spans(height)) * len(self._spans(width))

    def _spans(self, length: int) -> list[Span]:
        return spans(length, self.side, self._margins, self.multiple)


def spans(length: int, side: int, margins: tuple[int, int], multiple: int) -> list[Span]:
    """Cut an axis into as few tiles as possible, of about equal length.

    Args:
        length: Pixels along the axis.
        side: Longest tile; at least both margins plus a multiple.
        margins: Overlap before and after what a tile keeps, multiples of ``multiple``.
        multiple: Tiles start at multiples of this.
    """
    if length <= side:
        return [Span(0, length, 0, length)]
    before, after = margins
    # The first and the last tile touch the edge of the picture and need a margin on one side only.
    inner = length - before - after
    room = (side - before - after) // multiple * multiple
    count = -(-inner // room)
    step = -(-inner // (count * multiple)) * multiple
    cuts = [0, *range(before + step, length - after, step)[: count - 1], length]
    return [
        Span(max(0, start - before), min(length, stop + after), start, stop)
        for start, stop in itertools.pairwise(cuts)
    ]


def restore_tiles(
    restore: Restorer,
    pixels: Samples,
    plan: TilePlan,
    listener: Callable[[int, int], None] = lambda done, total: None,
) -> Samples:
    """Restore a picture tile by tile; only one tile at a time is held in floating point.

    Args:
        restore: Maps ``(1, C, h, w)``, range [0, 1], to the same shape.
        pixels: ``(H, W, C)``, uint8 or uint16, or float32 in [0, 1].
        plan: How to cut it.
        listener: Called with (done, total) tiles.

    Returns:
        A new array of the same shape and type, clipped; integers are rounded to nearest.

    Raises:
        ClearerError: If the network gives NaN or infinite values.
    """
    height, width = pixels.shape[:2]
    restored = np.empty_like(pixels)
    is_whole, top = pixels.dtype.kind == "u", full_scale(pixels)
    total = plan.count(height, width)
    listener(0, total)
    for done, tile in enumerate(plan.tiles(height, width), start=1):
        rows, columns = tile.rows, tile.columns
        read = pixels[rows.read_start : rows.read_stop, columns.read_start : columns.read_stop]
        planes = read.transpose(2, 0, 1)[None].astype(np.float32, order="C") / top
        kept = restore(planes)[
            0,
            :,
            rows.keep_start - rows.read_start : rows.keep_stop - rows.read_start,
            columns.keep_start - columns.read_start : columns.keep_stop - columns.read_start,
        ]
        if not np.isfinite(kept).all():
            raise ClearerError("the network gives NaN or infinite values")
        target = restored[rows.keep_start : rows.keep_stop, columns.keep_start : columns.keep_stop]
        values = kept.clip(0, 1) * top
        target[...] = (np.rint(values) if is_whole else values).transpose(1, 2, 0)
        listener(done, total)
    return restored
