"""Which input pixels an output pixel of a network depends on, from its architecture (no torch).

Rows and columns behave alike, so one axis is enough. Nearest upsampling makes the answer differ
from pixel to pixel, with period ``space.multiple``: every scale is followed position by position
over one such period, as the interval of input pixels that a feature there depends on. The steps
mirror those of :mod:`clearer.networks.blocks`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from clearer.operations.fusion import FUSION
from clearer.operations.registry import OPERATIONS
from clearer.operations.seen import Seen
from clearer.space.space import Architecture, SearchSpace

__all__ = ["Reach", "effective_field", "receptive_field"]

_DEVIATIONS: Final = 3.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How far an output pixel sees: distances to the outermost input pixels it can depend on."""

    before: int
    """Rows above it, and columns to its left."""
    after: int
    """Rows below it, and columns to its right."""

    @property
    def size(self) -> int:
        """Side of the receptive field in pixels, at most."""
        return self.before + 1 + self.after


def receptive_field(architecture: Architecture) -> Reach:
    """The farthest that any output pixel sees, over all positions of the sampling grids.

    No output depends on pixels outside it. The bound is reached where no weight is zero and no ReLU
    blocks a path. Pixels that pad a picture inside the network count as input pixels.
    """
    return _reach(_seen(architecture), architecture.space)


def effective_field(architecture: Architecture) -> Reach:
    """How far those input pixels lie that matter: three standard deviations, at most the bound.

    Many layers add up to a bell: Luo et al., "Understanding the Effective Receptive Field in Deep
    Convolutional Neural Networks", NeurIPS 2016. Of the paths, the one that spreads most decides.
    """
    seen = _seen(architecture)
    field = _reach(seen, architecture.space)
    spread = math.ceil(_DEVIATIONS * math.sqrt(seen.variance))
    return Reach(min(field.before, spread), min(field.after, spread))


def _seen(architecture: Architecture) -> Seen:
    space = architecture.space
    pixels = Seen(tuple((i, i) for i in range(space.multiple)), space.multiple)
    unshuffle = space.unshuffle
    blocks = pixels.after(
        space.multiple // unshuffle, lambda i: (unshuffle * i, unshuffle * i + unshuffle - 1)
    )
    has_bottlenecks = space.stem == "bottlenecks"
    features = [blocks.conv().conv() if has_bottlenecks else blocks.conv()]
    for place, cell in enumerate(architecture.cells):
        if len(features) < space.first_scales + place:
            features = _transition(features, narrows=has_bottlenecks and len(features) == 1)
        for column in cell:
            features = [OPERATIONS[c].reach(features, scale) for scale, c in enumerate(column)]
    finest = FUSION.reach(features, 0)
    return finest.after(space.multiple, lambda i: (i // unshuffle, i // unshuffle))


def _reach(seen: Seen, space: SearchSpace) -> Reach:
    """Distances from each pixel to the ends of its interval; a residual adds just the pixel."""
    ends = [(i - first, last - i) for i, (first, last) in enumerate(seen.intervals)]
    assert len(ends) == space.multiple
    return Reach(max(before for before, _ in ends), max(after for _, after in ends))


def _transition(features: list[Seen], *, narrows: bool) -> list[Seen]:
    kept = [features[0].conv()] if narrows else features
    return [*kept, features[-1].down()]
