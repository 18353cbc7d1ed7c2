"""Whether the noise of a picture is white or that of a camera, from the picture alone.

White noise is independent in each pixel and channel: differences between channels hold as much of
it at the finest scale as at coarser ones. Camera noise passes demosaicing, smoothing and JPEG on
its way into a file, nearly always with subsampled chroma: hardly any fine colour is left. The same
holds for a clean photograph, and for white noise that went through JPEG. Pictures themselves have
little fine colour, least of all where they are smooth: there it is measured.

Gray pictures are measured themselves. They have more detail than colours have, so the kinds are
nearer to each other.

``benchmarks/noise_kind.py`` says how far apart the two kinds are: the shares are 0 in photographs
of PolyU (in gray 0.24 at most), and at least 0.91 (0.69) in pictures of BSDS500 with white noise of
sigma 5 to 50.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.restoring.noise_level import SIDE, cosine_patterns, draw_patches

__all__ = ["fine_share", "is_gray", "is_noise_of_camera"]

_MAX_PATCHES: Final = 10_000
_SMOOTH_SHARE: Final = 0.02
"""Share of the patches that are measured: those with the least energy in coarse patterns."""
_LAST_COARSE, _LAST_MIDDLE, _FIRST_FINE = 4, 7, 9
"""8x8 DCT patterns (u, v) by u + v: coarse ones select patches, middle and fine are compared."""
_MOST_OF_CAMERA: Final = 0.7
_MOST_OF_CAMERA_IN_GRAY: Final = 0.45
_LEAST_VARIANCE: Final = 2.5e-6
"""Variance from rounding to 8 bits, with some room, of a plane: below it there is no noise for a
network to remove, and what JPEG leaves may have any pattern."""


def is_gray(picture: NDArray[Any]) -> bool:
    """Whether a picture has one channel, or three equal ones."""
    first = picture[..., 0]
    return all(
        bool((first == picture[..., channel]).all()) for channel in range(1, picture.shape[2])
    )


def is_noise_of_camera(picture: NDArray[Any]) -> bool:
    """Whether a picture needs a network for photographs rather than one for white noise.

    Args:
        picture: ``(H, W, C)``, gray or RGB, full-scale unsigned integers, or floating point.

    Raises:
        ValueError: If it has another shape.
    """
    share = fine_share(picture)
    return share < (_MOST_OF_CAMERA_IN_GRAY if is_gray(picture) else _MOST_OF_CAMERA)


def fine_share(picture: NDArray[Any]) -> float:
    """Variance of the finest patterns over that of coarser ones, in smooth areas.

    Args:
        picture: As for :func:`is_noise_of_camera`. Of a gray picture its values are measured, of
            others the differences of channels.

    Returns:
        About 1 for white noise; 0 where nothing varies; 1 for pictures of fewer than 8 rows or
        columns, about which nothing is known.

    Raises:
        ValueError: If the picture has another shape.
    """
    if picture.ndim != 3 or picture.shape[2] not in (1, 3):
        raise ValueError(f"picture has shape {picture.shape}; expected (H, W, 1) or (H, W, 3)")
    if min(picture.shape[:2]) < SIDE:
        return 1.0
    if is_gray(picture):
        planes = draw_patches(picture[..., :1], _MAX_PATCHES)
    else:
        patches = draw_patches(picture, _MAX_PATCHES)
        planes = patches[:, (0, 2)] - patches[:, 1:2]
    patterns, order = cosine_patterns()
    energy = np.square(planes @ patterns, dtype=np.float64).sum(axis=1)
    coarse = energy[:, (order > 0) & (order <= _LAST_COARSE)].sum(axis=1)
    count = max(1, round(_SMOOTH_SHARE * len(planes)))
    smooth = energy[np.argpartition(coarse, count - 1)[:count]]
    middle = smooth[:, (order > _LAST_COARSE) & (order <= _LAST_MIDDLE)].mean()
    fine = smooth[:, order >= _FIRST_FINE].mean()
    return float(fine / middle) if middle > planes.shape[1] * _LEAST_VARIANCE else 0.0
