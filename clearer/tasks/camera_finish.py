"""A camera's final processing of brightness: it smooths noise where it can, and sharpens.

Where there is texture it leaves the noise, which it cannot tell from the texture. A network trained
with the same noise everywhere judges the noise by smooth areas, and then leaves it in textured
ones.
"""

from __future__ import annotations

import math
from typing import Final

from torch import Tensor
from torch.nn import functional

from clearer.tasks.draws import Draws, per_picture
from clearer.tasks.lens import soften

__all__ = ["finish", "sharpen", "smooth_where_flat"]

_KEPT: Final = (0.1, 0.8)  # share of the fine noise in smooth areas, as an amplitude
_BLUR: Final = (1.0, 4.0)  # pixels, standard deviation of a Gaussian
_CARE: Final = (0.5, 8.0)  # variance of texture over that of noise at which half is smoothed
_WINDOW: Final = 7  # pixels
_TINY: Final = 1e-12  # a variance: a flat picture without noise has none
_SHARPENING: Final = (0.0, 1.5)
_RADIUS: Final = 1.0  # pixels, standard deviation of a Gaussian


def finish(noise: Tensor, brightness: Tensor, draws: Draws) -> Tensor:
    """Luma noise after a camera's noise reduction and sharpening, drawn for each picture.

    Args:
        noise: ``(N, 1, H, W)``.
        brightness: Luma of the clean picture, in the unit of the noise, of the same shape.
        draws: Where the numbers come from.

    Returns:
        Of the same shape.
    """
    kept, blur, care, amount = (
        per_picture(draws.uniform(*span), noise)
        for span in (_KEPT, _BLUR, tuple(map(math.log, _CARE)), _SHARPENING)
    )
    return sharpen(smooth_where_flat(noise, brightness, kept, blur, care.exp()), amount)


def smooth_where_flat(
    noise: Tensor, brightness: Tensor, kept: Tensor, blur: Tensor, care: Tensor
) -> Tensor:
    """The luma noise that a local Wiener filter leaves.

    With s the local variance of the picture and n that of the noise, the share s / (s + c n) of the
    noise stays unchanged. Of the rest the coarse part stays, and some of the fine part.

    Args:
        noise: ``(N, 1, H, W)``.
        brightness: As for :func:`finish`.
        kept: Share of the fine part that stays, ``(N, 1, 1, 1)``.
        blur: Gaussian that gives the coarse part: standard deviation in pixels, at most 4.
        care: The factor c, ``(N, 1, 1, 1)``.

    Returns:
        Of the shape of ``noise``.
    """
    texture = _local_variance(brightness)
    share = texture / (texture + care * _local_variance(noise)).clamp_min(_TINY)
    coarse = soften(noise, blur, most=_BLUR[1])
    smooth = coarse + kept * (noise - coarse)
    return smooth + share * (noise - smooth)


def sharpen(planes: Tensor, amount: Tensor) -> Tensor:
    """Unsharp masking: add ``amount``, ``(N, 1, 1, 1)``, times the fine part."""
    radius = per_picture(_RADIUS, planes)
    return planes + amount * (planes - soften(planes, radius, most=_RADIUS))


def _local_variance(planes: Tensor) -> Tensor:
    mean, mean_square = (
        functional.avg_pool2d(x, _WINDOW, 1, _WINDOW // 2, count_include_pad=False)
        for x in (planes, planes.square())
    )
    return (mean_square - mean.square()).clamp_min(0)
