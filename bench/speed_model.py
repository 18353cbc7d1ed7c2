"""Predicts the latency of networks of any space on this device, from the times of a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from clearer.costs.cost import network_convs
from clearer.space.convolution import VECTORS, Conv
from clearer.space.shapes import Shape, u_space
from clearer.space.space import Architecture, SearchSpace

__all__ = ["SpeedModel", "probes"]


class SpeedModel:
    """Latency as a weighted sum of the convolutions' arithmetic, outputs and number.

    Arithmetic is counted with channels padded to whole vectors, separately for 1x1 and 3x3
    kernels; the vector is as long as explains the times best. It is good for a first estimate,
    within a tenth or so; the chosen network has to be measured.

    Args:
        architectures: Networks that were timed: :func:`probes`, or relatives of those to predict.
        ms: Their latencies.
    """

    def __init__(self, architectures: Sequence[Architecture], ms: Sequence[float]) -> None:
        from scipy.optimize import nnls  # takes a second, and most searches time nothing

        times = np.array(ms)
        least = float("inf")
        for vector in VECTORS:
            rows = np.array([_features(architecture, vector) for architecture in architectures])
            weights, error = nnls(rows / times[:, None], np.ones(len(times)))
            if error < least:
                self._weights, self._vector, least = weights, vector, error

    def ms(self, architecture: Architecture) -> float:
        """Predicted latency in ms."""
        return float(self._weights @ _features(architecture, self._vector))


def probes(space: SearchSpace) -> list[Architecture]:
    """Small networks of very different shapes, to which a model is fitted.

    Args:
        space: Gives the channels, the level map, and whether networks are residual.
    """
    shapes = [
        (1, 8, 2.0, (1, 1), 1, (1, 1)),
        (1, 16, 2.0, (1, 1, 1), 1, (1, 1, 1)),
        (1, 16, 1.5, (2,), 2, (2,)),
        (1, 24, 1.5, (1, 1), 2, (1, 1)),
        (2, 8, 2.0, (1, 1), 1, (1, 1)),
        (2, 16, 1.5, (2, 2), 4, (2, 2)),
        (2, 32, 2.0, (1,), 2, (1,)),
        (2, 48, 1.5, (1, 1), 1, (1, 1)),
        (2, 20, 2.0, (1, 2), 1, (2, 1)),
    ]
    return [
        Shape(
            u_space(space, unshuffle=unshuffle, width=width, growth=growth), down, bottom, up
        ).architecture()
        for unshuffle, width, growth, down, bottom, up in shapes
    ]


def _features(architecture: Architecture, vector: int) -> list[float]:
    convs = network_convs(architecture)
    return [
        sum(_filled_macs(conv, vector) for conv in convs if conv.kernel == 3),
        sum(_filled_macs(conv, vector) for conv in convs if conv.kernel == 1),
        sum(conv.activations for conv in convs),
        float(len(convs)),
        1.0,
    ]


def _filled_macs(conv: Conv, vector: int) -> float:
    """Multiply-accumulates per pixel of the image, with padded channels."""
    inputs, outputs = (-(-channels // vector) * vector for channels in (conv.inputs, conv.outputs))
    return replace(conv, inputs=inputs, outputs=outputs).macs
