"""Synthetic pictures of random overlapping shapes, whose statistics are like those of photographs.

The dead leaves model: Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001; as
training data for denoisers: Achddou, Gousseau, Ladjal, "Synthetic images as a regularity prior for
image restoration neural networks", SSVM 2021.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["dead_leaves"]

_OVERSAMPLING: Final = 2
_MIN_RADIUS: Final = 6.0
_NUM_LEAVES: Final = 900


def dead_leaves(
    size: int, colors: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.uint8]:
    """One picture of overlapping leaves.

    Radii follow a power law of exponent 3, which makes the picture scale-invariant. Each leaf is an
    ellipse or a rectangle, rotated at random, with a shading gradient and often a stripe texture.

    Args:
        size: Height and width in pixels.
        colors: The colours that leaves are drawn from, shape ``(K, C)``, uint8.
        rng: Source of all randomness.

    Returns:
        ``(size, size, C)``, uint8.
    """
    side = size * _OVERSAMPLING
    canvas = np.empty((side, side, colors.shape[1]), dtype=np.float32)
    canvas[:] = colors[rng.integers(len(colors))]
    # The model is defined by painting back to front, leaves of all sizes in random order.
    low, high = _MIN_RADIUS * _OVERSAMPLING, side / 3
    uniform = rng.random(_NUM_LEAVES)
    radii = (low**-2 + uniform * (high**-2 - low**-2)) ** -0.5
    for radius in radii:
        _paint_leaf(canvas, float(radius), colors[rng.integers(len(colors))], rng)
    blocks = canvas.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, -1)
    picture: NDArray[np.uint8] = np.rint(blocks.mean(axis=(1, 3)).clip(0, 255)).astype(np.uint8)
    return picture


def _paint_leaf(
    canvas: NDArray[np.float32],
    radius: float,
    color: NDArray[np.uint8],
    rng: np.random.Generator,
) -> None:
    side = canvas.shape[0]
    cy, cx = rng.uniform(0, side, 2)
    angle, aspect = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
    is_ellipse = rng.random() < 0.5
    # Distance to its corners, plus rounding.
    reach = int(radius * (1 if is_ellipse else np.hypot(1, aspect))) + 2
    top, left = max(int(cy) - reach, 0), max(int(cx) - reach, 0)
    bottom, right = min(int(cy) + reach, side), min(int(cx) + reach, side)
    y = np.arange(top, bottom, dtype=np.float32)[:, None] - cy
    x = np.arange(left, right, dtype=np.float32)[None, :] - cx
    u = (np.cos(angle) * x + np.sin(angle) * y) / radius
    v = (np.cos(angle) * y - np.sin(angle) * x) / (radius * aspect)
    inside = u * u + v * v < 1 if is_ellipse else np.maximum(abs(u), abs(v)) < 1
    u, v = u[inside], v[inside]  # compute only what is painted
    shade = rng.normal(0, 20) * u + rng.normal(0, 20) * v
    if rng.random() < 0.5:
        frequency = rng.uniform(0.2, 1.5) * radius / _OVERSAMPLING
        shade = shade + rng.uniform(0, 25) * np.sin(frequency * u + rng.uniform(0, 6.3))
    canvas[top:bottom, left:right][inside] = color.astype(np.float32) + shade[:, None]
