"""The sum of all scales, resampled to the resolution of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from clearer.operations.operation import Box, Colours, NodeWriter, Operation, Place

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["FUSION", "Fusion"]


class Fusion(Operation):
    """One scale of the paper's fusion module: the ReLU of the sum over all scales.

    Finer scales come down by one strided 3x3 convolution per octave, of which all but the last keep
    the width; coarser ones come up by a 1x1 convolution and nearest upsampling.
    """

    name: ClassVar[str] = "fusion"
    letter: ClassVar[str] = "F"
    mark: ClassVar[str] = "-(+)-"
    words: ClassVar[str] = "the sum of all scales"
    box: ClassVar[Box | None] = Box(
        text="Σ",
        title="Fusion: ReLU of the sum of all scales, brought to this resolution",
        light=Colours("#f8e3bd", "#774b00", "#c98a1c"),
        dark=Colours("#49340f", "#f3cd84", "#c98a1c"),
        corner=14,
    )
    smallest_column: ClassVar[int] = 2
    is_local: ClassVar[bool] = False
    is_residual: ClassVar[bool] = True
    parts: ClassVar[tuple[str, ...]] = ("down", "up")

    def layer(self, part: str, place: Place) -> nn.Module:
        """The layers that bring finer scales down, or coarser ones up."""
        from torch import nn

        from clearer.operations.layers import conv_norm

        if part == "down":
            return nn.ModuleList(_descent(place, source) for source in range(place.scale))
        return nn.ModuleList(
            conv_norm(width, place.width, 1) for width in place.widths[place.scale + 1 :]
        )

    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        """All scales, fused into one."""
        total = features[scale]
        for descent, x in zip(layers["down"].children(), features, strict=False):
            total = descent(x) + total
        ascents = layers["up"].children()
        lower = [ascent(x) for ascent, x in zip(ascents, features[scale + 1 :], strict=True)]
        if lower:
            total = _upsampled_sum(lower) + total
        return total.relu()

    def branches(self, layer: nn.Module) -> list[nn.Module]:
        """One for each other scale."""
        return list(layer.children())

    def sources(self, part: str, place: Place) -> Sequence[int]:
        """All finer scales, or all coarser ones."""
        return range(place.scale) if part == "down" else range(place.scale + 1, len(place.widths))

    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        """Add in the order of :meth:`forward`."""
        target, width = place.scale, place.width
        total = features[target]
        for source in range(target):
            name = f"{layer}.down.{target}.{source}"
            total = graph.node(
                "Add", _descent_nodes(graph, features[source], name, place, source), total
            )
        lower = [
            graph.conv(x, f"{layer}.up.{target}.{index}.0", source, width, 1)
            for index, (source, x) in enumerate(
                zip(place.widths[target + 1 :], features[target + 1 :], strict=True)
            )
        ]
        if lower:
            total = graph.node("Add", _upsampled_nodes(graph, lower), total)
        return graph.node("Relu", total)


FUSION = Fusion()
"""Every network ends with one, whatever its columns do."""


def _descent(place: Place, source: int) -> nn.Sequential:
    """Strided convolutions from a scale to a coarser one; all but the last keep the width."""
    from torch import nn

    from clearer.operations.layers import conv_norm

    start = place.widths[source]
    steps = [
        conv_norm(start, start, 3, stride=2, relu=True) for _ in range(place.scale - source - 1)
    ]
    return nn.Sequential(*steps, conv_norm(start, place.width, 3, stride=2))


def _upsampled_sum(lower: list[Tensor]) -> Tensor:
    """Sum of maps at 1/2, 1/4, ... of the resolution, at full resolution.

    Nearest upsampling is linear, and upsampling by 4 is upsampling by 2 twice. So the sum is built
    from the coarsest scale up, and only one map is upsampled to full resolution.
    """
    from clearer.operations.layers import upsample

    total = lower[-1]
    for x in reversed(lower[:-1]):
        total = x + upsample(total)
    return upsample(total)


def _descent_nodes(graph: NodeWriter, x: str, layer: str, place: Place, source: int) -> str:
    start, last = place.widths[source], place.scale - source - 1
    for step in range(last):
        x = graph.conv_relu(x, f"{layer}.{step}.0", start, start, 3, stride=2)
    return graph.conv(x, f"{layer}.{last}.0", start, place.width, 3, stride=2)


def _upsampled_nodes(graph: NodeWriter, lower: list[str]) -> str:
    total = lower[-1]
    for x in reversed(lower[:-1]):
        total = graph.node("Add", x, graph.upsample(total))
    return graph.upsample(total)
