"""What an operation is: layers, cost, reach, ONNX nodes and drawing of one scale of a column."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

    from clearer.operations.convolution import Conv
    from clearer.operations.seen import Seen

__all__ = ["Box", "Colours", "NodeWriter", "Operation", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands: one scale of one column."""

    widths: tuple[int, ...]
    """Channels of each scale that the column works on, finest first."""
    scale: int
    """That the operation computes; 0 is the finest."""
    octave: int = 0
    """The finest scale has ``4**-octave`` of the image's pixels."""

    @property
    def width(self) -> int:
        """Channels of the scale."""
        return self.widths[self.scale]


class NodeWriter(Protocol):
    """Writes ONNX nodes; values are named by text. Layers have the names of torch modules."""

    def node(self, op: str, *inputs: str) -> str:
        """Append a node of ONNX and return the name of its output."""

    def conv(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """A convolution with its batch normalisation folded in."""

    def conv_relu(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """The same, and a ReLU."""

    def upsample(self, x: str) -> str:
        """Each pixel twice along both axes."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Of a box, as CSS writes them."""

    fill: str
    ink: str
    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """How the report draws an operation."""

    text: str
    """In the box: a few letters."""
    title: str
    """What a reader sees who points at it."""
    light: Colours
    dark: Colours
    corner: int = 4
    """Radius of its corners."""


class Operation(ABC):
    """One candidate of the search space.

    An operation reads the features of all scales of a column, finest first, and computes one scale
    of them, of the same shape. It never writes to what it reads. Import torch inside methods: the
    commands read letters and names before torch is loaded.
    """

    name: ClassVar[str]
    """In JSON files and Python."""
    letter: ClassVar[str]
    """In the short form of an architecture: one letter, upper case, or a full stop."""
    mark: ClassVar[str]
    """Five letters that stand for it in a terminal; the outer ones are the line through it."""
    words: ClassVar[str]
    """What it is, for people."""
    box: ClassVar[Box | None] = None
    """None for what is drawn as a line."""
    smallest_column: ClassVar[int] = 1
    """Scales that a column needs to have it."""
    is_local: ClassVar[bool] = True
    """Whether it reads the scale that it computes and no other: then it costs the same in each
    column that has this scale."""
    parts: ClassVar[tuple[str, ...]] = ()
    """Names of its layers, in the order in which they are made. In weights files the name of a
    layer is that of the column, of the part and the scale, as in ``cells.0.1.blocks.2``."""

    @abstractmethod
    def layer(self, part: str, place: Place) -> nn.Module:
        """Make one of its :attr:`parts`, untrained."""

    @abstractmethod
    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        """Compute a scale.

        Args:
            layers: By part.
            features: One of each scale, finest first, of shape ``(N, C_s, H / 2**s, W / 2**s)``.
            scale: Which one.
        """

    @abstractmethod
    def convs(self, place: Place) -> list[Conv]:
        """Its convolutions: parameters, multiply-accumulates and bytes follow from them."""

    @abstractmethod
    def reach(self, features: Sequence[Seen], scale: int) -> Seen:
        """Which pixels its output depends on, from those that each scale has seen."""

    @abstractmethod
    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        """Append its ONNX nodes.

        Args:
            graph: Where to.
            features: Names of the values that it reads, finest first.
            layer: Name of its column: that of a convolution is this, the part and so on.
            place: Where it stands.

        Returns:
            Name of what it computes.
        """
