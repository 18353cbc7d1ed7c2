"""A residual block with a smooth activation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from clearer.operations.operation import Box, Colours, NodeWriter, Operation, Place
from clearer.operations.parallel import Parallel

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["Swish"]


class Swish(Operation):
    """The residual block with SiLU between its convolutions, and nothing after the sum.

    SiLU (also Swish: Ramachandran et al., "Searching for Activation Functions", 2017) is
    ``x * sigmoid(x)``. What is added to a scale then has no lower bound, and the sum is linear, as
    in Lim et al., "Enhanced Deep Residual Networks", CVPRW 2017. In the same training it restores
    better than :class:`Parallel`, whose layers it has (docs/figures/learning.md, "Which block").
    """

    name: ClassVar[str] = "swish"
    letter: ClassVar[str] = "W"
    mark: ClassVar[str] = "-[~]-"
    words: ClassVar[str] = "a residual block with SiLU"
    box: ClassVar[Box | None] = Box(
        text="SiLU",
        title="Swish: residual block of two 3×3 convolutions with SiLU between",
        light=Colours("#dcefe4", "#1f5c3d", "#5aa67d"),
        dark=Colours("#1d3b2b", "#a6dfc0", "#5aa67d"),
    )
    is_residual: ClassVar[bool] = True
    successor_of: ClassVar[str | None] = Parallel.name
    parts: ClassVar[tuple[str, ...]] = ("swish",)

    def layer(self, part: str, place: Place) -> nn.Module:
        """What is added."""
        from torch import nn

        from clearer.operations.layers import Chain, conv_norm

        first, last = (conv_norm(place.width, place.width, 3) for _ in range(2))
        return nn.ModuleDict({"body": Chain(*first, nn.SiLU(inplace=True), *last)})

    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        """The scale, and what is added."""
        x = features[scale]
        added: Tensor = layers["swish"].get_submodule("body")(x)
        return added + x

    def branches(self, layer: nn.Module) -> list[nn.Module]:
        """What is added."""
        return [layer.get_submodule("body")]

    def sources(self, part: str, place: Place) -> Sequence[int]:
        """Its own scale."""
        return [place.scale]

    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        """``x + body(x)``."""
        x, width = features[place.scale], place.width
        block = f"{layer}.swish.{place.scale}.body"
        body = graph.conv(x, f"{block}.0", width, width, 3)
        body = graph.node("Mul", body, graph.node("Sigmoid", body))
        body = graph.conv(body, f"{block}.3", width, width, 3)
        return graph.node("Add", body, x)
