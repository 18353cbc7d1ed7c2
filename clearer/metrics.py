"""PSNR and SSIM of whole images."""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

__all__ = ["SSIM_WINDOW", "psnr_db", "ssim"]

SSIM_WINDOW: Final = 11
"""Side of the Gaussian window, in pixels."""

Image = NDArray[np.float32]


def psnr_db(image: Image, clean: Image) -> float:
    """Peak signal-to-noise ratio in dB over all pixels and channels, data range 1.

    Raises:
        ValueError: If the shapes differ.
    """
    if image.shape != clean.shape:
        raise ValueError(f"shapes differ: {image.shape} and {clean.shape}")
    error = float(np.mean((image.astype(np.float64) - clean) ** 2))
    return math.inf if error == 0 else -10 * math.log10(error)


def ssim(image: Image, clean: Image) -> float:
    """Structural similarity: Gaussian window of 11x11, sigma 1.5, data range 1, mean over channels.

    Args:
        image: ``(C, H, W)``, both sides at least 11.
        clean: The same shape.
    """
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
