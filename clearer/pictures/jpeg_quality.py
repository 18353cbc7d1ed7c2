"""The quality at which a JPEG file was saved, from its quantisation tables."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache

from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

__all__ = ["jpeg_quality", "quality_of_table"]


def jpeg_quality(file: JpegImageFile) -> int | None:
    """Quality of an opened file; None if it lacks the table, so that it cannot be decoded."""
    table = file.quantization.get(_luma_table(file))
    return None if table is None else quality_of_table(table)


def quality_of_table(table: Sequence[int]) -> int:
    """The quality of libjpeg, 1 to 100, whose luma quantisation steps come closest to a table.

    Other programs have their own tables, and scales on which 60 is not libjpeg's 60: this says how
    strongly a file was compressed, whatever its program called it.

    Args:
        table: Quantisation table for luma, 64 steps.
    """
    size = sum(table)
    sizes = _table_sizes()
    return min(sizes, key=lambda quality: (abs(sizes[quality] - size), -quality))


@cache
def _table_sizes() -> dict[int, int]:
    """Sum of libjpeg's quantisation steps for luma, by quality."""
    sizes = {}
    for quality in range(1, 101):
        file = io.BytesIO()
        Image.new("L", (8, 8)).save(file, "JPEG", quality=quality)
        with Image.open(file) as saved:
            assert isinstance(saved, JpegImageFile)
            sizes[quality] = sum(saved.quantization[_luma_table(saved)])
    return sizes


def _luma_table(file: JpegImageFile) -> int:
    """Number of the table that the first component uses."""
    number: int = file.layer[0][3]
    return number
