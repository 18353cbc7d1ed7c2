"""A residual block: the scales of a column stay apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from clearer.operations.operation import Box, Colours, NodeWriter, Operation, Place

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Parallel"]


class Parallel(Operation):
    """One scale of the paper's parallel module: two 3x3 convolutions and a skip connection."""

    name: ClassVar[str] = "parallel"
    letter: ClassVar[str] = "P"
    mark: ClassVar[str] = "-[ ]-"
    words: ClassVar[str] = "a residual block"
    box: ClassVar[Box | None] = Box(
        text="res",
        title="Parallel: residual block of two 3×3 convolutions",
        light=Colours("#dbe7f3", "#23527c", "#5d8fbd"),
        dark=Colours("#20364b", "#a9cdee", "#5d8fbd"),
    )
    is_residual: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("blocks",)

    def layer(self, part: str, place: Place) -> nn.Module:
        """The block."""
        from clearer.operations.layers import ResidualBlock

        return ResidualBlock(place.width)

    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        """The block of the scale."""
        block: Tensor = layers["blocks"](features[scale])
        return block

    def branches(self, layer: nn.Module) -> list[nn.Module]:
        """The two convolutions."""
        return [layer.get_submodule("body")]

    def sources(self, part: str, place: Place) -> Sequence[int]:
        """Its own scale."""
        return [place.scale]

    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        """``relu(x + body(x))``."""
        x, width = features[place.scale], place.width
        block = f"{layer}.blocks.{place.scale}.body"
        body = graph.conv_relu(x, f"{block}.0", width, width, 3)
        body = graph.conv(body, f"{block}.3", width, width, 3)
        return graph.node("Relu", graph.node("Add", body, x))
