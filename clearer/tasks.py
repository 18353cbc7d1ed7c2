"""How a clean picture is degraded."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from clearer.errors import InputError

__all__ = ["Denoise"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoise:
    """Additive white Gaussian noise, in floating point and not clipped: protocol ``awgn``.

    Raises:
        InputError: If the noise level is out of range.
    """

    sigma_255: float = 25.0
    """Standard deviation of the noise on the scale 0 to 255."""

    def __post_init__(self) -> None:
        if not 0 < self.sigma_255 <= 255:
            raise InputError(f"sigma must lie in 0..255, above 0; got {self.sigma_255}")

    @property
    def protocol(self) -> str:
        """Name under which figures of this degradation may be compared."""
        return "awgn"

    @property
    def text(self) -> str:
        """For people."""
        return f"denoise, sigma {self.sigma_255:g}, protocol {self.protocol}"

    def degrade(self, clean: Tensor, rng: np.random.Generator) -> Tensor:
        """Degrade a batch.

        Args:
            clean: Any shape, range [0, 1], on the CPU.
            rng: Source of the noise.

        Returns:
            A new tensor of the same shape and memory format; values may leave [0, 1].
        """
        # Drawn in the order of memory, so that a channels-last batch is not copied.
        noise = rng.standard_normal(clean.numel(), dtype=np.float32)
        noisy = torch.empty_like(clean)
        noisy.copy_(torch.from_numpy(noise).as_strided(clean.shape, clean.stride()))
        return noisy.mul_(self.sigma_255 / 255).add_(clean)
