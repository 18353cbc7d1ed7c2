"""Centre crops: less to compute, and as many scenes."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from clearer.pictures.images import ImageSet

__all__ = ["middles"]


def middles(images: ImageSet, side: int) -> ImageSet:
    """Centre squares of this side; a side that is shorter is kept."""
    return ImageSet(images.names, tuple(middle(image, side) for image in images.images))


def middle(image: NDArray[Any], side: int) -> NDArray[Any]:
    """The same of one picture, ``(H, W, C)``."""
    top, left = (max(0, (length - side) // 2) for length in image.shape[:2])
    return image[top : top + side, left : left + side]
