"""JPEG compression of a batch on its device: bit for bit the result of libjpeg-turbo.

libjpeg computes in integers. So does this file, with integers that floats hold exactly. Colours fit
into float32. The cosine transform needs float64, which also keeps TF32 and autocast away.
Constants and rounding are those of libjpeg-turbo's defaults: ``jccolor.c``, ``jcsample.c``,
``jfdctint.c``, ``jcparam.c``, ``jcdctmgr.c``, and their counterparts in the decoder.
"""

from __future__ import annotations

from functools import cache
from typing import Final, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

__all__ = ["compress", "quantization_tables"]

_BLOCK: Final = 8
# Cosines times sqrt(8) * 2**13. Some differ from the rounded cosine in the last digit: libjpeg
# rounds the factors of a fast transform, and these are their sums.
_DCT: Final = (
    (8192, 8192, 8192, 8192, 8192, 8192, 8192, 8192),
    (11363, 9633, 6437, 2260, -2260, -6437, -9633, -11363),
    (10703, 4433, -4433, -10703, -10703, -4433, 4433, 10703),
    (9633, -2259, -11362, -6436, 6436, 11362, 2259, -9633),
    (8192, -8192, -8192, 8192, 8192, -8192, -8192, 8192),
    (6437, -11362, 2261, 9633, -9633, -2261, 11362, -6437),
    (4433, -10704, 10704, -4433, -4433, 10704, -10704, 4433),
    (2260, -6436, 9633, -11363, 11363, -9633, 6436, -2260),
)
# Tables K.1 and K.2 of ITU-T T.81, in rows of vertical frequency.
_LUMA_TABLE: Final = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA_TABLE: Final = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
    (99, 99, 99, 99, 99, 99, 99, 99),
)


class _Constants(NamedTuple):
    dct: Tensor
    tables: Tensor


@cache
def _constants(device: torch.device) -> _Constants:
    """Constants, copied to the device once: a CUDA graph cannot copy from the host."""
    tables = (_LUMA_TABLE, _CHROMA_TABLE, _CHROMA_TABLE)
    return _Constants(
        dct=torch.tensor(_DCT, dtype=torch.float64, device=device),
        tables=torch.tensor(tables, dtype=torch.float32, device=device),
    )


@torch.no_grad()
def compress(clean: Tensor, quality: Tensor, *, full_chroma: Tensor | None = None) -> Tensor:
    """Compress and decode a batch, each picture as libjpeg-turbo does with its defaults.

    It never waits for the device. Before a CUDA graph captures it, call it once on that device.
    There is no gradient.

    Args:
        clean: Gray or RGB pictures, shape ``(N, C, H, W)``, C 1 or 3, range ``[0, 1]``; rounded to
            8 bits first.
        quality: Quality of each picture, shape ``(N,)``, whole numbers from 1 to 100.
        full_chroma: Which RGB pictures keep their colour at full resolution (4:4:4), shape
            ``(N,)``, bool; the others are 4:2:0. None: all are 4:2:0.

    Returns:
        The decoded pictures, of the shape of ``clean``, float32, whole multiples of 1/255.

    Raises:
        ValueError: If a shape does not fit.

    Example:
        >>> ramp = torch.linspace(0, 1, 8).expand(2, 1, 8, 8)
        >>> (255 * compress(ramp, torch.tensor([5, 90])))[:, 0, 0].round().int()
        tensor([[ 14,  31,  63, 105, 151, 193, 225, 242],
                [  0,  37,  74, 108, 147, 182, 219, 255]], dtype=torch.int32)
    """
    _check_shapes(clean, quality, full_chroma)
    pixels = (clean.float() * 255).round_().clamp_(0, 255)
    tables = quantization_tables(quality)
    if clean.shape[1] == 1:
        decoded = _code(pixels, tables[:, :1])
    else:
        luma, chroma = _rgb_to_ycc(pixels).split((1, 2), dim=1)
        coded = _code_halved(chroma, tables[:, 1:])
        if full_chroma is not None:
            kept = full_chroma[:, None, None, None]
            coded = torch.where(kept, _code(chroma, tables[:, 1:]), coded)
        decoded = _ycc_to_rgb(_code(luma, tables[:, :1]), coded)
    return decoded / 255


def _check_shapes(clean: Tensor, quality: Tensor, full_chroma: Tensor | None) -> None:
    if clean.ndim != 4 or clean.shape[1] not in (1, 3):
        raise ValueError(f"clean must be (N, 1 or 3, H, W); got {tuple(clean.shape)}")
    for name, values in (("quality", quality), ("full_chroma", full_chroma)):
        if values is not None and values.shape != clean.shape[:1]:
            raise ValueError(
                f"{name} must have one value for each of {clean.shape[0]} pictures; "
                f"got shape {tuple(values.shape)}"
            )


def quantization_tables(quality: Tensor) -> Tensor:
    """Quantisation steps for Y, Cb and Cr, as libjpeg scales the tables of the standard.

    Args:
        quality: Shape ``(N,)``, whole numbers from 1 to 100.

    Returns:
        Whole numbers from 1 to 255, shape ``(N, 3, 8, 8)``, rows of vertical frequency, float32.
    """
    quality = quality.float()[:, None, None, None]
    percent = torch.where(quality < 50, 5000 // quality, 200 - 2 * quality)
    standard = _constants(quality.device).tables
    return ((standard * percent + 50) // 100).clamp(1, 255)


def _rgb_to_ycc(rgb: Tensor) -> Tensor:
    """RGB to YCbCr: whole numbers from 0 to 255, chroma centred on 128."""
    r, g, b = rgb.unbind(1)
    # libjpeg rounds halves of luma up and halves of chroma down. No sum exceeds 2**24.
    y = 19595 * r + 38470 * g + 7471 * b + 2**15
    middle = 128 * 2**16 + 2**15 - 1
    cb = -11059 * r - 21709 * g + 32768 * b + middle
    cr = 32768 * r - 27439 * g - 5329 * b + middle
    return torch.stack((y, cb, cr), 1).mul_(2**-16).floor_()


def _ycc_to_rgb(luma: Tensor, chroma: Tensor) -> Tensor:
    cb, cr = (chroma - 128).unbind(1)
    shifts = torch.stack((91881 * cr, -22554 * cb - 46802 * cr, 116130 * cb), 1)
    return _descale(shifts, 16).add_(luma).clamp_(0, 255)


def _code_halved(chroma: Tensor, tables: Tensor) -> Tensor:
    """Code chroma at half the resolution, as 4:2:0 does."""
    height, width = chroma.shape[2:]
    # Before it halves, libjpeg repeats the last column up to whole blocks, but rows only to an even
    # number: further rows are repeated in the halved plane.
    padded = F.pad(chroma, (0, -width % (2 * _BLOCK), 0, height % 2), mode="replicate")
    pairs = padded[..., ::2, :] + padded[..., 1::2, :]
    sums = pairs[..., ::2] + pairs[..., 1::2]
    # It adds 1 and 2 in alternate columns, so that halves round up as often as down.
    halved = sums.add_(1 + _odd_columns(sums)).div_(4).floor_()
    coded = _code(halved, tables)[..., : (width + 1) // 2]
    return _double(coded)[..., :height, :width]


def _double(chroma: Tensor) -> Tensor:
    """Double the sides with libjpeg's triangle filter, its "fancy upsampling"."""
    if chroma.shape[3] <= 2:  # libjpeg repeats the pixels of a plane this narrow
        return F.interpolate(chroma, scale_factor=2, mode="nearest")
    doubled = F.interpolate(chroma, scale_factor=2, mode="bilinear")
    return doubled.add_((8 - _odd_columns(doubled)) / 16).floor_()


def _odd_columns(planes: Tensor) -> Tensor:
    """0, 1, 0, 1, … along the width."""
    return torch.arange(planes.shape[3], device=planes.device, dtype=planes.dtype) % 2


def _code(planes: Tensor, tables: Tensor) -> Tensor:
    """Transform, quantise, and transform back.

    Args:
        planes: Whole numbers from 0 to 255, shape ``(N, C, H, W)``.
        tables: Quantisation steps, shape ``(N, C, 8, 8)``.

    Returns:
        The same shape and range.
    """
    n, c, height, width = planes.shape
    padded = F.pad(planes, (0, -width % _BLOCK, 0, -height % _BLOCK), mode="replicate")
    rows, columns = padded.shape[2] // _BLOCK, padded.shape[3] // _BLOCK
    # Positions within a block come first, as (8, 8, blocks): a few large matrix products transform
    # all blocks. A product sums over the second axis from the end: x here, y once flattened.
    blocks = padded.reshape(n, c, rows, _BLOCK, columns, _BLOCK).permute(3, 5, 0, 1, 2, 4)
    blocks = blocks.reshape(_BLOCK, _BLOCK, -1).double().sub_(128)
    # Each pass rounds as in libjpeg, which keeps two more bits between passes, and a factor of 8 in
    # the coefficients.
    dct = _constants(planes.device).dct
    blocks = _descale(dct @ blocks, 11)
    coefficients = _descale(dct @ blocks.flatten(1), 15).view(_BLOCK, _BLOCK, n, c, -1)
    steps = tables.permute(2, 3, 0, 1)[..., None]
    levels = coefficients.abs().div_(_BLOCK * steps).add_(0.5).floor_().copysign_(coefficients)
    blocks = _descale(dct.T @ levels.mul_(steps).view(_BLOCK, -1), 11).view(_BLOCK, _BLOCK, -1)
    blocks = _descale(dct.T @ blocks, 18).float().add_(128).clamp_(0, 255)
    blocks = blocks.view(_BLOCK, _BLOCK, n, c, rows, columns).permute(2, 3, 4, 0, 5, 1)
    return blocks.reshape(padded.shape)[..., :height, :width]


def _descale(numbers: Tensor, bits: int) -> Tensor:
    """Divide by a power of two, rounding halves up, in place."""
    return numbers.mul_(2**-bits).add_(0.5).floor_()
