"""The interface of whatever restores pictures."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["Restorer"]

Restorer = Callable[[NDArray[np.float32]], NDArray[np.float32]]
"""Maps ``(1, C, H, W)`` float32 to the same shape; of a network with a level map,
``(1, C + 1, H, W)`` to ``(1, C, H, W)``."""
