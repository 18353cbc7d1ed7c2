"""Calibration: ranges of the activations that are rounded, on a set of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import onnx
from numpy.typing import NDArray

from clearer.errors import require
from clearer.export.network_io import network_feed
from clearer.export.rounding import worth_rounding

__all__ = ["METHODS", "Activation", "Array", "Method", "observe"]

Array = NDArray[np.float32]

Method = Literal["percentile", "entropy", "minmax"]
"""How the range follows from the values: it holds all but a few; it minimises the Kullback-Leibler
divergence (Migacz, "8-bit Inference with TensorRT", GTC 2017); it holds all."""

METHODS: Final[tuple[Method, ...]] = ("percentile", "entropy", "minmax")

_NUM_BINS: Final = 2048
# Of 99.999, 99.99, 99.9 and 99.5, the one that lost least on a trained network.
_PERCENTILE: Final = 99.99
_STEP: Final = 16
"""Bins between the thresholds that are tried for entropy."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Activation:
    """The values of a tensor on all images."""

    low: float
    high: float
    counts: NDArray[np.int64]
    """Histogram of the magnitudes, from 0 to the largest."""

    def span(self, method: Method, levels: int) -> tuple[float, float]:
        """Lowest and highest value of the quantised range.

        Args:
            method: Method of calibration.
            levels: Steps from 0 to the highest value.
        """
        share = 1.0
        if method == "percentile":
            cumulative = np.cumsum(self.counts) / self.counts.sum()
            share = (int(np.searchsorted(cumulative, _PERCENTILE / 100)) + 1) / len(self.counts)
        elif method == "entropy":
            share = _least_divergence(self.counts, levels) / len(self.counts)
        limit = share * max(-self.low, self.high)
        return max(self.low, -limit), min(self.high, limit)


def observe(model: bytes, images: Sequence[Array]) -> dict[str, Activation]:
    """Run a file and collect the inputs of its convolutions, and outputs that may be rounded.

    Images are run twice, one at a time: first for the ranges, then for the histograms.

    Args:
        model: Bytes of an fp32 file of :func:`clearer.export.to_onnx.to_onnx`.
        images: Degraded images ``(1, C, H, W)``, of any sizes; for a network with a level map
            with one more plane.

    Returns:
        The activations by tensor name.

    Raises:
        ClearerError: If ONNX Runtime is not installed.
        ValueError: If there are no images.
    """
    if not images:
        raise ValueError("calibration needs at least one image")
    ort = require("onnxruntime", extra="cpu")
    proto = onnx.load_from_string(model)
    inputs = [node.input[0] for node in proto.graph.node if node.op_type == "Conv"]
    names = list(dict.fromkeys([*inputs, *worth_rounding(proto.graph)]))
    proto.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = ort.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    low, high = np.full(len(names), np.inf), np.full(len(names), -np.inf)
    has_level = len(session.get_inputs()) > 1
    given = [network_feed(image, has_level=has_level) for image in images]
    for feed in given:
        values = session.run(names, feed)
        low = np.minimum(low, [v.min() for v in values])
        high = np.maximum(high, [v.max() for v in values])
    largest = np.maximum(np.maximum(-low, high), np.finfo(np.float32).tiny)
    counts = np.zeros((len(names), _NUM_BINS), dtype=np.int64)
    for feed in given:
        for index, value in enumerate(session.run(names, feed)):
            bins = (np.abs(value).ravel() * (_NUM_BINS / largest[index])).astype(np.int64)
            counts[index] += np.bincount(bins.clip(max=_NUM_BINS - 1), minlength=_NUM_BINS)
    return {
        name: Activation(low=float(low[i]), high=float(high[i]), counts=counts[i])
        for i, name in enumerate(names)
    }


def _least_divergence(counts: NDArray[np.int64], levels: int) -> int:
    """Number of bins to keep, so that quantising to so many levels loses least.

    That is the Kullback-Leibler divergence from the distribution, with clipped values in its last
    bin, to its quantised form.
    """
    counts = counts.copy()
    counts[0] = counts[1]  # zero is exact in any range, and after ReLU it would dominate
    sizes = range(min(levels, len(counts)), len(counts) + 1, _STEP)
    return min(sizes, key=lambda size: _divergence(counts, size, levels))


def _divergence(counts: NDArray[np.int64], size: int, levels: int) -> float:
    kept = counts[:size].astype(float)
    exact = kept.copy()
    exact[-1] += counts[size:].sum()
    level = np.arange(size) * levels // size
    # A level spreads evenly over its bins that are not empty.
    totals = np.bincount(level, weights=kept)
    filled = np.maximum(np.bincount(level, weights=kept > 0), 1)
    rounded = np.where(kept > 0, (totals / filled)[level], 0)
    if not rounded.any():
        return np.inf
    exact, rounded = exact / exact.sum(), rounded / rounded.sum()
    some = exact > 0
    return float((exact[some] * np.log(exact[some] / rounded[some].clip(min=1e-9))).sum())
