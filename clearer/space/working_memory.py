"""How much memory the features of a network take while it computes (no torch)."""

from __future__ import annotations

from clearer.space.network_nodes import feature_nodes
from clearer.space.space import Architecture

__all__ = ["most_features"]


def most_features(architecture: Architecture) -> float:
    """Most numbers that exist at once, per pixel of the image, from the stem to the head.

    Each is kept from the node that computes it to the last one that reads it. A sum or a ReLU takes
    the place of an input that no later node reads. The image itself is not counted.
    """
    sizes = _Sizes()
    space = architecture.space
    planes = sizes.new(space.first_planes, space.unshuffle - 1)
    result = feature_nodes(sizes, architecture, planes)
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


class _Sizes:
    """A graph of which only the size of each value is kept."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, tuple[str, ...]]] = []
        """Output and inputs of each."""
        self.in_place: set[str] = set()
        """Outputs that may take the place of an input."""
        self._values: list[tuple[int, int]] = []

    def new(self, channels: int, octave: int) -> str:
        """Name of a value with ``4**-octave`` of the image's pixels."""
        self._values.append((channels, octave))
        return str(len(self._values) - 1)

    def size(self, name: str) -> float:
        """Its numbers, per pixel of the image."""
        channels, octave = self._values[int(name)]
        return float(channels * 4.0**-octave)

    def node(self, op: str, *inputs: str) -> str:
        """Append a node whose output has the shape of its first input."""
        output = self._append(*self._values[int(inputs[0])], *inputs)
        self.in_place.add(output)
        return output

    def conv(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """With a stride of 2, an octave lower."""
        return self._append(outputs, self._values[int(x)][1] + stride - 1, x)

    def conv_relu(
        self, x: str, layer: str, inputs: int, outputs: int, kernel: int, *, stride: int = 1
    ) -> str:
        """The ReLU needs no memory of its own."""
        return self.conv(x, layer, inputs, outputs, kernel, stride=stride)

    def upsample(self, x: str) -> str:
        """An octave higher."""
        channels, octave = self._values[int(x)]
        return self._append(channels, octave - 1, x)

    def _append(self, channels: int, octave: int, *inputs: str) -> str:
        output = self.new(channels, octave)
        self.nodes.append((output, inputs))
        return output
