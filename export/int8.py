"""Post-training quantisation to int8, with the layers that it hurts left in floating point."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clearer.errors import ClearerError, require
from clearer.export.calibration import METHODS, Activation, Array, Method
from clearer.export.network_io import session_restorer
from clearer.export.qdq import Flavour, QdqGraph, WeightBits, insert_qdq

__all__ = ["DROP_DB", "MAX_DROP_DB", "Int8Result", "Listener", "Validate", "quantize"]

DROP_DB: Final = 0.03
"""Largest loss of PSNR on the validation images, against the fp32 file: a network that is better by
more than that takes longer than the few layers that must stay in floating point for it."""
MAX_DROP_DB: Final = 0.1
"""The same where a budget is for int8: the file should not be larger than a search predicts."""

Validate = Callable[[bytes], float]
"""PSNR in dB of a file on validation images, in some runtime."""
Listener = Callable[[str, int, int], None]
"""Called with (what is being done, steps done, steps in all)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Int8Result:
    """An int8 file, and what it loses."""

    model: bytes
    flavour: Flavour
    method: Method
    """Method of calibration."""
    weight_bits: WeightBits
    drops_db: Mapping[str, float]
    """Loss of PSNR on the validation images against fp32, by runtime; negative if int8 happens to
    be better."""
    float_layers: tuple[str, ...]
    """Convolutions left in floating point, in the order of computation."""
    num_layers: int
    """Number of all convolutions."""

    @property
    def drop_db(self) -> float:
        """Loss in the runtime that loses most, in dB."""
        return max(self.drops_db.values())


class _Losses:
    """Losses of candidates against fp32 in each runtime, and the limit on them."""

    def __init__(
        self, validate: Mapping[str, Validate], reference_db: float, max_drop_db: float
    ) -> None:
        self._validate, self._reference_db = validate, reference_db
        self._max_drop_db = max_drop_db

    def of(self, model: bytes) -> dict[str, float]:
        """Losses in dB, by runtime."""
        return {name: self._reference_db - psnr(model) for name, psnr in self._validate.items()}

    def are_allowed(self, drops_db: Mapping[str, float]) -> bool:
        """Whether all are within the limit."""
        return max(drops_db.values()) <= self._max_drop_db


def quantize(
    model: bytes,
    flavour: Flavour,
    activations: Mapping[str, Activation],
    probes: Sequence[Array],
    validate: Mapping[str, Validate],
    *,
    reference_db: float,
    has_budget: bool = False,
    listener: Listener = lambda what, done, total: None,
) -> Int8Result:
    """Quantise an exported file, within a limit on the loss in any runtime.

    The method of calibration is the one with the best PSNR on validation images, in the worst
    runtime. If that loses too much, 7-bit weights are tried: processors without VNNI saturate with
    8. If that is not enough either, layers stay in floating point. For ONNX Runtime, which converts
    a whole feature map wherever int8 begins or ends, all those of the finest resolution do, if they
    are at most half of all. Then each layer is quantised alone, and those with the largest squared
    error of the output follow, as few as meet the limit. The errors of layers are nearly
    independent: their sum predicts that of all together.

    Args:
        model: Bytes of the fp32 file.
        flavour: The runtimes to quantise for.
        activations: Values of its features, of :func:`clearer.export.calibration.observe`.
        probes: A few degraded images ``(1, C, H, W)``, to compare the layers on.
        validate: For each runtime that will run the file, PSNR in dB of a candidate on validation
            images; called at most ``6 + 2 * log2(layers)`` times.
        reference_db: PSNR in dB of the fp32 network.
        has_budget: Whether a budget limits the file: then it may lose :data:`MAX_DROP_DB`, and no
            more layers stay in floating point than that needs. Else the limit is :data:`DROP_DB`.
        listener: Called with the progress.

    Raises:
        ClearerError: If ONNX Runtime is not installed, or the limit cannot be met.
    """
    max_drop_db = MAX_DROP_DB if has_budget else DROP_DB
    losses = _Losses(validate, reference_db, max_drop_db)
    graphs, drops = {}, {}
    for done, method in enumerate(METHODS, 1):
        listener("calibration", done, len(METHODS))
        graphs[method] = insert_qdq(model, flavour, method, activations)
        drops[method] = losses.of(graphs[method].model())
    best = min(METHODS, key=lambda method: max(drops[method].values()))
    graph, found = graphs[best], drops[best]
    bits: WeightBits = 8
    if not losses.are_allowed(found):
        listener("weights of 7 bits", 0, 1)
        narrow = insert_qdq(model, flavour, best, activations, weight_bits=7)
        narrow_drops = losses.of(narrow.model())
        if max(narrow_drops.values()) < max(found.values()):
            graph, found, bits = narrow, narrow_drops, 7
    float_layers: tuple[str, ...] = ()
    if not losses.are_allowed(found):
        first = graph.finest if flavour == "cpu" and not has_budget else ()
        if 2 * len(first) > len(graph.layers):
            first = ()
        kept = _float_layers(graph, first, model, probes, losses, listener)
        if kept is None:
            raise ClearerError(_impossible(flavour, losses.of(model), found, max_drop_db))
        float_layers, found = kept
    return Int8Result(
        model=graph.model(float_layers),
        flavour=flavour,
        method=best,
        weight_bits=bits,
        drops_db=found,
        float_layers=float_layers,
        num_layers=len(graph.layers),
    )


def _float_layers(
    graph: QdqGraph,
    first: Sequence[str],
    model: bytes,
    probes: Sequence[Array],
    losses: _Losses,
    listener: Listener,
) -> tuple[tuple[str, ...], dict[str, float]] | None:
    """The layers that stay in floating point so that a limit is met, and what is lost then.

    The first ones do in any case. None if there is no int8 left.
    """
    order: list[str] = []
    total = len(graph.layers) - len(first)
    known = {}

    def kept(count: int) -> tuple[str, ...]:
        return graph.in_float([*first, *order[:count]])

    def is_met(count: int) -> bool:
        if count == 0 and not first:
            return False
        if count and not order:
            errors = _errors(graph, model, probes, listener)
            order.extend(sorted(errors.keys() - {*first}, key=errors.__getitem__, reverse=True))
        listener("layers in floating point", len(first) + count, len(graph.layers))
        known[count] = losses.of(graph.model(kept(count)))
        return losses.are_allowed(known[count])

    count = _fewest(total, is_met)
    return None if count == total else (kept(count), known[count])


def _errors(
    graph: QdqGraph, model: bytes, images: Sequence[Array], listener: Listener
) -> dict[str, float]:
    """Mean squared error of the output with a single layer in int8, for each layer."""
    exact = _restore(model, images)
    errors = {}
    for done, layer in enumerate(graph.layers):
        listener("error of each layer", done, len(graph.layers))
        candidate = graph.model([other for other in graph.layers if other != layer])
        restored = _restore(candidate, images)
        differences = [np.square(a - b).mean() for a, b in zip(restored, exact, strict=True)]
        errors[layer] = float(np.mean(differences))
    return errors


def _restore(model: bytes, images: Sequence[Array]) -> list[Array]:
    ort = require("onnxruntime", extra="cpu")
    options = ort.SessionOptions()
    # A session runs a few small images: optimising its graph would take longer than that.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(map(session_restorer(session), images))


def _fewest(total: int, is_met: Callable[[int], bool]) -> int:
    """Smallest count that meets a limit, by doubling, then bisection; ``total`` if none does."""
    low, high = -1, 0
    while high < total and not is_met(high):
        low, high = high, min(max(1, 2 * high), total)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_met(middle) else (middle, high)
    return high


def _impossible(
    flavour: Flavour,
    fp32_drops_db: Mapping[str, float],
    int8_drops_db: Mapping[str, float],
    max_drop_db: float,
) -> str:
    """Why no file was written.

    Args:
        flavour: The runtimes it was to be for.
        fp32_drops_db: Loss of the fp32 file itself against its reference in dB, by runtime.
        int8_drops_db: The same with all layers in int8.
        max_drop_db: Largest loss allowed, in dB.
    """
    for runtime, drop_db in fp32_drops_db.items():
        if drop_db > max_drop_db:
            return (
                f"the fp32 file is {drop_db:.3f} dB below the network on the validation images "
                f"({runtime}): no int8 file can be made of it; check that data and seed are those "
                "of the run"
            )
    worst = max(int8_drops_db, key=int8_drops_db.__getitem__)
    return (
        f"int8 for {flavour} loses more than {max_drop_db:g} dB on the validation images in "
        f"{worst}, whichever layers stay in floating point: no file was written"
    )
