"""Restoring a picture in eight ways that should agree."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from clearer.evaluate import Restorer

__all__ = ["self_ensemble"]


def self_ensemble(restore: Restorer) -> Restorer:
    """Average the results for the eight flips and rotations of a picture, each turned back."""

    def restore_all(degraded: NDArray[np.float32]) -> NDArray[np.float32]:
        total = np.zeros(degraded.shape, np.float64)
        for turns in range(4):
            for is_flipped in (False, True):
                turned = np.rot90(degraded, turns, (2, 3))
                turned = turned[..., ::-1] if is_flipped else turned
                restored = restore(np.ascontiguousarray(turned))
                restored = restored[..., ::-1] if is_flipped else restored
                total += np.rot90(restored, -turns, (2, 3))
        return (total / 8).astype(np.float32)

    return restore_all
