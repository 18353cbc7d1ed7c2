"""How pictures of each kind are restored, and of which kind a picture is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal, cast, get_args

import numpy as np

from clearer.errors import InputError
from clearer.pictures.images import LUMA
from clearer.pictures.stored_picture import Samples, full_scale
from clearer.restoring.noise_kind import is_gray, is_noise_of_camera
from clearer.restoring.noise_level import estimate_level
from clearer.restoring.restore import ColorMode, restore_pixels
from clearer.restoring.restorer import Restorer
from clearer.restoring.self_ensemble import Views, self_ensemble
from clearer.restoring.tiling import TilePlan

__all__ = ["Method", "PictureKind", "choose_method"]

PictureKind = Literal["gray", "rgb", "photo", "jpeg"]
"""``gray`` and ``rgb``: with white noise. ``photo``: with camera noise, gray or in colour
(:mod:`clearer.restoring.noise_kind`). ``jpeg``: likewise, from a JPEG file of low quality."""

_LOW_QUALITY: Final = 60
"""Up to this quality JPEG harms more than the noise of most cameras: a network for JPEG restores
clean pictures 0.5 to 0.6 dB better than one for photographs (``benchmarks/jpeg_or_noise.py``)."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """A network and how it is used.

    Raises:
        InputError: If the level, the strength or the number of views is out of range.
    """

    name: str
    """Name of the network."""
    restore: Restorer
    channels: int
    color: ColorMode
    plan: TilePlan
    has_level: bool = False
    """Whether the network has a level map."""
    sigma: float | None = None
    """Noise level for it, scale 0 to 255; None: estimated from each picture."""
    strength: float = 1.0
    """See :func:`clearer.restoring.restore.restore_pixels`."""
    views: Views = 1
    """See :func:`clearer.restoring.self_ensemble.self_ensemble`."""
    is_upright: bool = False
    """Whether the network was trained on pictures that are neither turned nor upside down."""

    def __post_init__(self) -> None:
        if self.sigma is not None and not 0 <= self.sigma <= 255:
            raise InputError(f"sigma must lie in 0..255; got {self.sigma:g}")
        if not 0 <= self.strength <= 2:
            raise InputError(f"strength must lie in 0..2; got {self.strength:g}")
        if self.views not in get_args(Views):
            raise InputError(f"self_ensemble must be 1, 2, 4 or 8; got {self.views}")

    def apply(
        self, pixels: Samples, listener: Callable[[int, int], None] = lambda done, total: None
    ) -> tuple[Samples, float | None]:
        """Restore pixels, and return the noise level given to the network, range [0, 1], if any.

        Args:
            pixels: As for :func:`clearer.restoring.restore.restore_pixels`.
            listener: Called with (done, total) tiles.

        Raises:
            InputError: If a level is given, and the network has no level map.
            ClearerError: If the network gives NaN or infinite values.
        """
        if self.sigma is not None and not self.has_level:
            raise InputError(f"{self.name} takes no noise level: leave out sigma, and see strength")
        if self.channels == 1 and pixels.shape[2] == 3 and is_gray(pixels):
            restored, level = self.apply(pixels[..., :1], listener)
            return cast(Samples, np.repeat(restored, 3, axis=2)), level
        level = self._level(pixels) if self.has_level else None
        restored = restore_pixels(
            self_ensemble(self.restore, self.views, upright=self.is_upright),
            pixels,
            channels=self.channels,
            color=self.color,
            plan=self.plan,
            level=level,
            strength=self.strength,
            listener=listener,
        )
        return restored, level

    def _level(self, pixels: Samples) -> float:
        """Noise level of the network's input for a picture; range [0, 1]."""
        if self.sigma is not None:
            return self.sigma / 255
        if pixels.shape[2] == 3 and self.channels == 1 and self.color == "luma":
            luma = pixels @ LUMA.astype(np.float32) / full_scale(pixels)
            return estimate_level(luma[..., None])
        return estimate_level(pixels)


def choose_method(
    pixels: Samples, methods: Mapping[PictureKind, Method], jpeg_quality: int | None = None
) -> tuple[Method, str | None] | None:
    """The method for a picture, with a short reason if there is a choice; None if there is none.

    Args:
        pixels: ``(H, W, C)``.
        methods: By kind; without ``photo`` or ``jpeg``, those are treated as other pictures.
        jpeg_quality: Quality of the JPEG file that the pixels come from, if any.
    """
    if pixels.shape[2] == 1 and "gray" not in methods:
        return None
    white = methods["gray" if "gray" in methods and is_gray(pixels) else "rgb"]
    if white.sigma is not None:  # giving a level means that the noise is white
        return white, None
    if "jpeg" in methods and jpeg_quality is not None and jpeg_quality <= _LOW_QUALITY:
        return methods["jpeg"], f"JPEG of quality {jpeg_quality}"
    if "photo" not in methods:
        return white, None
    if is_noise_of_camera(pixels):
        return methods["photo"], "no white noise"
    return white, "white noise"
