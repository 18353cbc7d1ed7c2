"""Estimates the gain of more training from the curve of the validation PSNR."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MoreTraining", "estimate_more_training"]

_FACTOR: Final = 2
"""The estimate is for a training this many times as long."""
_FIRST_SHARE: Final = 0.25
"""Where the fit begins: earlier progress says little about the end."""
_LEAST_POINTS: Final = 4
_EXPONENTS: Final = (1.0, 0.5, 0.0)
"""Exponents of the power laws: levels off soonest, the estimate, never levels off."""


@dataclass(frozen=True, kw_only=True, slots=True)
class MoreTraining:
    """An estimate and its range."""

    iterations: int
    """Iterations of the longer training, from scratch."""
    minutes: float
    """How long it would take at the speed so far."""
    gain_db: float
    low_db: float
    high_db: float


def estimate_more_training(log: Sequence[dict[str, Any]]) -> MoreTraining | None:
    r"""Fit :math:`a - b\,t^{-c}` to the validation PSNR, and extrapolate to twice the iterations.

    Error falls with more training as a power law (Hestness et al., "Deep Learning Scaling is
    Predictable, Empirically", 2017), but a few points do not determine the exponent ``c``. So three
    are fitted: 1, which levels off soonest, 1/2, and the limit 0, a logarithm, which never does.
    The middle one is the estimate. The others, each with its standard error, give its range.

    Args:
        log: Lines of ``train.jsonl``.

    Returns:
        None if the curve is too short (fewer than four validations after its first quarter), a PSNR
        is not finite, or no line has a speed.
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
    """Gain of a fitted power law from time 1 to ``_FACTOR``, and its standard error, in dB."""

    def law(t: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.log(t) if exponent == 0 else -(t**-exponent)

    matrix = np.stack([np.ones_like(times), law(times)], axis=1)
    (offset, slope), *_ = np.linalg.lstsq(matrix, psnrs_db, rcond=None)
    residual = psnrs_db - matrix @ (offset, slope)
    variance = residual @ residual / (len(times) - 2) * np.linalg.inv(matrix.T @ matrix)[1, 1]
    ahead, end = law(np.array([_FACTOR, 1.0]))
    return float(slope * (ahead - end)), float(np.sqrt(variance) * (ahead - end))
