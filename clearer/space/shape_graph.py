"""The nodes of a network with nothing but the shapes of their values (no torch)."""

from __future__ import annotations

from clearer.space.convolution import Conv

__all__ = ["ShapeGraph"]


class ShapeGraph:
    """Takes nodes as :class:`clearer.operations.operation.NodeWriter` does; names are numbers."""

    def __init__(self) -> None:
        self.nodes: list[tuple[str, tuple[str, ...]]] = []
        """Output and inputs of each."""
        self.convs: list[Conv] = []
        """The convolutions among them, each with batch normalisation."""
        self.in_place: set[str] = set()
        """Outputs that may take the place of an input."""
        self._values: list[tuple[int, int]] = []

    def new(self, channels: int, octave: int) -> str:
        """Name of a value with ``4**-octave`` of the image's pixels."""
        self._values.append((channels, octave))
        return str(len(self._values) - 1)

    def size(self, name: str) -> float:
        """Numbers of a value, per pixel of the image."""
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
        octave = self._values[int(x)][1] + stride - 1
        self.convs.append(Conv(inputs, outputs, kernel, octave))
        return self._append(outputs, octave, x)

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
