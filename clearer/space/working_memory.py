"""How much memory the features of a network take while it computes (no torch)."""

from __future__ import annotations

from clearer.space.network_nodes import feature_nodes
from clearer.space.shape_graph import ShapeGraph
from clearer.space.space import Architecture

__all__ = ["most_features"]


def most_features(architecture: Architecture) -> float:
    """Most numbers that exist at once, per pixel of the image, from the stem to the head.

    Each is kept from the node that computes it to the last one that reads it. A sum or a ReLU takes
    the place of an input that no later node reads. The image itself is not counted.
    """
    sizes, space = ShapeGraph(), architecture.space
    planes = sizes.new(space.first_planes, space.unshuffle - 1)
    result = feature_nodes(sizes, space, architecture.cells, planes)
    last_read = {x: step for step, (_, inputs) in enumerate(sizes.nodes) for x in inputs}
    last_read[result] = len(sizes.nodes)
    alive, most = sizes.size(planes), 0.0
    for step, (output, inputs) in enumerate(sizes.nodes):
        done = [x for x in dict.fromkeys(inputs) if last_read[x] == step]
        freed = [sizes.size(x) for x in done]
        in_place = output in sizes.in_place and sizes.size(output) in freed
        most = max(most, alive if in_place else alive + sizes.size(output))
        alive += sizes.size(output) - sum(freed)
    return most
