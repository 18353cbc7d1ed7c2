"""Whether an exported file computes what the torch network computes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.data import PHOTOGRAPHS
from clearer.errors import ClearerError, require
from clearer.export.to_onnx import INPUT_NAME
from clearer.images import read_image
from clearer.network import RestorationNet

__all__ = ["PARITY_LIMIT", "check_parity"]

PARITY_LIMIT: Final = 1e-4
"""Largest difference allowed in fp32: sums in another order differ by about 1e-6, and a wrong pad,
crop or weight by more than 1e-2. A tenth of 1/255 cannot be seen."""
_NOISE: Final = 0.1
"""Standard deviation, so that inputs leave [0, 1] too."""
_SHAPES: Final = ((1, 17, 19), (1, 61, 77), (1, 321, 481), (3, 61, 77))
"""(batch, height, width): smaller than the padding multiple allows, odd, usual, a batch."""


def check_parity(
    model: bytes,
    network: RestorationNet,
    shapes: Sequence[tuple[int, int, int]] = _SHAPES,
) -> list[dict[str, Any]]:
    """Run a file through ONNX Runtime and compare with torch on noisy pieces of a photograph.

    Args:
        model: Bytes of the ONNX file.
        network: In evaluation mode, on the CPU.
        shapes: (batch, height, width) of the inputs, at most 512 x 512.

    Returns:
        Per shape: ``shape``, ``max_abs`` and ``mean_abs`` difference.

    Raises:
        ClearerError: If ONNX Runtime is missing, or a difference is above :data:`PARITY_LIMIT`.
    """
    ort = require("onnxruntime", extra="cpu")
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    rows = []
    for shape in shapes:
        batch = _noisy_pieces(shape, network.architecture.space.channels)
        (restored,) = session.run(None, {INPUT_NAME: batch})
        with torch.inference_mode():
            expected = network(torch.from_numpy(batch)).numpy()
        if restored.shape != expected.shape:
            raise ClearerError(f"the export gives shape {restored.shape} for {expected.shape}")
        difference = np.abs(restored - expected)
        rows.append(
            {
                "shape": list(batch.shape),
                "max_abs": float(difference.max()),
                "mean_abs": float(difference.mean()),
            }
        )
        if not difference.max() <= PARITY_LIMIT:
            raise ClearerError(
                f"the export differs from torch by {difference.max():.2e} at {batch.shape} "
                f"(limit {PARITY_LIMIT:g}): no file was written"
            )
    return rows


def _noisy_pieces(shape: tuple[int, int, int], channels: int) -> NDArray[np.float32]:
    batch, height, width = shape
    photograph = read_image(PHOTOGRAPHS / "astronaut.png", "gray" if channels == 1 else "rgb")
    planes = photograph.transpose(2, 0, 1) / np.float32(255)
    rng = np.random.default_rng(list(shape))
    tops = rng.integers(512 - height + 1, size=batch)
    lefts = rng.integers(512 - width + 1, size=batch)
    corners = zip(tops, lefts, strict=True)
    pieces = np.stack([planes[:, y : y + height, x : x + width] for y, x in corners])
    noise = rng.standard_normal(pieces.shape, dtype=np.float32)
    return pieces + noise * np.float32(_NOISE)
