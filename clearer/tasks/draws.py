"""Random numbers that degrade pictures: a batch in training, one picture in evaluation."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

__all__ = ["BatchDraws", "Draws", "PictureDraws", "chance", "per_picture"]


class Draws(Protocol):
    """The random numbers that a task asks for. A range of a single number draws nothing."""

    def uniform(self, low: float, high: float) -> Tensor | float:
        """Uniform numbers, one per picture, ``(N, 1, 1, 1)``, or a single one for all."""
        ...

    def normal(self, like: Tensor) -> Tensor:
        """Standard normal numbers of the shape of ``like``, float32."""
        ...

    def poisson(self, mean: Tensor) -> Tensor:
        """Poisson counts with these means, of their shape."""
        ...


class PictureDraws:
    """For one picture, ``N = 1``, by numpy: all figures are measured with this noise.

    Args:
        rng: Where the numbers come from.
    """

    def __init__(self, rng: np.random.Generator) -> None:
        self._rng = rng

    def uniform(self, low: float, high: float) -> float:
        """A number from the range."""
        return low if low == high else float(self._rng.uniform(low, high))

    def normal(self, like: Tensor) -> Tensor:
        """Drawn in the order of rows, columns and channels."""
        _, channels, height, width = like.shape
        noise = self._rng.standard_normal((height, width, channels), dtype=np.float32)
        return torch.from_numpy(noise).permute(2, 0, 1)[None]

    def poisson(self, mean: Tensor) -> Tensor:
        """Drawn in the order of rows, columns and channels; float64."""
        by_row = mean[0].permute(1, 2, 0).contiguous().numpy()
        counts = self._rng.poisson(by_row).astype(np.float64)
        return torch.from_numpy(counts).permute(2, 0, 1)[None]


class BatchDraws:
    """For a batch, on its device, for which nothing waits.

    Args:
        generator: A generator of that device.
        batch_size: Number of pictures.
    """

    def __init__(self, generator: torch.Generator, batch_size: int) -> None:
        self._generator, self._batch_size = generator, batch_size

    def uniform(self, low: float, high: float) -> Tensor | float:
        """A number per picture, float32; a range of a single number gives that."""
        if low == high:
            return low
        device = self._generator.device
        share = torch.rand(self._batch_size, 1, 1, 1, generator=self._generator, device=device)
        return low + (high - low) * share

    def normal(self, like: Tensor) -> Tensor:
        """Channels last in memory, as batches are."""
        n, channels, height, width = like.shape
        shape, device = (n, height, width, channels), self._generator.device
        return torch.randn(shape, generator=self._generator, device=device).permute(0, 3, 1, 2)

    def poisson(self, mean: Tensor) -> Tensor:
        """Counts as float32."""
        return torch.poisson(mean, generator=self._generator)


def per_picture(drawn: Tensor | float, like: Tensor) -> Tensor:
    """Expand what :meth:`Draws.uniform` gives to one number for each picture of a batch.

    Args:
        drawn: A number, or one for each picture.
        like: The batch, ``(N, C, H, W)``.

    Returns:
        ``(N, 1, 1, 1)``, float32.
    """
    if not isinstance(drawn, Tensor):  # filled on the device: a copy would wait for it
        drawn = torch.full((1, 1, 1, 1), drawn, dtype=torch.float32, device=like.device)
    return drawn.expand(len(like), 1, 1, 1)


def chance(draws: Draws, share: float, like: Tensor) -> Tensor:
    """True with this probability for each picture of a batch, bool ``(N, 1, 1, 1)``."""
    return per_picture(draws.uniform(0, 1), like) < share
