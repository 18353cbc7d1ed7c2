"""Whether the noise of a colour picture is white or as cameras make it, by the picture alone.

White noise is independent in each pixel and channel: the differences between channels hold as much
of it in the finest patterns as in coarser ones. The noise of a camera passes demosaicing, smoothing
and JPEG on its way into a file, and nearly always colours of half the resolution: of the finest
patterns of colour hardly any are left. The same is so for a clean photograph, and for one whose
white noise went through JPEG. Pictures themselves have little fine colour, least of all where they
are smooth: there it is measured.

``benchmarks/noise_kind.py`` says how far apart the two kinds lie: the shares are at most 0.47 in
photographs of PolyU, and at least 0.91 in pictures of BSDS500 with white noise of sigma 5 to 50.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.restoring.noise_level import SIDE, cosine_patterns, draw_patches

__all__ = ["fine_color_share", "is_noise_of_camera"]

_MAX_PATCHES: Final = 10_000
_SMOOTH_SHARE: Final = 0.02
"""Of the patches, those with the least energy in coarse patterns of colour."""
_LAST_COARSE, _LAST_MIDDLE, _FIRST_FINE = 4, 7, 9
"""Patterns (u, v) of 8x8 pixels by u + v: coarse choose patches, middle and fine are compared."""
_MOST_OF_CAMERA: Final = 0.7
_LEAST_VARIANCE: Final = 5e-6
"""Of two differences of channels that were rounded to 8 bits: what is below is no noise that a
network for white noise would take away, and what JPEG leaves of it may have any pattern."""


def is_noise_of_camera(picture: NDArray[Any]) -> bool:
    """Whether a network for photographs is the one for a picture, rather than one for white noise.

    Args:
        picture: ``(H, W, 3)``, unsigned integers of full scale, or floating point.

    Raises:
        ValueError: If it has another shape.
    """
    return fine_color_share(picture) < _MOST_OF_CAMERA


def fine_color_share(picture: NDArray[Any]) -> float:
    """Variance of the finest patterns of colour over that of coarser ones, in smooth places.

    Args:
        picture: As for :func:`is_noise_of_camera`.

    Returns:
        About 1 for white noise; 0 where colours do not vary; 1 for pictures of fewer than 8 rows or
        columns, of which nothing is known.

    Raises:
        ValueError: If the picture has another shape.
    """
    if picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"picture has shape {picture.shape}; expected (H, W, 3)")
    if min(picture.shape[:2]) < SIDE:
        return 1.0
    patches = draw_patches(picture, _MAX_PATCHES)
    patterns, order = cosine_patterns()
    colors = patches[:, (0, 2)] - patches[:, 1:2]
    energy = np.square(colors @ patterns, dtype=np.float64).sum(axis=1)
    coarse = energy[:, (order > 0) & (order <= _LAST_COARSE)].sum(axis=1)
    count = max(1, round(_SMOOTH_SHARE * len(patches)))
    smooth = energy[np.argpartition(coarse, count - 1)[:count]]
    middle = smooth[:, (order > _LAST_COARSE) & (order <= _LAST_MIDDLE)].mean()
    fine = smooth[:, order >= _FIRST_FINE].mean()
    return float(fine / middle) if middle > _LEAST_VARIANCE else 0.0
