"""U shapes that fill a budget: where the search for the shape of a network begins (no torch).

A network that goes down to coarse scales and up again computes most where it is cheap: blocks at
coarse scales cost file size and hardly any time, blocks at fine scales the reverse. All of
them are architectures of spaces with gates (:mod:`clearer.space.space`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import Final

from clearer.operations.fusion import FUSION
from clearer.operations.registry import OPERATIONS
from clearer.operations.swish import Swish
from clearer.space.space import Architecture, SearchSpace

__all__ = ["Shape", "shapes_within", "smallest_network", "u_space", "without_a_block"]

Fits = Callable[[Architecture], bool]
"""Whether an architecture meets all budgets, as far as estimates tell."""

_WIDTHS: Final = (4, 6, 8, 12, *range(16, 129, 8))
# Per scale and side: beyond that, more width is the better use of a budget.
_MOST_BLOCKS: Final = 4
_MOST_BOTTOM: Final = 8


@dataclass(frozen=True, slots=True)
class Shape:
    """Residual blocks of a U: on the way down, at the bottom, on the way up, finest first.

    Example:
        >>> space = SearchSpace(width=20, stem="conv", first_scales=1, gates=True)
        >>> Shape(space, (2, 2), 4, (2, 2)).architecture().text
        'PP-[.P][.P]-[..P][..P][..P][..P][.F.][.P.][.P.][F..][P..][P..]'
    """

    space: SearchSpace
    """Its ``columns`` are ignored: :meth:`architecture` sets them."""
    down: tuple[int, ...]
    bottom: int
    up: tuple[int, ...]

    def architecture(self) -> Architecture:
        """The network, in the smallest space that contains it."""
        num_scales = len(self.down) + 1
        block = OPERATIONS[self.space.operations[0]].letter
        cells = [
            [_column(scale + 1, scale, block)] * blocks if blocks else ["."]
            for scale, blocks in enumerate(self.down)
        ]
        last = [_column(num_scales, num_scales - 1, block)] * self.bottom
        for scale in reversed(range(num_scales - 1)):
            if scale or self.up[0]:  # every network ends with a fusion into the finest scale
                last.append(_column(num_scales, scale, FUSION.letter))
            last += [_column(num_scales, scale, block)] * self.up[scale]
        cells.append(last or ["."])
        space = replace(self.space, columns=tuple(len(cell) for cell in cells))
        return Architecture.from_text("-".join("".join(cell) for cell in cells), space)

    def grown(self) -> Iterator[Shape]:
        """Each shape with one block more, the coarsest place first."""
        if self.bottom < _MOST_BOTTOM:
            yield replace(self, bottom=self.bottom + 1)
        for scale in reversed(range(len(self.down))):
            if self.up[scale] < _MOST_BLOCKS:
                yield replace(self, up=_one_more(self.up, scale))
            if self.down[scale] < _MOST_BLOCKS:
                yield replace(self, down=_one_more(self.down, scale))


def u_space(space: SearchSpace, *, unshuffle: int, width: int, growth: float) -> SearchSpace:
    """A space that contains U shapes.

    Args:
        space: Gives the input and output: channels, level map, and whether it is residual.
        unshuffle: Of the new space.
        width: Of the new space.
        growth: Of the new space.
    """
    return SearchSpace(
        channels=space.channels,
        residual=space.residual,
        level_map=space.level_map,
        unshuffle=unshuffle,
        width=width,
        growth=growth,
        stem="conv",
        first_scales=1,
        gates=True,
        operations=(Swish.name, FUSION.name),
    )


def _one_more(blocks: tuple[int, ...], scale: int) -> tuple[int, ...]:
    return tuple(number + (place == scale) for place, number in enumerate(blocks))


def _column(num_scales: int, scale: int, letter: str) -> str:
    letters = "".join(letter if place == scale else "." for place in range(num_scales))
    return letters if num_scales == 1 else f"[{letters}]"


def shapes_within(
    space: SearchSpace, fits: Fits, *, width: int | None = None, unshuffle: int | None = None
) -> list[Shape]:
    """One shape for each way to spend a budget: as wide as fits, then filled with blocks.

    Args:
        space: Gives the channels, the level map, and whether the network is residual.
        fits: Whether a network meets the budgets.
        width: The user's choice; None tries many.
        unshuffle: The user's choice; None tries 1 and 2.
    """
    found = []
    for s, growth, num_scales, blocks in product(
        (1, 2) if unshuffle is None else (unshuffle,), (2.0, 1.5), (2, 3, 4), (1, 2)
    ):
        sides = (blocks,) * (num_scales - 1)
        widths = _WIDTHS[::-1] if width is None else (width,)
        shapes = (
            Shape(u_space(space, unshuffle=s, width=w, growth=growth), sides, blocks, sides)
            for w in widths
        )
        widest = next((shape for shape in shapes if fits(shape.architecture())), None)
        if widest is not None:
            found.append(_filled(widest, fits))
    return found


def smallest_network(
    space: SearchSpace, *, width: int | None = None, unshuffle: int | None = None
) -> Architecture:
    """The smallest U shape: a budget has to leave room for it."""
    base = u_space(space, unshuffle=unshuffle or 2, width=width or _WIDTHS[0], growth=1.5)
    return Shape(base, (1,), 1, (1,)).architecture()


def without_a_block(architecture: Architecture) -> Architecture | None:
    """The network without the last residual block of its finest scale that has one, if any.

    The space stays the same: the column passes that scale on.
    """
    places = list(enumerate(architecture.space.choice_scales()))
    blocks = [
        (scales[0], -place)
        for place, (_, scales) in places
        if architecture.choices[place] == architecture.space.operations[0]
    ]
    if not blocks:
        return None
    place = -min(blocks)[1]
    choices = tuple("identity" if i == place else c for i, c in enumerate(architecture.choices))
    return replace(architecture, choices=choices)


def _filled(shape: Shape, fits: Fits) -> Shape:
    """Add blocks while they fit, coarse ones first."""
    while True:
        more = next((s for s in shape.grown() if fits(s.architecture())), None)
        if more is None:
            return shape
        shape = more
