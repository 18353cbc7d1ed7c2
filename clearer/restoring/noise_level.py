"""Estimates the level of white Gaussian noise in a picture from the picture alone.

White noise is equally strong in all coefficients of a discrete cosine transform, and independent
in each; a picture is weak in the high ones. Of many small patches, those with the least energy in
the low coefficients are the smoothest: their high coefficients show the noise. Since patches are
selected by other coefficients than those measured, the selection does not bias the estimate.

The method is that of Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS
images", IGARSS 2007, as analysed by Colom and Buades, "Analysis and Extension of the Ponomarenko et
al. Method, Estimating a Noise Curve from a Single Image", IPOL 2013. The correction for clipped
noise is ours. ``benchmarks/noise_level.py`` compares it with others.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.pictures.stored_picture import full_scale

__all__ = ["SIDE", "cosine_patterns", "draw_patches", "estimate_level"]

SIDE: Final = 8
"""Side of a patch, in pixels."""
_FIRST_HIGH: Final = 9
"""Coefficients (u, v) count as high from this u + v on: 21 of 64 do."""
_MAX_PATCHES: Final = 60_000
_NUM_SMOOTH: Final = 400
"""Minimum number of patches to measure: more are less smooth, fewer measure less precisely."""
_ROOM: Final = 0.2
"""Minimum distance of a patch's mean from black and white, before the level is known."""
_ROOM_IN_LEVELS: Final = 3.0
"""The same in standard deviations of the noise: hardly any noise is clipped there."""
_LEAST_SHARE: Final = 0.1
"""Share of the patches kept, however near to black or white the picture is."""
_FAR: Final = 9.0
"""Standard deviations from black and white at which no noise is clipped."""
_ROUNDING: Final = 1e-5
"""A level below this is the rounding of float32, not noise."""

Patches = NDArray[np.float32]
Values = NDArray[np.float64]


def estimate_level(picture: NDArray[Any]) -> float:
    """Standard deviation of the white Gaussian noise in a picture.

    If the picture stays within [0, 1], its noise is assumed to be clipped: patches near black and
    white are left out where possible, and the level is that before clipping. The same picture
    always gives the same level. Strong fine texture without a smooth area counts as noise.

    Args:
        picture: ``(H, W, C)``, floating point with black at 0 and white at 1 (values may leave that
            range), or full-scale unsigned integers. All channels have the same noise level.

    Returns:
        The level, with white at 1; 0 if there is none, and for pictures of fewer than 8 rows or
        columns.

    Raises:
        ValueError: If the picture has no three axes or no channels.
    """
    if picture.ndim != 3 or picture.shape[2] < 1:
        raise ValueError(f"picture has shape {picture.shape}; expected (H, W, C)")
    if min(picture.shape[:2]) < SIDE:
        return 0.0
    patches = draw_patches(picture)
    low, high = _basis()
    coarse = patches.reshape(-1, SIDE**2) @ low
    energy = np.square(coarse, out=coarse).reshape(len(patches), -1).sum(axis=1)
    order = np.argsort(energy)
    means = patches.mean(axis=2)
    is_clipped = patches.min() >= 0 and patches.max() <= 1
    room = _room(patches) if is_clipped else np.ones(len(patches))
    most = float(np.quantile(room, 1 - _LEAST_SHARE))
    level, wanted = 0.0, _ROOM
    for _ in range(2):
        roomy = order[room[order] >= min(wanted, most)]  # the smoothest first
        # Patches with no more energy than noise alone are as good as the smoothest.
        expected = level**2 * low.shape[1] * means.shape[1]
        count = max(_NUM_SMOOTH, int(np.searchsorted(energy[roomy], expected)))
        smooth = roomy[:count]
        level = _measure(patches[smooth] @ high)
        if is_clipped:
            level = _before_clipping(level, means[smooth].astype(np.float64))
        wanted = _ROOM_IN_LEVELS * level
    return level


def draw_patches(picture: NDArray[Any], most: int = _MAX_PATCHES) -> Patches:
    """Draw patches ``(N, C, 64)``: all of a small picture; of a large one always the same sample.

    Args:
        picture: As for :func:`estimate_level`, of at least 8 rows and columns.
        most: Most patches to draw.
    """
    windows = np.lib.stride_tricks.sliding_window_view(picture, (SIDE, SIDE), axis=(0, 1))
    rows, columns = windows.shape[:2]
    total = rows * columns
    if total > most:
        places = np.sort(np.random.default_rng(0).choice(total, most, replace=False))
    else:
        places = np.arange(total)
    patches = np.empty((len(places), picture.shape[2], SIDE**2), np.float32)
    for channel in range(picture.shape[2]):  # each patch in one piece: means are fast
        drawn = windows[places // columns, places % columns, channel]
        patches[:, channel] = drawn.reshape(-1, SIDE**2)
    scale = full_scale(picture)
    return patches if scale == 1 else patches / scale


def _room(patches: Patches) -> Values:
    """Distance of each patch's mean from black and white; 0 if most samples are either.

    Black text on white has a mean between them, but no noise to measure.
    """
    means = patches.mean(axis=2, dtype=np.float64)
    saturated = ((patches <= 0) | (patches >= 1)).mean(axis=2)
    room = np.where(saturated > 0.5, 0, np.minimum(means, 1 - means))
    least: Values = room.min(axis=1)
    return least


def _measure(high: Patches) -> float:
    """Noise level from coefficients ``(N, C, K)``."""
    variances = np.square(high, dtype=np.float64).mean(axis=0)
    # The median of variances of few values is below their mean: corrected by the median of a
    # chi-squared distribution over its degrees of freedom, after Wilson and Hilferty.
    return float(np.sqrt(np.median(variances) / (1 - 2 / (9 * len(high))) ** 3))


def cosine_patterns() -> tuple[Patches, NDArray[np.intp]]:
    """The patterns of the cosine transform, ``(64, 64)``, one per column, and u + v of each."""
    steps = np.arange(SIDE)
    waves = np.cos(np.pi / SIDE * np.outer(steps, steps + 0.5)) * np.sqrt(2 / SIDE)
    waves[0] /= np.sqrt(2)
    patterns: Patches = np.kron(waves, waves).astype(np.float32).T
    return patterns, np.add.outer(steps, steps).ravel()


def _basis() -> tuple[Patches, Patches]:
    """The low and the high patterns; the mean is neither."""
    patterns, order = cosine_patterns()
    return patterns[:, (order > 0) & (order < _FIRST_HIGH)], patterns[:, order >= _FIRST_HIGH]


def _before_clipping(measured: float, means: Values) -> float:
    """The noise level before clipping to [0, 1], from the level measured after it."""

    def excess(level: float) -> float:
        return float(np.sqrt(_clipped_variance(means, level).mean())) - measured

    room = min(means.min(), 1 - means.max())
    if measured < _ROUNDING or room > _FAR * measured or excess(measured) >= 0:
        return measured
    from scipy.optimize import brentq  # takes half a second, and most pictures do not need it

    return float(brentq(excess, measured, 1, xtol=1e-6)) if excess(1) > 0 else 1.0


def _clipped_variance(mean: Values, level: float) -> Values:
    """Variance of a normal distribution clipped to [0, 1]."""
    from scipy.special import ndtr

    below, above = -mean / level, (1 - mean) / level
    inside = ndtr(above) - ndtr(below)
    at_0, at_1 = (np.exp(-(bound**2) / 2) / np.sqrt(2 * np.pi) for bound in (below, above))
    first = mean * inside + level * (at_0 - at_1) + ndtr(-above)
    second = (
        (mean**2 + level**2) * inside + level * (mean * at_0 - (mean + 1) * at_1) + ndtr(-above)
    )
    variance: Values = second - first**2
    return variance
