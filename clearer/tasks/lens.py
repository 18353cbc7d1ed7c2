"""The softness of pictures at the resolution of their sensor.

A lens, the filter before a sensor and demosaicing leave little detail at the finest scale. Training
sets are photographs that were reduced in size, with much detail there. A network trained only on
those takes camera noise, which spans several pixels, for texture.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["soften"]

_REACH = 3.0
"""Radius of the Gaussian, in standard deviations."""


def soften(pictures: Tensor, blur: Tensor, most: float) -> Tensor:
    """Blur each picture with a Gaussian of its own, as a lens does, with reflect padding.

    Args:
        pictures: ``(N, C, H, W)``.
        blur: Standard deviation in pixels, ``(N, 1, 1, 1)``, above 0.
        most: Upper bound of ``blur``, which is not read from the device.

    Returns:
        Of the same shape, channels last in memory.
    """
    n, channels, height, width = pictures.shape
    reach = min(round(_REACH * most), height - 1, width - 1)
    steps = torch.arange(-reach, reach + 1, dtype=pictures.dtype, device=pictures.device)
    weights = torch.exp(-((steps / blur) ** 2) / 2)
    weights = weights / weights.sum(3, keepdim=True)
    kernels = weights.expand(n, channels, 1, -1).reshape(n * channels, 1, 1, -1)
    planes = functional.pad(pictures, [reach] * 4, mode="reflect").reshape(
        1, n * channels, height + 2 * reach, width + 2 * reach
    )
    narrow = functional.conv2d(planes, kernels, groups=n * channels)
    soft = functional.conv2d(narrow, kernels.transpose(2, 3), groups=n * channels)
    return soft.view(n, channels, height, width).contiguous(memory_format=torch.channels_last)
