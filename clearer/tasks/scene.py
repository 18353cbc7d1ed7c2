"""Scenes as a camera sees them at its own resolution: other than the pictures of data sets.

Photographs that were selected and reduced in size for training show much at once. A few hundred
pixels of a camera show a wall, a cloth, a cheek. They have less contrast, and hardly a second
colour: a network trained only on the former takes the coarse noise of a camera for part of the
scene. They also have texture as fine and as faint as that noise, which compression removed from
data sets: without it, a network takes all that is fine and faint for noise, and felt turns to wax.
"""

from __future__ import annotations

import math
from typing import Final

import torch
from torch import Tensor
from torch.fft import fftfreq, irfft2, rfft2, rfftfreq

from clearer.tasks.draws import Draws, chance, per_picture
from clearer.tasks.sensor_noise import luma

__all__ = ["fade", "weave"]

_WOVEN_SHARE: Final = 0.6
_SIZE: Final = (0.015, 0.12)
"""Standard deviation of a texture, relative to the brightness."""
_WIDTH: Final = (0.5, 1.5)
"""Standard deviation across its threads in pixels, as if blurred by a Gaussian."""
_LONGEST: Final = 1.8
"""Largest standard deviation along them, relative to that across."""
_COARSEST: Final = (0.0, 0.07)
"""Frequency in cycles per pixel below which it has nothing."""
_PATCH: Final = 12.0
"""Standard deviation of the Gaussian in pixels that says how large woven areas are."""
_EDGE: Final = 4.0
"""Steepness of their borders."""
_COVER: Final = (-2.0, 4.0)
"""From small areas in a picture to nearly all of it."""


def fade(pictures: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Reduce contrast around the mean of each picture, then saturation.

    Args:
        pictures: Gray or RGB in [0, 1], ``(N, C, H, W)``.
        contrast: 1 leaves a picture as it is, 0 leaves its mean, ``(N, 1, 1, 1)``.
        saturation: 1 leaves colours as they are, 0 leaves gray, ``(N, 1, 1, 1)``.

    Returns:
        Of the same shape, in [0, 1].
    """
    mean = pictures.mean(dim=(2, 3), keepdim=True)
    faint = mean + contrast * (pictures - mean)
    if pictures.shape[1] == 1:
        return faint
    brightness = luma(faint)
    return brightness + saturation * (faint - brightness)


def weave(pictures: Tensor, draws: Draws) -> Tensor:
    """Give parts of some pictures a fine random texture: cloth, skin, paper, plaster.

    It changes the brightness and keeps the colour. That tells it from the noise of a sensor, which
    is drawn for each colour by itself.

    Args:
        pictures: Gray or RGB in [0, 1], ``(N, C, H, W)``.
        draws: Where the numbers come from.

    Returns:
        Of the same shape, in [0, 1], channels last in memory.
    """

    def drawn(low: float, high: float) -> Tensor:
        return per_picture(draws.uniform(low, high), pictures)

    height, width = pictures.shape[2:]
    down = fftfreq(height, device=pictures.device)[:, None]
    right = rfftfreq(width, device=pictures.device)
    radius = (down.square() + right.square()).sqrt()
    angle, across = drawn(0, math.pi), drawn(*_WIDTH)
    along = across * drawn(0, math.log(_LONGEST)).exp()
    turned = right * angle.cos() + down * angle.sin(), down * angle.cos() - right * angle.sin()
    passed = _gaussian(turned[0] * along) * _gaussian(turned[1] * across)
    passed = passed * (radius > drawn(*_COARSEST))
    texture = _unit(_filtered(draws.normal(pictures[:, :1]), passed))
    areas = _unit(_filtered(draws.normal(pictures[:, :1]), _gaussian(radius * _PATCH)))
    cover = (_EDGE * areas + drawn(*_COVER)).sigmoid()
    size = drawn(*(math.log(end) for end in _SIZE)).exp()
    woven = (pictures * (1 + size * cover * texture)).clamp(0, 1)
    done = torch.where(chance(draws, _WOVEN_SHARE, pictures), woven, pictures)
    return done.contiguous(memory_format=torch.channels_last)


def _gaussian(reach: Tensor) -> Tensor:
    """Transfer function of a Gaussian, of frequency times standard deviation."""
    return torch.exp(-2 * (math.pi * reach).square())


def _filtered(noise: Tensor, passed: Tensor) -> Tensor:
    filtered: Tensor = irfft2(rfft2(noise) * passed, s=noise.shape[2:])
    return filtered


def _unit(planes: Tensor) -> Tensor:
    """With mean 0 and standard deviation 1; what is constant becomes 0."""
    centred = planes - planes.mean(dim=(2, 3), keepdim=True)
    return centred / planes.std(dim=(2, 3), correction=0, keepdim=True).clamp_min(1e-6)
