"""The noise level as an input plane, for networks whose space has a level map.

In torch, and wherever this package passes pictures on, the level is the last plane of the network's
input. An ONNX file has a separate input for it: one number per picture.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["LEVEL_GAIN", "at_level", "file_inputs", "with_level"]

Array = NDArray[np.float32]
LEVEL_GAIN: Final = 4.0
"""A residual network predicts noise in units of this times the level: at usual levels its
predictions are then about as large as without a level."""


def with_level(planes: Array, level: float) -> Array:
    """Append a plane filled with the level: ``(N, C, H, W)`` becomes ``(N, C + 1, H, W)``.

    Args:
        planes: The pictures, range [0, 1].
        level: Standard deviation of the noise, on the same scale.
    """
    n, _, height, width = planes.shape
    plane = np.full((n, 1, height, width), level, dtype=np.float32)
    return np.concatenate([planes, plane], axis=1)


def file_inputs(given: NDArray[Any], *, has_level: bool) -> list[NDArray[Any]]:
    """The inputs of a file, in order.

    Args:
        given: ``(N, C, H, W)`` float32 in [0, 1], or ``(N, H, W, C)`` uint8; with a level, one
            more channel, the last.
        has_level: Whether the file has an input for the level.

    Returns:
        The image and, if there is one, the level of each picture on the scale 0 to 255,
        ``(N,)`` float32.
    """
    if not has_level:
        return [given]
    if given.dtype == np.uint8:
        return [np.ascontiguousarray(given[..., :-1]), given[:, 0, 0, -1].astype(np.float32)]
    image, level = given[:, :-1], given[:, -1, 0, 0].astype(np.float32)
    return [np.ascontiguousarray(image), level * np.float32(255)]


def at_level(restore: Callable[[Array], Array], level: float) -> Callable[[Array], Array]:
    """Bind a network with a level map to one level: it then maps pictures ``(N, C, H, W)``."""
    return lambda planes: restore(with_level(planes, level))
