"""Sensor noise as it arrives in pictures: demosaiced, reduced in size, smoothed.

Demosaicing, the colour matrix, smoothing, sharpening and a change of size are linear: applied to a
noisy mosaic, they give the sum of their results for the clean mosaic and for the noise. So only the
noise passes through them, and is added to the clean picture in linear light. The clean picture
keeps its own resolution: the task is to remove noise, not to find detail that a mosaic never saw.
The noise is made at the resolution of a sensor up to twice as fine as the picture, as in pictures
that were reduced in size.
Two simplifications: noise passes the tone curve after the reduction in size, not before; and noise
reduction takes nothing from the picture itself.
"""

from __future__ import annotations

import math
from typing import Final, NamedTuple

import torch
from torch import Tensor

from clearer.tasks.base import Span
from clearer.tasks.camera import Camera, draw_camera
from clearer.tasks.camera_finish import finish
from clearer.tasks.demosaic import BAYER, BLOCK, demosaic
from clearer.tasks.draws import Draws, per_picture

__all__ = ["luma", "photograph", "read_variance", "sensor_noise"]

_LUMA_BLUR: Final = (0.05, 0.6)  # pixels of the sensor, standard deviation of a Gaussian
_CHROMA_BLUR: Final = (0.7, 4.5)
_MARGIN: Final = 10  # pixels of the sensor around the picture that smoothing reads
_RED, _GREEN, _BLUE = 0.299, 0.587, 0.114


class _Sampling(NamedTuple):
    """Where the pixels of pictures lie on their sensors, along rows and columns."""

    factor: Tensor
    """Pixels of the sensor per pixel of the picture, in [1, 2], ``(N, 1, 1)``."""
    starts: tuple[Tensor, Tensor]
    """First row and column of the picture on the sensor, ``(N, 1, 1)`` each."""
    sizes: tuple[int, int]
    """Height and width of the picture, in pixels."""
    sites: tuple[Tensor, Tensor]
    """Indices of the sensor's rows and columns: 0, 1, 2, ..., an even number of each."""


def photograph(pictures: Tensor, shot: Span, draws: Draws, most_reduced: float = 2.0) -> Tensor:
    """Add camera noise to pictures, with a camera drawn for each, before they are saved.

    Args:
        pictures: sRGB in [0, 1], ``(N, 3, H, W)``.
        shot: Variance of shot noise at full scale, drawn log-uniformly.
        draws: Where the numbers come from.
        most_reduced: As for :func:`sensor_noise`.

    Returns:
        Of the same shape, in [0, 1].
    """
    camera = draw_camera(draws, pictures)
    lowest, highest = math.log(shot.low), math.log(shot.high)
    variance = per_picture(draws.uniform(lowest, highest), pictures).exp()
    linear = camera.curve.invert(pictures)
    read = read_variance(variance, draws)
    noise = sensor_noise(linear, camera, variance, read, draws, most_reduced)
    return camera.curve.apply(linear + noise)


def read_variance(shot: Tensor, draws: Draws) -> Tensor:
    """Variance of a sensor's read noise, drawn given its shot noise.

    Brooks et al. 2019, section 3.1: log(read) is normal with mean 2.18 log(shot) + 1.2 and standard
    deviation 0.26, as fitted to the cameras of the Darmstadt Noise Dataset.

    Args:
        shot: Variance of shot noise at full scale, ``(N, 1, 1, 1)``.
        draws: Where the numbers come from.
    """
    return (2.18 * shot.log() + 1.2 + 0.26 * draws.normal(shot)).exp()


def sensor_noise(
    linear: Tensor,
    camera: Camera,
    shot: Tensor,
    read: Tensor,
    draws: Draws,
    most_reduced: float = 2.0,
) -> Tensor:
    """Noise to add to pictures in linear light.

    On the sensor it is normal, with the variance ``shot * x + read`` at x in [0, 1]: shot noise and
    read noise.

    Args:
        linear: Linear sRGB in [0, 1], ``(N, 3, H, W)``.
        camera: The camera of each picture.
        shot: Variance of shot noise at full scale, ``(N, 1, 1, 1)``.
        read: Variance of read noise, ``(N, 1, 1, 1)``.
        draws: Where the numbers come from.
        most_reduced: Half of the pictures are reduced by a factor between 1 and this, at most 2;
            the others have the resolution of the sensor.

    Returns:
        Of the shape of ``linear``.
    """
    sampling = _draw_sampling(linear, most_reduced, draws)
    deviation = (camera.to_sensor(linear) * shot + read).sqrt() * camera.gains[..., None, None]
    scale = _at_sites(deviation, sampling)
    to_rgb = camera.to_rgb
    to_luma = luma(to_rgb)
    planes = demosaic(
        draws.normal(scale) * scale,
        gradient=per_picture(draws.uniform(0, 1), linear).round(),
        matrix=torch.cat([to_luma, to_rgb[:, ::2] - to_luma], 1),
    )
    luma_blur = per_picture(draws.uniform(*_LUMA_BLUR), linear)
    chroma_blur = per_picture(draws.uniform(*_CHROMA_BLUR), linear)
    fine = _resample(planes[:, :1], sampling, luma_blur)
    brightness = finish(fine, luma(linear), draws)
    red, blue = _resample(planes[:, 1:], sampling, chroma_blur).split(1, 1)
    green = (red * _RED + blue * _BLUE) / -_GREEN
    return torch.cat([red, green, blue], 1) + brightness


def luma(colors: Tensor) -> Tensor:
    """BT.601 luma of RGB along the second dimension, which is kept with length 1."""
    red, green, blue = colors.split(1, 1)
    return torch.add(red * _RED + green * _GREEN, blue, alpha=_BLUE)


def _draw_sampling(like: Tensor, most_reduced: float, draws: Draws) -> _Sampling:
    height, width = like.shape[2:]
    factor = per_picture(draws.uniform(2 - most_reduced, most_reduced), like).clamp_min(1)
    top, left = (per_picture(draws.uniform(0, 2), like).floor() for _ in range(2))
    rows, columns = (math.ceil(most_reduced * side) + 2 + 2 * _MARGIN for side in (height, width))
    return _Sampling(
        factor=factor[:, 0],
        starts=(top[:, 0] + _MARGIN, left[:, 0] + _MARGIN),
        sizes=(height, width),
        sites=(
            torch.arange(rows + rows % 2, device=like.device),
            torch.arange(columns + columns % 2, device=like.device),
        ),
    )


def _at_sites(deviation: Tensor, sampling: _Sampling) -> Tensor:
    """Look up the value at each sensor pixel for the colour that it sees, as blocks of RGGB.

    Returns:
        ``(N, 4, H / 2, W / 2)``.
    """
    height, width = sampling.sizes
    rows, columns = (
        ((sites + 0.5 - start) / sampling.factor).long().clamp(0, size - 1)[:, 0]
        for sites, start, size in zip(sampling.sites, sampling.starts, sampling.sizes, strict=True)
    )
    values = deviation.flatten(1)
    blocks = []
    for y, x in BLOCK:
        first = BAYER[y][x] * height * width + rows[:, y::2] * width
        places = first[:, :, None] + columns[:, None, x::2]
        blocks.append(values.gather(1, places.flatten(1)).view(places.shape))
    return torch.stack(blocks, 1)


def _resample(planes: Tensor, sampling: _Sampling, blur: Tensor) -> Tensor:
    """Smooth with a Gaussian, and average over each pixel of the picture.

    Args:
        planes: Planes on the sensor, ``(N, C, H, W)``.
        sampling: Where the pictures lie.
        blur: Standard deviation of the Gaussian in pixels of the sensor, ``(N, 1, 1, 1)``.

    Returns:
        Planes of the size of the picture.
    """
    rows, columns = (
        _weights(size, sites, start, sampling.factor, blur[:, 0])
        for size, sites, start in zip(sampling.sizes, sampling.sites, sampling.starts, strict=True)
    )
    narrow = torch.bmm(planes.flatten(1, 2), columns.transpose(1, 2))
    return torch.matmul(rows[:, None], narrow.unflatten(1, planes.shape[1:3]))


def _weights(size: int, sites: Tensor, start: Tensor, factor: Tensor, blur: Tensor) -> Tensor:
    """Weight of each sensor pixel in each picture pixel along one axis, ``(N, size, sites)``."""
    edges = start + factor * torch.arange(size + 1, device=sites.device)
    distances = edges.transpose(1, 2) - (sites + 0.5)
    weights = torch.diff(torch.erf(distances / (math.sqrt(2) * blur)), dim=1)
    return weights / weights.sum(2, keepdim=True)
