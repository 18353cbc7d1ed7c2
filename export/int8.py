"""Post-training quantisation to int8, with the layers that it hurts left in floating point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from clearer.errors import ClearerError, require
from clearer.export.calibration import METHODS, Array, Method, observe
from clearer.export.network_io import session_restorer
from clearer.export.qdq import Flavour, QdqGraph, insert_qdq

__all__ = ["MAX_DROP_DB", "Int8Result", "Listener", "quantize"]

MAX_DROP_DB: Final = 0.1
"""Of PSNR on the validation images, against the fp32 file."""
_NUM_PROBES: Final = 4
"""Calibration images on which the layers are compared."""

Listener = Callable[[str, int, int], None]
"""Called with what is being done, and how many steps of how many are."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Int8Result:
    """A file in int8, and what it costs."""

    model: bytes
    flavour: Flavour
    method: Method
    """Of calibration."""
    psnr_db: float
    """On the validation images."""
    drop_db: float
    """Of that PSNR against fp32; negative where int8 happens to be better."""
    float_layers: tuple[str, ...]
    """Convolutions left in floating point, in the order of computation."""
    num_layers: int
    """Of all convolutions."""


def quantize(
    model: bytes,
    flavour: Flavour,
    calibration: Sequence[Array],
    validate: Callable[[bytes], float],
    *,
    reference_db: float,
    max_drop_db: float = MAX_DROP_DB,
    listener: Listener = lambda what, done, total: None,
) -> Int8Result:
    """Quantise an exported file, within a limit of what it may lose.

    The method of calibration is the one with the best PSNR on validation images. Where that loses
    too much, each layer is quantised alone, and those with the largest squared error of the output
    are left in floating point, as few as meet the limit. The errors of the layers are nearly
    independent: their sum foretells that of all together.

    Args:
        model: Bytes of the fp32 file.
        flavour: For which runtimes.
        calibration: Degraded training images ``(1, C, H, W)``; a few dozen of about 128 x 128.
        validate: PSNR in dB of a candidate file on validation images; called at most
            ``4 + 2 * log2(layers)`` times.
        reference_db: The same of the fp32 file.
        max_drop_db: Largest loss allowed.
        listener: Told about progress.

    Raises:
        ClearerError: If ONNX Runtime is not installed, or the limit cannot be met.
    """
    graphs: dict[Method, QdqGraph] = {}
    psnr_db: dict[Method, float] = {}
    listener("calibration", 0, 1 + len(METHODS))
    activations = observe(model, calibration)
    for done, method in enumerate(METHODS, 1):
        listener("calibration", done, 1 + len(METHODS))
        graphs[method] = insert_qdq(model, flavour, method, activations)
        psnr_db[method] = validate(graphs[method].model())
    best = max(METHODS, key=psnr_db.__getitem__)
    graph, least_db = graphs[best], reference_db - max_drop_db
    order, known = list(graph.layers), {0: psnr_db[best]}
    if known[0] < least_db:
        errors = _errors(graph, model, calibration[:_NUM_PROBES], listener)
        order.sort(key=errors.__getitem__, reverse=True)

    def is_met(count: int) -> bool:
        if count not in known:
            listener("layers in floating point", count, len(order))
            known[count] = validate(graph.model(order[:count]))
        return known[count] >= least_db

    count = _fewest(len(order), is_met)
    if count == len(order):
        raise ClearerError(_impossible(flavour, validate(model), reference_db, max_drop_db))
    return Int8Result(
        model=graph.model(order[:count]),
        flavour=flavour,
        method=best,
        psnr_db=known[count],
        drop_db=reference_db - known[count],
        float_layers=tuple(layer for layer in graph.layers if layer in order[:count]),
        num_layers=len(order),
    )


def _errors(
    graph: QdqGraph, model: bytes, images: Sequence[Array], listener: Listener
) -> dict[str, float]:
    """Mean squared error of the output where one layer is in int8, for each layer."""
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
    # A session serves a few small images: optimising its graph would take longer than they do.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    return list(map(session_restorer(session), images))


def _fewest(total: int, is_met: Callable[[int], bool]) -> int:
    """Smallest count that meets a limit, by doubling, then halving; ``total`` where none does."""
    low, high = -1, 0
    while high < total and not is_met(high):
        low, high = high, min(max(1, 2 * high), total)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_met(middle) else (middle, high)
    return high


def _impossible(flavour: Flavour, fp32_db: float, reference_db: float, max_drop_db: float) -> str:
    if fp32_db < reference_db - max_drop_db:
        return (
            f"the fp32 file has {fp32_db:.3f} dB on the validation images, not {reference_db:.3f}: "
            "no int8 file can be made of it; check that data and seed are those of the run"
        )
    return (
        f"int8 for {flavour} loses more than {max_drop_db:g} dB on the validation images, whichever"
        " layers stay in floating point: no file was written"
    )
