"""An architecture as a drawing: scales are rows, and data flow from left to right.

Only geometry is made here; the template ``architecture.svg.j2`` draws it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from clearer.operations.fusion import FUSION
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, Column, SearchSpace

__all__ = ["Drawing", "draw_architecture"]

_LEFT: Final = 132
_TOP: Final = 64
_ROW: Final = 58
_STEP: Final = 64
_BOX_W: Final = 36
_BOX_H: Final = 28


@dataclass(frozen=True, slots=True)
class Box:
    """A module on one scale, by its centre."""

    x: float
    y: float
    kind: str
    text: str
    title: str
    corner: int = 4
    """Radius of its corners."""


@dataclass(frozen=True, slots=True)
class Wire:
    """Data that flows from box to box: an SVG path."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True)
class Head:
    """The heading of a column, and how sure the search was of it."""

    x: float
    letter: str
    kind: str
    weight: float | None
    """Op weight of the chosen operation; None with gates, where each box has its own."""


@dataclass(slots=True)
class Drawing:
    """A drawing; sizes are in units of the view box."""

    width: float = 0
    height: float = 0
    box_width: float = _BOX_W
    box_height: float = _BOX_H
    boxes: list[Box] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    heads: list[Head] = field(default_factory=list)
    scales: list[tuple[float, str, str]] = field(default_factory=list)
    """(y, channels, resolution) of each row."""
    cells: list[tuple[float, float, float]] = field(default_factory=list)
    """(left, width, height) of the frame around each cell."""


def _row(scale: int) -> float:
    return _TOP + _ROW / 2 + _ROW * scale


def _wire(x0: float, s0: int, x1: float, s1: int) -> str:
    """Curve between two boxes' sides."""
    start, end, middle = x0 + _BOX_W / 2, x1 - _BOX_W / 2, (x0 + x1) / 2
    if s0 == s1:
        return f"M{start:g},{_row(s0):g} H{end:g}"
    y0, y1 = _row(s0), _row(s1)
    return f"M{start:g},{y0:g} C{middle:g},{y0:g} {middle:g},{y1:g} {end:g},{y1:g}"


def draw_architecture(
    architecture: Architecture,
    log_op_weights: NDArray[np.float64] | None,
    size: Sequence[int],
) -> Drawing:
    """Lay out a network.

    Args:
        architecture: What to draw.
        log_op_weights: Logarithm of the final op weights, shape ``(K, C)``; None if there are none.
        size: (height, width) of an image, for the resolutions.
    """
    space = architecture.space
    drawing = Drawing(height=_row(space.num_scales - 1) + _ROW / 2 + 28)
    height, width = space.padded_size(*size)
    for scale in range(space.num_scales):
        shrink = space.unshuffle * 2**scale
        channels = space.scale_width(scale)
        text = f"{height // shrink} × {width // shrink}"
        drawing.scales.append((_row(scale), f"{channels} channels", text))

    x = float(_LEFT + _BOX_W / 2)
    narrows = space.stem == "bottlenecks"
    kind = "Two bottlenecks of 1×1, 3×3 and 1×1 convolutions" if narrows else "3×3 convolution"
    given = " of the image and the noise level" * space.level_map
    title = f"{kind}{given}, to {space.stem_width} channels"
    drawing.boxes.append(Box(x, _row(0), "fixed", "in", title))
    weights = _weights(architecture, log_op_weights)
    scales = 1
    for place, columns in enumerate(architecture.cells):
        if scales < space.first_scales + place:
            x = _transition(drawing, x, scales, space, narrows=narrows and scales == 1)
            scales += 1
        left = x + _STEP / 2 - 2
        for column in columns:
            own = [next(weights) for _ in column]
            x = _column(drawing, x, column, own)
            head = _head(x, column, own)
            drawing.heads += [head] if head else []
        frame = x + _STEP / 2 - 2 - left
        drawing.cells.append((left, frame, _ROW * scales))
    _output(drawing, x, space.num_scales)
    drawing.width = x + 2 * _STEP + _BOX_W
    if space.residual:
        start, end = _LEFT + _BOX_W / 2, x + 2 * _STEP
        y, top = _row(0) - _BOX_H / 2, 14
        path = f"M{start:g},{y:g} V{top + 10:g} q0,-10 10,-10 H{end - 10:g} q10,0 10,10 V{y:g}"
        drawing.wires.append(Wire(path, "skip"))
    return drawing


def _weights(
    architecture: Architecture, log_op_weights: NDArray[np.float64] | None
) -> Iterator[float | None]:
    """Op weight of the chosen operation, for each scale of each column."""
    if log_op_weights is None:
        return itertools.repeat(None)
    picks = architecture.picks
    chosen = np.exp(log_op_weights)[np.arange(len(picks)), picks].tolist()
    places = zip(chosen, architecture.space.choice_scales(), strict=True)
    return (weight for weight, (_, scales) in places for _ in scales)


def _transition(
    drawing: Drawing, x: float, num_scales: int, space: SearchSpace, *, narrows: bool
) -> float:
    """Draw a scale below the coarsest; the first transition also narrows the bottlenecks."""
    after = x + _STEP
    for scale in range(num_scales):
        if narrows:
            title = f"Transition: 3×3 convolution to {space.width} channels"
            drawing.boxes.append(Box(after, _row(0), "fixed", "→", title))
            drawing.wires.append(Wire(_wire(x, 0, after, 0), "line"))
        else:
            _pass_on(drawing, x, after, scale)
    title = f"Transition: strided 3×3 convolution to {space.scale_width(num_scales)} channels"
    drawing.boxes.append(Box(after, _row(num_scales), "fixed", "↓", title))
    drawing.wires.append(Wire(_wire(x, num_scales - 1, after, num_scales), "line"))
    return after


def _pass_on(drawing: Drawing, x: float, after: float, scale: int) -> None:
    y, start = _row(scale), x + _BOX_W / 2
    drawing.wires.append(Wire(f"M{start:g},{y:g} H{after + _BOX_W / 2:g}", "line"))


def _column(
    drawing: Drawing, x: float, column: Column, op_weights: Sequence[float | None]
) -> float:
    after = x + _STEP
    for target, (choice, weight) in enumerate(zip(column, op_weights, strict=True)):
        found = OPERATIONS[choice]
        if found.box is None:
            # A line ends where a box begins; here it passes through.
            _pass_on(drawing, x, after, target)
            continue
        title = found.box.title + ("" if weight is None else f"; op weight {weight:.3f}")
        box = Box(after, _row(target), choice, found.box.text, title, found.box.corner)
        drawing.boxes.append(box)
        for source in range(0 if found.is_local else len(column)):
            if source != target:
                drawing.wires.append(Wire(_wire(x, source, after, target), choice))
        drawing.wires.append(Wire(_wire(x, target, after, target), "line"))
    return after


def _head(x: float, column: Column, op_weights: Sequence[float | None]) -> Head | None:
    """The heading of a column whose scales agree."""
    found = OPERATIONS[column[0]]
    if len(set(column)) > 1 or found.box is None:
        return None
    weight = op_weights[0] if len(set(op_weights)) == 1 else None
    return Head(x, found.letter, found.name, weight)


def _output(drawing: Drawing, x: float, num_scales: int) -> None:
    after, end = x + _STEP, x + 2 * _STEP
    title = "Fusion of all scales into the finest"
    drawing.boxes.append(Box(after, _row(0), "fixed", "Σ", title))
    for source in range(num_scales):
        kind = FUSION.name if source else "line"
        drawing.wires.append(Wire(_wire(x, source, after, 0), kind))
    drawing.boxes.append(Box(end, _row(0), "fixed", "out", "1×1 convolution to the image"))
    drawing.wires.append(Wire(_wire(after, 0, end, 0), "line"))
