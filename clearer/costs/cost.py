"""What each module of a space costs: the table for L_Comp and the budgets (no torch).

Parameters, multiply-accumulates and bytes on disk follow from the convolutions among the nodes that
a file is written from. 1 MAC = one multiply and one add.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, NamedTuple, get_args

from clearer.operations.identity import IDENTITY
from clearer.operations.registry import OPERATIONS
from clearer.space.convolution import Conv
from clearer.space.network_nodes import feature_nodes
from clearer.space.shape_graph import ShapeGraph
from clearer.space.space import Architecture, Choice, Column, SearchSpace
from clearer.support.schema import AtLeast0, Count, Side

__all__ = [
    "FILE_PRECISIONS",
    "CostTable",
    "FilePrecision",
    "Measurement",
    "Metric",
    "Module",
    "choice_convs",
    "cost_table",
    "fixed_convs",
    "gmacs_table",
    "modules",
    "network_convs",
    "network_cost",
]

_NOISY_SPREAD: Final = 0.03
Metric = Literal["params", "macs", "mb", "gmacs", "ms"]
_Derived = Literal["params", "macs", "mb"]
FilePrecision = Literal["fp32", "fp16", "int8"]
"""Precision of the arithmetic and weights of an exported file."""
FILE_PRECISIONS: Final[tuple[FilePrecision, ...]] = get_args(FilePrecision)


@dataclass(frozen=True, kw_only=True, slots=True)
class Measurement:
    """How a table of milliseconds was measured, and how far it can be trusted."""

    space: SearchSpace
    height: Side
    width: Side
    """Size of the image, in pixels."""
    device: str
    backend: str
    version: str
    precision: str
    """The precision in effect."""
    threads: Count
    measured: str
    """Date and time."""
    num_rounds: Count
    spread: AtLeast0
    """Largest relative standard error of the medians behind the table."""
    error: AtLeast0
    """Mean relative error of the predicted sum for networks that were held out of the fit."""
    max_error: AtLeast0
    """Largest such error."""
    modules_alone_ms: tuple[tuple[AtLeast0, ...], ...]
    """For each choice, its candidates timed alone, with the copies around a module."""

    @property
    def is_noisy(self) -> bool:
        """Whether the times vary too much for the table to be trusted."""
        return self.spread > _NOISY_SPREAD


@dataclass(frozen=True, kw_only=True, slots=True)
class CostTable:
    """Cost of the fixed part of a space and of each candidate of each choice.

    The cost of an architecture is the fixed part plus one entry per choice. That is exact for
    parameters and MACs, and nearly so for the size of a file.
    """

    metric: Metric
    unit: str
    fixed: float
    choices: tuple[tuple[float, ...], ...]
    """For each choice of the space, in its order, one cost per candidate."""
    measurement: Measurement | None = None
    """Only for a table in ms."""

    def cost(self, architecture: Architecture) -> float:
        """Cost of one architecture, in ``unit``."""
        picks = zip(self.choices, architecture.picks, strict=True)
        return self.fixed + sum(row[pick] for row, pick in picks)

    def corrected(self, architecture: Architecture, measured: float) -> CostTable:
        """The table with its fixed part shifted so that it is exact for one architecture."""
        return replace(self, fixed=self.fixed + measured - self.cost(architecture))

    @property
    def cheapest(self) -> float:
        """Smallest cost that any architecture of the space has."""
        return self.fixed + sum(map(min, self.choices))

    @property
    def most_expensive(self) -> float:
        """Largest cost that any architecture of the space has."""
        return self.fixed + sum(map(max, self.choices))


def choice_convs(space: SearchSpace) -> list[list[list[Conv]]]:
    """Convolutions of each candidate of each choice of a space, in the space's order."""
    return [
        [
            [conv for scale in scales for conv in _convs(space, choice, num_scales, scale)]
            for choice in space.candidates
        ]
        for num_scales, scales in space.choice_scales()
    ]


class Module(NamedTuple):
    """A module that costs the same wherever it stands in a space."""

    choice: Choice
    num_scales: int
    """Scales of its column; with gates, for a local operation, only those down to its own."""
    scales: tuple[int, ...]
    """The scales that it computes."""


def modules(space: SearchSpace) -> list[tuple[Module | None, ...]]:
    """The module of each candidate of each choice; None where nothing is computed."""
    return [
        tuple(
            _module(space, choice, number, scales) if has else None
            for choice, has in zip(space.candidates, row, strict=True)
        )
        for (number, scales), row in zip(space.choice_scales(), space.allowed(), strict=True)
    ]


def _module(space: SearchSpace, choice: Choice, number: int, scales: range) -> Module | None:
    if choice == IDENTITY.name:
        return None
    reaches_down = space.gates and OPERATIONS[choice].is_local
    return Module(choice, scales[-1] + 1 if reaches_down else number, tuple(scales))


def _convs(space: SearchSpace, choice: Choice, num_scales: int, scale: int) -> list[Conv]:
    """Convolutions of a candidate on one scale of a column."""
    graph, place = ShapeGraph(), space.place(num_scales, scale)
    features = [graph.new(w, space.unshuffle - 1 + s) for s, w in enumerate(place.widths)]
    OPERATIONS[choice].nodes(graph, features, "", place)
    return graph.convs


def fixed_convs(space: SearchSpace) -> list[Conv]:
    """Convolutions outside the columns: stem, transitions, last fusion and head."""
    return _convs_with(space, [()] * len(space.columns))


def network_convs(architecture: Architecture) -> list[Conv]:
    """Convolutions of a whole network."""
    return _convs_with(architecture.space, architecture.cells)


def _convs_with(space: SearchSpace, cells: Sequence[Sequence[Column]]) -> list[Conv]:
    graph, octave = ShapeGraph(), space.unshuffle - 1
    feature_nodes(graph, space, cells, graph.new(space.first_planes, octave))
    head = Conv(space.width, space.channels * space.unshuffle**2, 1, octave, norm=False)
    return [*graph.convs, head]


def _num_params(convs: list[Conv]) -> float:
    return sum(conv.num_weights + (2 * conv.outputs if conv.norm else 0) for conv in convs)


def _macs_per_pixel(convs: list[Conv]) -> float:
    return sum(conv.macs for conv in convs)


class _FileBytes(NamedTuple):
    """Bytes per part of an exported ONNX file, batch normalisation being folded."""

    weight: int
    output: int
    """Per output channel: the bias; in int8 also scales and zero points of weights and bias."""
    conv: int
    """Per convolution: names, attributes, and the ReLU, sum or rounding around it."""
    pointwise: int
    """The same for a 1x1 convolution, whose input others often read, too."""
    rest: int
    """Metadata and padding."""
    unshuffle: int
    """Nodes that go to half the resolution and back."""


# The last four are fitted to the files of 460 networks (in int8 of 300), from the smallest to the
# paper's: within 4 % of each (in int8 within 7 %), and within 1 % on average. The real file is
# measured before an architecture is accepted, so this only has to be close.
_FILE_BYTES: Final[dict[FilePrecision, _FileBytes]] = {
    "fp32": _FileBytes(4, 4, 337, 337, 1690, 430),
    "fp16": _FileBytes(2, 2, 337, 337, 1750, 440),
    "int8": _FileBytes(1, 17, 1553, 1408, 1344, 392),
}


def _convs_mb(convs: list[Conv], each: _FileBytes) -> float:
    weights = sum(each.weight * conv.num_weights + each.output * conv.outputs for conv in convs)
    graph = sum(each.pointwise if conv.kernel == 1 else each.conv for conv in convs)
    return (weights + graph) / 1e6


class _Measure(NamedTuple):
    unit: str
    of_convs: Callable[[list[Conv]], float]
    rest: float = 0
    """What is added to the convolutions."""


def _measure(space: SearchSpace, metric: _Derived, precision: FilePrecision) -> _Measure:
    if metric == "params":
        return _Measure("parameters", _num_params)
    if metric == "macs":
        return _Measure("MACs per pixel", _macs_per_pixel)
    each = _FILE_BYTES[precision]
    rest = each.rest + each.unshuffle * (space.unshuffle > 1)
    unit = "MB" if precision == "fp32" else f"MB, {precision}"
    return _Measure(unit, partial(_convs_mb, each=each), rest / 1e6)


def network_cost(
    architecture: Architecture, metric: _Derived, precision: FilePrecision = "fp32"
) -> float:
    """Cost of an architecture as in :func:`cost_table`, without building that table."""
    measure = _measure(architecture.space, metric, precision)
    return measure.rest + measure.of_convs(network_convs(architecture))


def cost_table(
    space: SearchSpace, metric: _Derived, precision: FilePrecision = "fp32"
) -> CostTable:
    """Cost table of a space, computed from its definition.

    ``params`` counts trained parameters and ``macs`` multiply-accumulates per image pixel. ``mb``
    estimates the size of the ONNX file that :mod:`clearer.export` writes in a precision, with
    folded batch normalisation (1 MB = 10**6 bytes); in int8, of the file for CPUs with all
    convolutions in int8.

    Example:
        >>> from clearer.space.space import PAPER_SPACE
        >>> cost_table(PAPER_SPACE, "params").cheapest
        4361536
    """
    measure = _measure(space, metric, precision)
    return CostTable(
        metric=metric,
        unit=measure.unit,
        fixed=measure.rest + measure.of_convs(fixed_convs(space)),
        choices=tuple(tuple(map(measure.of_convs, row)) for row in choice_convs(space)),
    )


def gmacs_table(space: SearchSpace, height: int, width: int) -> CostTable:
    """Multiply-accumulates for one image of a size, padding included, in units of 10**9."""
    table = cost_table(space, "macs")
    scale = math.prod(space.padded_size(height, width)) / 1e9
    return CostTable(
        metric="gmacs",
        unit="GMACs",
        fixed=table.fixed * scale,
        choices=tuple(tuple(cost * scale for cost in row) for row in table.choices),
    )
