"""The quality with which a JPEG file was saved, by the tables inside it."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Final

from PIL import Image

__all__ = ["jpeg_quality"]

_LUMA: Final = 0
"""Number of the table for brightness."""


def jpeg_quality(tables: Mapping[int, Sequence[int]]) -> int:
    """Quality of libjpeg, 1 to 100, whose steps for brightness are as large as those of a file.

    Other programs have tables of their own, and scales on which 60 is not that of libjpeg: this
    says what a file went through, whatever its program called it.

    Args:
        tables: Quantization tables by number, 64 steps each, as Pillow gives them.
    """
    size = sum(tables[_LUMA])
    sizes = _table_sizes()
    return min(sizes, key=lambda quality: (abs(sizes[quality] - size), -quality))


@cache
def _table_sizes() -> dict[int, int]:
    """Sum of the steps for brightness of libjpeg, by quality."""
    sizes = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as saved:
            sizes[quality] = sum(saved.quantization[_LUMA])  # type: ignore[attr-defined]
    return sizes
