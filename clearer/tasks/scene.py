"""Scenes as a camera sees them at its own resolution: fainter and paler than in data sets.

Photographs that were picked and reduced in size for training show much at once. What a few hundred
pixels of a camera see is a wall, a cloth, a cheek: less contrast, and hardly a second colour. A
network that has seen only the former takes the coarse noise of a camera for what is in the scene.
"""

from __future__ import annotations

from torch import Tensor

from clearer.tasks.sensor_noise import luma

__all__ = ["fade"]


def fade(pictures: Tensor, contrast: Tensor, saturation: Tensor) -> Tensor:
    """Pictures with less contrast around their mean, then with paler colours.

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
