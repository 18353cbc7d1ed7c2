"""Scenes as a camera sees them at its own resolution: less contrast and colour than in data sets.

Photographs that were selected and reduced in size for training show much at once. A few hundred
pixels of a camera show a wall, a cloth, a cheek: less contrast, and hardly a second colour. A
network trained only on the former takes the coarse noise of a camera for part of the scene.
"""

from __future__ import annotations

from torch import Tensor

from clearer.tasks.sensor_noise import luma

__all__ = ["fade"]


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
