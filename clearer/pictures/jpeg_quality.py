"""The quality with which a JPEG file was saved, by the tables inside it."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

__all__ = ["jpeg_quality", "quality_of_table"]


def jpeg_quality(file: JpegImageFile) -> int | None:
    """Quality of an opened file; None where it names no table, so that nobody can decode it."""
    table = file.quantization.get(_luma_table(file))
    return None if table is None else quality_of_table(table)


def quality_of_table(table: Sequence[int]) -> int:
    """Quality of libjpeg, 1 to 100, whose steps for brightness are as large as those of a table.

    Other programs have tables of their own, and scales on which 60 is not that of libjpeg: this
    says what a file went through, whatever its program called it.

    Args:
        table: Quantization table for brightness, 64 steps.
    """
    size = sum(table)
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
            assert isinstance(saved, JpegImageFile)
            sizes[quality] = sum(saved.quantization[_luma_table(saved)])
    return sizes


def _luma_table(file: JpegImageFile) -> int:
    """Number of the table that the first component takes."""
    number: int = file.layer[0][3]
    return number
