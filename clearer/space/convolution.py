"""A convolution, as far as its cost is concerned (no torch)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["VECTORS", "Conv"]

VECTORS: Final = 8, 16
"""Runtimes compute channels in blocks of the processor's vector length, one of these: a width
between two multiples saves no time."""


@dataclass(frozen=True, slots=True)
class Conv:
    """One convolution without bias, followed by batch normalisation unless ``norm`` is off."""

    inputs: int
    outputs: int
    kernel: int
    octave: int
    """The output has ``4**-octave`` of the image's pixels."""
    norm: bool = True

    @property
    def num_weights(self) -> int:
        """Weights of the kernel."""
        return self.inputs * self.outputs * self.kernel**2

    @property
    def macs(self) -> float:
        """Multiply-accumulates per pixel of the image."""
        return self.num_weights / (1 << 2 * self.octave)

    @property
    def activations(self) -> float:
        """Outputs per pixel of the image."""
        return self.outputs / (1 << 2 * self.octave)
