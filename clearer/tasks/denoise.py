"""Noise: white Gaussian, or Poisson-Gaussian."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from clearer.errors import InputError
from clearer.tasks.base import Span, Task, one_of, option

if TYPE_CHECKING:
    from torch import Tensor

    from clearer.tasks.draws import Draws

__all__ = ["Denoise"]

_PAPER_MULTIPLE: Final = 64


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoise(Task):
    """White Gaussian noise of one level or of a range of levels, or Poisson-Gaussian noise.

    Protocol ``awgn``: in floating point, not clipped. Protocol ``paper`` (Gou et al., "CLEARER",
    NeurIPS 2020, as in the authors' code): clipped to 0..255 and truncated to 8 bits, evaluated on
    pictures cropped to multiples of 64. Poisson-Gaussian noise (Foi et al., 2008) has the variance
    ``shot * x + (sigma / 255)**2`` at brightness x; ``shot`` is the part of full scale that one
    photoelectron adds.

    Raises:
        InputError: If a number is out of range, or the protocol does not fit the noise.
    """

    name: ClassVar[str] = "denoise"
    summary: ClassVar[str] = "white Gaussian noise (one level, or blind), or Poisson-Gaussian noise"
    is_noise: ClassVar[bool] = True

    sigma: Span = option(
        Span(25, 25), Span.parse, "Noise level on the scale 0 to 255, or a range like 5:50."
    )
    noise: str = option(
        "gaussian",
        one_of("gaussian", "poisson-gaussian"),
        "gaussian, or poisson-gaussian: shot noise (--shot) and read noise (--sigma).",
    )
    shot: Span = option(
        Span(0.01, 0.01),
        Span.parse,
        "Shot noise in full scale per photoelectron, or a range: 0.01 is a camera at high "
        "ISO, 0.0005 at low.",
    )
    protocol_name: str = option(
        "awgn",
        one_of("awgn", "paper"),
        "awgn: noise in floating point; paper: clipped and truncated to 8 bits.",
        name="protocol",
    )

    def __post_init__(self) -> None:
        if not (self.sigma.low >= 0 and 0 < self.sigma.high <= 255):
            raise InputError(f"sigma must lie in 0..255, above 0 somewhere; got {self.sigma}")
        if not (self.shot.low > 0 and self.shot.high <= 1):
            raise InputError(f"--shot must lie in 0..1, above 0; got {self.shot}")
        if self.noise != "gaussian" and self.protocol_name == "paper":
            raise InputError("--protocol paper is for Gaussian noise: leave out --noise")

    @property
    def protocol(self) -> str:
        """``awgn``, ``paper`` or ``poisson-gaussian``."""
        return self.protocol_name if self.noise == "gaussian" else self.noise

    @property
    def text(self) -> str:
        """For people, with the protocol."""
        shot = f", shot {self.shot}" if self.noise != "gaussian" else ""
        return f"denoise, sigma {self.sigma}{shot}, protocol {self.protocol}"

    @property
    def label(self) -> str:
        """For names of folders, such as ``denoise-s25``."""
        kind = "" if self.protocol == "awgn" else f"-{self.protocol.split('-')[0]}"
        return f"{self.name}{kind}-s{self.sigma.label}"

    @property
    def crop_multiple(self) -> int:
        """64 under protocol ``paper``."""
        return _PAPER_MULTIPLE if self.protocol == "paper" else 1

    @property
    def sigma_255(self) -> float | None:
        """The noise level, if it is a single one of white noise."""
        return self.sigma.low if self.sigma.is_fixed and self.noise == "gaussian" else None

    @property
    def has_level(self) -> bool:
        """True for Gaussian noise."""
        return self.noise == "gaussian"

    def draw_level(self, draws: Draws) -> Tensor | float:
        """The level; from a range, one for each picture."""
        if not self.has_level:
            return Task.draw_level(self, draws)
        return self.sigma.draw(draws) / 255

    def degrade(self, clean: Tensor, draws: Draws) -> Tensor:
        """Add noise; if its level is a range, the level is drawn first."""
        sigma = self.sigma.draw(draws) / 255
        if self.noise == "poisson-gaussian":
            shot = self.shot.draw(draws)
            clean = (draws.poisson(clean / shot) * shot).float()
        noisy = draws.normal(clean) * sigma + clean
        if self.protocol == "paper":
            noisy = (noisy * 255).clamp(0, 255).trunc() / 255
        return noisy
