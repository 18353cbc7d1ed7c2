"""PSNR, PSNR-B and SSIM of whole images."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["SSIM_WINDOW", "luma_y", "psnr_b_db", "psnr_db", "ssim"]

SSIM_WINDOW: Final = 11
"""Side of the Gaussian window, in pixels."""

# On the scale of 255, for R, G and B from 0 to 1.
_LUMA_WEIGHTS: Final = np.array([65.481, 128.553, 24.966])
_LUMA_OFFSET: Final = 16.0

_BLOCK: Final = 8
"""Side of a JPEG block, in pixels."""

Image = NDArray[np.float32]


def luma_y(rgb: Image) -> Image:
    """ITU-R BT.601 luma in video range, as MATLAB's ``rgb2ycbcr`` gives it for floating point.

    Deraining tables use it: PSNR and SSIM with a data range of 255, though luma spans only 16 to
    235. They round it to 8 bits; this function does not.

    Args:
        rgb: ``(3, H, W)``, range [0, 1].

    Returns:
        ``(1, H, W)``, from 16/255 to 235/255.

    Raises:
        ValueError: If there are not three channels.
    """
    if rgb.shape[0] != 3:
        raise ValueError(f"luma needs 3 channels, got {rgb.shape[0]}")
    luma = (_LUMA_OFFSET + np.tensordot(_LUMA_WEIGHTS, rgb.astype(np.float64), 1)) / 255
    return luma[None].astype(np.float32)


def psnr_db(image: Image, clean: Image) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels, data range 1.

    Raises:
        ValueError: If the shapes differ.
    """
    if image.shape != clean.shape:
        raise ValueError(f"shapes differ: {image.shape} and {clean.shape}")
    error = float(np.mean((image.astype(np.float64) - clean) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def psnr_b_db(image: Image, clean: Image) -> float:
    """PSNR with a penalty for 8x8 blocks: the ``PSNR-B`` of deblocking tables, in dB.

    Yim and Bovik, "Quality Assessment of Deblocked Images", IEEE TIP 20(1), 2011. The blocking
    effect factor is added to the mean squared error: by how much neighbours across block borders
    differ more than others, in ``image``, averaged over channels.

    Args:
        image: ``(C, H, W)``, range [0, 1], more than 8 pixels high and wide.
        clean: The same shape.

    Raises:
        ValueError: If the shapes differ, or there is no block border.
    """
    if image.shape != clean.shape:
        raise ValueError(f"shapes differ: {image.shape} and {clean.shape}")
    if min(image.shape[-2:]) <= _BLOCK:
        raise ValueError(f"shape {image.shape} has no two blocks of {_BLOCK}x{_BLOCK}")
    error = float(np.mean((image.astype(np.float64) - clean) ** 2))
    error += float(np.mean([_blocking_effect(plane) for plane in image.astype(np.float64)]))
    return math.inf if error == 0 else -10 * math.log10(error)


def _blocking_effect(plane: NDArray[np.float64]) -> float:
    """The blocking effect factor of one channel, ``(H, W)``."""
    at_borders, elsewhere = [], []
    for turned in (plane, plane.T):
        squares = np.square(np.diff(turned, axis=0))
        is_border = np.arange(1, len(turned)) % _BLOCK == 0
        at_borders.append(squares[is_border].ravel())
        elsewhere.append(squares[~is_border].ravel())
    excess = float(np.concatenate(at_borders).mean() - np.concatenate(elsewhere).mean())
    return max(excess, 0.0) * math.log2(_BLOCK) / math.log2(min(plane.shape))


def ssim(image: Image, clean: Image) -> float:
    """Structural similarity: 11x11 Gaussian window, sigma 1.5, data range 1, mean over channels.

    Args:
        image: ``(C, H, W)``, both sides at least 11.
        clean: The same shape.
    """
    from skimage.metrics import structural_similarity  # slow to import, and not needed to restore

    return float(
        structural_similarity(
            image,
            clean,
            data_range=1.0,
            channel_axis=0,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )
