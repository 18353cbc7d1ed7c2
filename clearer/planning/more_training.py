"""What more training would give, by the curve of the validation PSNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MoreTraining", "estimate_more_training"]

_FACTOR: Final = 2
"""So many times as long is what the estimate is for."""
_FIRST_SHARE: Final = 0.25
"""Where the fit begins: what is learnt before says little about the end."""
_LEAST_POINTS: Final = 4
_EXPONENTS: Final = (1.0, 0.5, 0.0)
"""Of the power laws: the one that levels off soonest, the estimate, the one that never does."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MoreTraining:
    """An estimate, and the range that it comes with."""

    iterations: int
    """Of the longer training, in place of that which was done."""
    minutes: float
    """How long it would take, by the speed so far."""
    gain_db: float
    low_db: float
    high_db: float


def estimate_more_training(log: Sequence[dict[str, Any]]) -> MoreTraining | None:
    r"""Fit :math:`a - b\,t^{-c}` to the PSNR of the validations, and follow it to twice the end.

    Error falls with more training as a power law (Hestness et al., "Deep Learning Scaling is
    Predictable, Empirically", 2017), of which a few points do not tell the exponent ``c``. So three
    are fitted: 1, which levels off soonest, 1/2, and the limit 0, a logarithm, which never does.
    The middle one is the estimate. The others, each with its standard error, are its range.

    Args:
        log: Lines of ``train.jsonl``.

    Returns:
        None where the curve is too short: fewer than four validations after its first quarter,
        or no line with a speed.
    """
    last = max((line["iteration"] for line in log), default=0)
    curve = [
        (line["iteration"] / last, line["val_psnr_db"])
        for line in log
        if line["iteration"] >= max(1, _FIRST_SHARE * last) and "val_psnr_db" in line
    ]
    times, psnrs_db = np.array(curve, dtype=float).reshape(-1, 2).T
    if len(times) < _LEAST_POINTS or not np.isfinite(psnrs_db).all():
        return None
    (soonest, low_error), (middle, _), (never, high_error) = (
        _gain(times, psnrs_db, exponent) for exponent in _EXPONENTS
    )
    speeds = [line["iterations_per_s"] for line in log if line.get("iterations_per_s")]
    if not speeds:
        return None
    return MoreTraining(
        iterations=_FACTOR * last,
        minutes=_FACTOR * last / float(np.median(speeds)) / 60,
        gain_db=middle,
        low_db=min(soonest - low_error, middle),
        high_db=max(never + high_error, middle),
    )


def _gain(
    times: NDArray[np.float64], psnrs_db: NDArray[np.float64], exponent: float
) -> tuple[float, float]:
    """What a fitted power law gains from time 1 to ``_FACTOR``, in dB, and its standard error."""

    def law(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(t) if exponent == 0 else -(t**-exponent)

    matrix = np.stack([np.ones_like(times), law(times)], axis=1)
    (offset, slope), *_ = np.linalg.lstsq(matrix, psnrs_db, rcond=None)
    residual = psnrs_db - matrix @ (offset, slope)
    variance = residual @ residual / (len(times) - 2) * np.linalg.inv(matrix.T @ matrix)[1, 1]
    ahead, end = law(np.array([_FACTOR, 1.0]))
    return float(slope * (ahead - end)), float(np.sqrt(variance) * (ahead - end))
