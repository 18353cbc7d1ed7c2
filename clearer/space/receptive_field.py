"""Which input pixels an output pixel of a network depends on, from its architecture (no torch).

Rows and columns behave alike, so one axis is enough. Nearest upsampling makes the answer differ
from pixel to pixel, with period ``space.multiple``: every scale is followed position by position
over one such period, as the interval of input pixels that a feature there depends on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from clearer.space.network_nodes import feature_nodes
from clearer.space.seen import Seen, union
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
    unshuffle, graph = space.unshuffle, _SeenGraph()
    blocks = pixels.after(
        space.multiple // unshuffle, lambda i: (unshuffle * i, unshuffle * i + unshuffle - 1)
    )
    name = feature_nodes(graph, space, architecture.cells, graph.new(blocks))
    return graph.values[name].after(space.multiple, lambda i: (i // unshuffle, i // unshuffle))


class _SeenGraph:
    """Follows through the nodes what each value sees."""

    def __init__(self) -> None:
        self.values: dict[str, Seen] = {}

    def new(self, seen: Seen) -> str:
        name = str(len(self.values))
        self.values[name] = seen
        return name

    def node(self, op: str, *inputs: str) -> str:
        return self.new(union(*(self.values[name] for name in inputs)))

    def conv(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        return self.new(self.values[x].conv(kernel, stride))

    def conv_relu(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        return self.conv(x, layer, inputs, outputs, kernel, stride=stride)

    def upsample(self, x: str) -> str:
        return self.new(self.values[x].up())


def _reach(seen: Seen, space: SearchSpace) -> Reach:
    """Distances from each pixel to the ends of its interval; a residual adds just the pixel."""
    ends = [(i - first, last - i) for i, (first, last) in enumerate(seen.intervals)]
    assert len(ends) == space.multiple
    return Reach(max(before for before, _ in ends), max(after for _, after in ends))
