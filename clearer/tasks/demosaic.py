"""Demosaicing: from a sensor with one colour per pixel to three colours, by fixed filters."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["BAYER", "BLOCK", "demosaic"]

BAYER: Final = ((0, 1), (1, 2))
"""RGB channel that each pixel of a 2x2 block sees: RGGB."""

BLOCK: Final = ((0, 0), (0, 1), (1, 0), (1, 1))
"""Row and column of the block's pixels, in the order of channels."""

# Offsets (row, column) and weights in eighths. Bilinear: the mean of the nearest pixels of the
# wanted colour. Malvar, He, Cutler, "High-quality linear interpolation for demosaicing of
# Bayer-patterned color images", ICASSP 2004, figure 2: the same plus a gradient of the colour that
# the pixel itself sees.
_Filter = dict[tuple[int, int], float]
_SAME: Final[_Filter] = {(0, 0): 8}
_CROSS: Final[_Filter] = {(-1, 0): 2, (1, 0): 2, (0, -1): 2, (0, 1): 2}
_CORNERS: Final[_Filter] = {(-1, -1): 2, (-1, 1): 2, (1, -1): 2, (1, 1): 2}
_IN_ROW: Final[_Filter] = {(0, -1): 4, (0, 1): 4}
_FAR_CROSS: Final = ((-2, 0), (2, 0), (0, -2), (0, 2))
_MALVAR_CROSS: Final = _CROSS | {(0, 0): 4} | dict.fromkeys(_FAR_CROSS, -1.0)
_MALVAR_CORNERS: Final = _CORNERS | {(0, 0): 6} | dict.fromkeys(_FAR_CROSS, -1.5)
_MALVAR_IN_ROW: Final = (
    _IN_ROW
    | dict.fromkeys(_CORNERS, -1.0)
    | {(0, 0): 5, (0, -2): -1, (0, 2): -1, (-2, 0): 0.5, (2, 0): 0.5}
)


def demosaic(blocks: Tensor, gradient: Tensor, matrix: Tensor) -> Tensor:
    """Interpolate three colours per pixel with filters that reach two pixels; then a colour matrix.

    Args:
        blocks: What the sensors saw, in blocks of red, green, green, blue,
            ``(N, 4, H / 2, W / 2)``; padded with zeros.
        gradient: Weight of the gradient correction: 0 is bilinear interpolation, 1 is that of
            Malvar, He and Cutler; ``(N, 1, 1, 1)``.
        matrix: Colour matrix of each picture, ``(N, 3, 3)``.

    Returns:
        Shape ``(N, 3, H, W)``.
    """
    # From block to block the filters are the same, and everything is linear: one convolution with
    # filters of its own per picture gives all colours of all four pixels.
    n, _, rows, columns = blocks.shape
    plain, corrected = _filters(blocks.device)
    filters = torch.lerp(plain, corrected, gradient[:, 0])
    filters = torch.matmul(matrix, filters).view(n * 12, 4, 3, 3)
    colors = F.conv2d(blocks.reshape(1, n * 4, rows, columns), filters, padding=1, groups=n)
    by_pixel = colors.view(n, 3, 2, 2, rows, columns).permute(0, 1, 4, 2, 5, 3)
    return by_pixel.reshape(n, 3, 2 * rows, 2 * columns)


@cache
def _filters(device: torch.device) -> Tensor:
    """Filters, copied to the device once: ``(2 ways, 3 colours, 4 pixels * 4 pixels * 3 * 3)``."""
    filters = torch.zeros(2, 3, 2, 2, 2, 2, 3, 3)
    ways = ((_CROSS, _CORNERS, _IN_ROW), (_MALVAR_CROSS, _MALVAR_CORNERS, _MALVAR_IN_ROW))
    for way, color, (y, x) in product(range(2), range(3), BLOCK):
        for (dy, dx), eighths in _choose(color, y, x, *ways[way]).items():
            row, column = y + dy, x + dx
            place = (row % 2, column % 2, row // 2 + 1, column // 2 + 1)
            filters[way, color, y, x][place] = eighths / 8
    return filters.flatten(2).to(device)


def _choose(
    color: int, y: int, x: int, cross: _Filter, corners: _Filter, in_row: _Filter
) -> _Filter:
    """The filter that gives a colour at one of the four pixels."""
    if BAYER[y][x] == color:
        return _SAME
    if color == 1:
        return cross
    if BAYER[y][x] != 1:
        return corners
    if color in BAYER[y]:
        return in_row
    return {(dx, dy): eighths for (dy, dx), eighths in in_row.items()}
