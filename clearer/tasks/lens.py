"""Softness of pictures at the resolution of their sensor.

A lens, the filter before a sensor and demosaicing leave little in the finest patterns. Data sets
for training are photographs that were reduced in size, and hold much there. A network that has
seen only those takes the noise of a camera, which spans pixels, for texture.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

__all__ = ["soften"]

_REACH = 3.0
"""Of the Gaussian, in standard deviations."""


def soften(pictures: Tensor, blur: Tensor, most: float) -> Tensor:
    """Pictures as a lens draws them: each smoothed by a Gaussian of its own, with reflect padding.

    Args:
        pictures: ``(N, C, H, W)``.
        blur: Standard deviation in pixels, ``(N, 1, 1, 1)``, above 0.
        most: The largest that ``blur`` may be: it is not read from the device.

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
