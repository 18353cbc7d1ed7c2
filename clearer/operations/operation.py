"""What an operation is: torch layers, nodes and drawing of one scale."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Protocol

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Box", "Colours", "NodeWriter", "Operation", "Place"]


@dataclass(frozen=True, slots=True)
class Place:
    """Where an operation stands: one scale of one column."""

    widths: tuple[int, ...]
    """Channels of each scale that the column works on, finest first."""
    scale: int
    """The scale that the operation computes; 0 is the finest."""

    @property
    def width(self) -> int:
        """Channels of the scale."""
        return self.widths[self.scale]


class NodeWriter(Protocol):
    """Takes nodes one by one; values go by name. Layers have the names of torch modules."""

    def node(self, op: str, *inputs: str) -> str:
        """Append an elementwise ONNX node, of one shape, and return the name of its output."""

    def conv(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """A convolution with its batch normalisation folded in."""

    def conv_relu(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """The same, and a ReLU."""

    def upsample(self, x: str) -> str:
        """Nearest upsampling by 2."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours of a box, as CSS writes them."""

    fill: str
    ink: str
    line: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Box:
    """How the report draws an operation."""

    text: str
    """Label in the box: a few letters."""
    title: str
    """The tooltip."""
    light: Colours
    dark: Colours
    corner: int = 4
    """Radius of its corners, in pixels."""


class Operation(ABC):
    """One candidate of the search space.

    An operation reads the features of all scales of a column, finest first, and computes one of
    them, of the same shape. It never writes to its input. Import torch inside methods: the commands
    read letters and names before torch is loaded.
    """

    name: ClassVar[str]
    """Its name in JSON files and Python."""
    letter: ClassVar[str]
    """In the short form of an architecture: one upper-case letter, or a full stop."""
    mark: ClassVar[str]
    """Five characters that draw it in a terminal; the outer ones are the line through it."""
    words: ClassVar[str]
    """What it is, for people."""
    box: ClassVar[Box | None] = None
    """None if it is drawn as a line."""
    smallest_column: ClassVar[int] = 1
    """Scales that a column needs at least."""
    is_local: ClassVar[bool] = True
    """Whether it reads only the scale that it computes: then it costs the same in each column that
    has this scale."""
    is_residual: ClassVar[bool] = False
    """Whether it adds :meth:`branches` to the scale: where these are zero, features that are not
    negative come out as they went in. A network can then start without it (``--warm-start``)."""
    successor_of: ClassVar[str | None] = None
    """An operation with the same layers, whose weights are a start for its own: a network can begin
    with those of one that has this operation instead (``--warm-start``)."""
    parts: ClassVar[tuple[str, ...]] = ()
    """Names of its layers, in the order in which they are made. In weights files a layer is named
    by column, part and scale, as in ``cells.0.1.blocks.2``."""

    @abstractmethod
    def layer(self, part: str, place: Place) -> nn.Module:
        """Make one of its :attr:`parts`, untrained."""

    @abstractmethod
    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        """Compute a scale.

        Args:
            layers: Its layers, by part.
            features: One of each scale, finest first, of shape ``(N, C_s, H / 2**s, W / 2**s)``.
            scale: Which one.
        """

    def branches(self, layer: nn.Module) -> list[nn.Module]:
        """Modules of a layer that are added; each ends with a batch normalisation."""
        return []

    def sources(self, part: str, place: Place) -> Sequence[int]:
        """The scale that each of a layer's :meth:`branches` reads; all write to that of its place.

        Args:
            part: Which layer.
            place: Where it stands.
        """
        return []

    @abstractmethod
    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        """Append its nodes.

        Files are written from these. What it costs (parameters, multiply-accumulates, bytes,
        memory) and how far it sees are counted on them.

        Args:
            graph: Where to append them.
            features: Names of its input values, finest first.
            layer: Name of its column; names of convolutions begin with it, then the part.
            place: Where it stands.

        Returns:
            Name of its output.
        """
