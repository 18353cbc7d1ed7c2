"""Self-ensembles: the mean of a network's results over flips and rotations of a picture."""

from __future__ import annotations

from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clearer.restoring.restorer import Restorer

__all__ = ["Views", "self_ensemble"]

Views = Literal[1, 2, 4, 8]
"""Number of flips and rotations."""

# Quarter turns, and whether it is mirrored. Rotations first: two of them gain more than a picture
# and its mirror image, and four nearly as much as all eight (benchmarks/self_ensemble.py).
_TURNS: Final = tuple((turns, mirrored) for mirrored in (False, True) for turns in range(4))
_UPRIGHT: Final = ((0, False), (0, True))


def self_ensemble(restore: Restorer, views: Views = 8, *, upright: bool = False) -> Restorer:
    """Average the results for flips and rotations of a picture, each undone.

    Args:
        restore: Restores one picture.
        views: How many to average over, in as many times the time.
        upright: Average at most over the picture and its mirror image.
    """

    def restore_all(degraded: NDArray[np.float32]) -> NDArray[np.float32]:
        chosen = (_UPRIGHT if upright else _TURNS)[:views]
        total = np.zeros(1)
        for turns, mirrored in chosen:
            turned = np.rot90(degraded, turns, (2, 3))
            turned = turned[..., ::-1] if mirrored else turned
            restored = restore(np.ascontiguousarray(turned))
            restored = restored[..., ::-1] if mirrored else restored
            total = total + np.rot90(restored, -turns, (2, 3))
        return np.asarray(total / len(chosen), np.float32)

    return restore_all if views > 1 else restore
