"""A third candidate, as a contributor would write it: it also reads the scale below."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from clearer.operations.operation import Box, Colours, NodeWriter, Operation, Place

if TYPE_CHECKING:
    from torch import Tensor, nn


class Below(Operation):
    """The ReLU of a scale plus a 1x1 convolution of the next coarser one, if there is one."""

    name: ClassVar[str] = "below"
    letter: ClassVar[str] = "B"
    mark: ClassVar[str] = "-(^)-"
    words: ClassVar[str] = "the sum with the scale below"
    box: ClassVar[Box | None] = Box(
        text="up",
        title="Below: sum with the next coarser scale",
        light=Colours("#ddeedd", "#225522", "#55aa55"),
        dark=Colours("#224422", "#aaddaa", "#55aa55"),
    )
    smallest_column: ClassVar[int] = 2
    is_local: ClassVar[bool] = False
    is_residual: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("below",)

    def layer(self, part: str, place: Place) -> nn.Module:
        from torch import nn

        from clearer.operations.layers import conv_norm

        lower = place.widths[place.scale + 1 : place.scale + 2]
        return nn.ModuleList(conv_norm(width, place.width, 1) for width in lower)

    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        from clearer.operations.layers import upsample

        total = features[scale]
        for layer in layers["below"].children():
            total = total + upsample(layer(features[scale + 1]))
        return total.relu()

    def branches(self, layer: nn.Module) -> list[nn.Module]:
        return list(layer.children())

    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        total, lower = features[place.scale], place.scale + 1
        if lower < len(features):
            name = f"{layer}.below.{place.scale}.0.0"
            x = graph.conv(features[lower], name, place.widths[lower], place.width, 1)
            total = graph.node("Add", total, graph.upsample(x))
        return graph.node("Relu", total)
