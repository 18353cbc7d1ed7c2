"""The nodes of a whole network, for whatever writes them."""

from __future__ import annotations

from collections.abc import Sequence

from clearer.operations.fusion import FUSION
from clearer.operations.operation import NodeWriter
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Column, SearchSpace

__all__ = ["feature_nodes"]


def feature_nodes(
    graph: NodeWriter, space: SearchSpace, cells: Sequence[Sequence[Column]], planes: str
) -> str:
    """Append all nodes between the planes that the stem reads and the features of the head.

    Args:
        graph: Where to append them.
        space: The space of the network.
        cells: Columns of each cell; of a cell without any, only the transition before it.
        planes: Name of the stem's input, after space-to-depth and with the plane of the level.

    Returns:
        Name of the final fusion, on the finest scale.
    """
    features = [_stem(graph, planes, space)]
    for cell, columns in enumerate(cells):
        if len(features) < space.first_scales + cell:
            features = _transition(graph, features, f"transitions.{len(features) - 1}", space)
        for place, column in enumerate(columns):
            layer = f"cells.{cell}.{place}"
            features = [
                OPERATIONS[choice].nodes(graph, features, layer, space.place(len(column), scale))
                for scale, choice in enumerate(column)
            ]
    return FUSION.nodes(graph, features, "output.fusion", space.place(len(features), 0))


def _stem(graph: NodeWriter, planes: str, space: SearchSpace) -> str:
    inputs = space.first_planes
    if space.stem == "conv":
        return graph.conv_relu(planes, "input.blocks.0", inputs, space.width, 3)
    x = _bottleneck(graph, planes, "input.blocks.0", inputs, space.width)
    return _bottleneck(graph, x, "input.blocks.1", 4 * space.width, space.width)


def _bottleneck(graph: NodeWriter, x: str, layer: str, inputs: int, width: int) -> str:
    outputs = 4 * width
    body = graph.conv_relu(x, f"{layer}.body.0", inputs, width, 1)
    body = graph.conv_relu(body, f"{layer}.body.3", width, width, 3)
    body = graph.conv(body, f"{layer}.body.6", width, outputs, 1)
    shortcut = x if inputs == outputs else graph.conv(x, f"{layer}.shortcut.0", inputs, outputs, 1)
    return graph.node("Relu", graph.node("Add", body, shortcut))


def _transition(
    graph: NodeWriter, features: list[str], layer: str, space: SearchSpace
) -> list[str]:
    num_scales, lowest = len(features), features[-1]
    kept = space.scale_width(num_scales - 1)
    inputs = space.stem_width if num_scales == 1 else kept
    outputs = space.scale_width(num_scales)
    down = graph.conv_relu(lowest, f"{layer}.down.0", inputs, outputs, 3, stride=2)
    if inputs != kept:
        return [graph.conv_relu(lowest, f"{layer}.narrow.0", inputs, space.width, 3), down]
    return [*features, down]
