"""Folds batch normalisation into the weights of convolutions, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["fold_arrays"]

_EPSILON: Final = np.float32(1e-5)  # that of torch's layers
_VARIANCE: Final = ".running_var"


def fold_arrays(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of :func:`clearer.networks.fold.fold_batch_norm`, bit for bit, without torch.

    Args:
        state: Arrays by torch's names. Batch normalisation follows its convolution, which has
            no bias: ``x.1.running_var`` belongs to ``x.0.weight``.

    Raises:
        ValueError: If a tensor that belongs to one of these is missing or does not fit.
    """
    folded = dict(state)
    for name in state:
        if not name.endswith(_VARIANCE):
            continue
        norm = name.removesuffix(_VARIANCE)
        parent, _, place = norm.rpartition(".")
        conv = f"{parent}.{int(place) - 1}"
        try:
            mean, variance, gain, shift = (
                folded.pop(f"{norm}.{part}").astype(np.float32)
                for part in ("running_mean", "running_var", "weight", "bias")
            )
            folded.pop(f"{norm}.num_batches_tracked")
            kernel = folded[f"{conv}.weight"].astype(np.float32)
        except KeyError as error:
            raise ValueError(f"its tensor {error} is missing") from error
        with np.errstate(invalid="ignore"):  # NaN and infinity are reported when restoring
            spread = np.float32(1) / np.sqrt(variance + _EPSILON)
        folded[f"{conv}.weight"] = kernel * (gain * spread).reshape(-1, *[1] * (kernel.ndim - 1))
        folded[f"{conv}.bias"] = (0 - mean) * spread * gain + shift
    return folded
