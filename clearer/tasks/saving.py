"""Saves pictures as photographs are saved: as JPEG once or twice, or with 8 bits."""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor

from clearer.tasks.draws import Draws, chance, per_picture
from clearer.tasks.jpeg import compress

__all__ = ["save"]

_QUALITY: Final = (60, 98)
_FIRST_QUALITY: Final = (80, 98)  # that of a camera
_FIRST_SHARE: Final = 0.4
_LAST_SHARE: Final = 0.8
_FULL_CHROMA_SHARE: Final = 0.3
_GRID: Final = 16  # pixels after which the blocks of a 4:2:0 JPEG repeat


def save(pictures: Tensor, draws: Draws) -> Tensor:
    """Save pictures and read them back.

    Four in five become JPEG of quality 60 to 98, 4:2:0 or 4:4:4, with blocks that start at the
    corner of the picture. Two in five were JPEG before, of quality 80 to 98, and were cropped
    since, so that those blocks start anywhere.

    Args:
        pictures: RGB in [0, 1], ``(N, 3, H, W)``.
        draws: Where the numbers come from.

    Returns:
        Of the same shape, whole multiples of 1/255.
    """
    # Only the first pictures can have been JPEG before, so that the others cost nothing.
    num_first = math.ceil(_FIRST_SHARE * len(pictures))
    quality = per_picture(draws.uniform(*_FIRST_QUALITY), pictures)[:num_first]
    cuts = [per_picture(draws.uniform(0, _GRID), pictures)[:num_first] for _ in range(2)]
    was_jpeg = chance(draws, _FIRST_SHARE * len(pictures) / num_first, pictures)[:num_first]
    first = pictures[:num_first]
    first = torch.where(was_jpeg, _compress_and_cut(first, quality, cuts[0], cuts[1]), first)
    pictures = torch.cat([first, pictures[num_first:]])
    quality = per_picture(draws.uniform(*_QUALITY), pictures)
    full_chroma = chance(draws, _FULL_CHROMA_SHARE, pictures)
    compressed = compress(pictures, quality.flatten().round(), full_chroma=full_chroma.flatten())
    is_jpeg = chance(draws, _LAST_SHARE, pictures)
    return torch.where(is_jpeg, compressed, (pictures * 255).round() / 255)


def _compress_and_cut(pictures: Tensor, quality: Tensor, top: Tensor, left: Tensor) -> Tensor:
    """Compress pictures as crops of a JPEG, from up to 15 pixels below and right of its corner."""
    height, width = pictures.shape[2:]
    row, column = (torch.arange(side + _GRID, device=pictures.device) for side in (height, width))
    top, left = (start.long().flatten()[:, None] for start in (top, left))
    moved = _take(pictures, (row - top).clamp(0, height - 1), (column - left).clamp(0, width - 1))
    compressed = compress(moved, quality.flatten().round())
    return _take(compressed, row[:height] + top, column[:width] + left)


def _take(pictures: Tensor, rows: Tensor, columns: Tensor) -> Tensor:
    """Gather rows and columns of each picture by index, ``(N, height)`` and ``(N, width)``."""
    n, channels = pictures.shape[:2]
    by_row = pictures.gather(2, rows[:, None, :, None].expand(n, channels, -1, pictures.shape[3]))
    return by_row.gather(3, columns[:, None, None].expand(n, channels, rows.shape[1], -1))
