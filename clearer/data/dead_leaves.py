"""Synthetic pictures of random overlapping shapes, whose statistics are like those of photographs.

The dead leaves model: Lee, Mumford, Huang, "Occlusion models for natural images", IJCV 2001; as
training data for denoisers: Achddou, Gousseau, Ladjal, "Synthetic images as a regularity prior for
image restoration neural networks", SSVM 2021.
"""

from __future__ import annotations

from dataclasses import dataclass
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
    background = colors[rng.integers(len(colors))]
    # The model is defined by painting back to front, leaves of all sizes in random order.
    low, high = _MIN_RADIUS * _OVERSAMPLING, side / 3
    uniform = rng.random(_NUM_LEAVES)
    radii = (low**-2 + uniform * (high**-2 - low**-2)) ** -0.5
    leaves = [
        _Leaf.draw(side, float(radius), colors[rng.integers(len(colors))], rng) for radius in radii
    ]
    # From the front: most of what a leaf behind would paint is covered, and is never computed.
    canvas = np.empty((side, side, colors.shape[1]), dtype=np.float32)
    is_free = np.ones((side, side), dtype=bool)
    for leaf in reversed(leaves):
        leaf.paint(canvas, is_free)
    canvas[is_free] = background
    blocks = canvas.reshape(size, _OVERSAMPLING, size, _OVERSAMPLING, -1)
    picture: NDArray[np.uint8] = np.rint(blocks.mean(axis=(1, 3)).clip(0, 255)).astype(np.uint8)
    return picture


@dataclass(frozen=True, slots=True)
class _Leaf:
    """An ellipse or a rectangle."""

    center: NDArray[np.float64]
    radius: float
    angle: float
    aspect: float
    is_ellipse: bool
    color: NDArray[np.uint8]
    gradient: tuple[float, float]
    stripes: tuple[float, float, float] | None
    """Frequency, amplitude, phase."""

    @classmethod
    def draw(
        cls, side: int, radius: float, color: NDArray[np.uint8], rng: np.random.Generator
    ) -> _Leaf:
        """A leaf at random on a canvas of this side."""
        center = rng.uniform(0, side, 2)
        angle, aspect = rng.uniform(0, np.pi), rng.uniform(0.5, 1.0)
        is_ellipse = rng.random() < 0.5
        gradient = rng.normal(0, 20), rng.normal(0, 20)
        stripes = None
        if rng.random() < 0.5:
            frequency = rng.uniform(0.2, 1.5) * radius / _OVERSAMPLING
            stripes = frequency, rng.uniform(0, 25), rng.uniform(0, 6.3)
        return cls(center, radius, angle, aspect, is_ellipse, color, gradient, stripes)

    def paint(self, canvas: NDArray[np.float32], is_free: NDArray[np.bool_]) -> None:
        """Paint what is free; it is no longer free afterwards."""
        side = canvas.shape[0]
        # Distance to its corners, plus rounding.
        reach = int(self.radius * (1 if self.is_ellipse else np.hypot(1, self.aspect))) + 2
        rows, columns = (
            slice(max(int(middle) - reach, 0), min(int(middle) + reach, side))
            for middle in self.center
        )
        free = is_free[rows, columns]
        if not free.any():
            return
        y = np.arange(rows.start, rows.stop, dtype=np.float32)[:, None] - self.center[0]
        x = np.arange(columns.start, columns.stop, dtype=np.float32)[None, :] - self.center[1]
        u = (np.cos(self.angle) * x + np.sin(self.angle) * y) / self.radius
        v = (np.cos(self.angle) * y - np.sin(self.angle) * x) / (self.radius * self.aspect)
        inside = u * u + v * v < 1 if self.is_ellipse else np.maximum(abs(u), abs(v)) < 1
        inside &= free
        u, v = u[inside], v[inside]  # compute only what is painted
        shade = self.gradient[0] * u + self.gradient[1] * v
        if self.stripes is not None:
            frequency, amplitude, phase = self.stripes
            shade = shade + amplitude * np.sin(frequency * u + phase)
        canvas[rows, columns][inside] = self.color.astype(np.float32) + shade[:, None]
        free[inside] = False
