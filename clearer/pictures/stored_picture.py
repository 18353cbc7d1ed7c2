"""A picture as its file holds it, and what the readers of all formats share."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearer.errors import InputError

__all__ = [
    "EXIF_LISTS",
    "EXIF_PREFIX",
    "MAX_PIXELS",
    "Pixels",
    "Samples",
    "StoredPicture",
    "check_size",
    "cmyk_to_rgb",
    "full_scale",
    "split_alpha",
    "to_full_scale",
    "turn_upright",
    "without_layout",
]

Pixels = NDArray[np.uint8] | NDArray[np.uint16]
Samples = Pixels | NDArray[np.float32]
"""``(H, W, C)``: full-scale unsigned integers or, from programs, also float32 in [0, 1]."""

MAX_PIXELS: Final = 2 * 89_478_485
"""Pillow's bound against small files that decode to more than memory holds."""

EXIF_PREFIX: Final = b"Exif\0\0"
"""The prefix of EXIF data in JPEG and WebP."""
_ORIENTATION: Final = 0x0112
EXIF_LISTS: Final = (34665, 34853)
"""Tags that point to the EXIF and GPS data."""
# What TIFF stores in the same list as EXIF data: pixel layout, XMP, IPTC, ICC profile. It would be
# wrong in another file.
_LAYOUT_TAGS: Final = frozenset(
    {*range(254, 267), 273, *range(277, 282), 284, 292, 293, 297, 301, *range(317, 348)}
    | {*range(512, 533), 700, 33723, 34377, 34675, 40965, _ORIENTATION}
)


def full_scale(samples: NDArray[Any]) -> np.float32:
    """The value of white: the largest unsigned integer, or 1."""
    return np.float32(np.iinfo(samples.dtype).max if samples.dtype.kind == "u" else 1)


@dataclass(frozen=True, kw_only=True, slots=True)
class StoredPicture:
    """A picture as its file holds it, turned upright."""

    pixels: Pixels
    """``(H, W, 1)`` or ``(H, W, 3)``."""
    alpha: Pixels | None = None
    """``(H, W)``, of the same type."""
    icc: bytes | None = None
    exif: bytes | None = None
    """A TIFF file without pixels, and without an orientation: the pixels are upright."""
    dpi: tuple[float, float] | None = None
    color_chunks: bytes = b""
    """PNG chunks that define the colours, other than a profile."""
    jpeg_quality: int | None = None
    """Quality of a JPEG file: see :func:`clearer.pictures.jpeg_quality.jpeg_quality`."""
    notes: tuple[str, ...] = ()
    """What could not be kept unchanged."""

    @property
    def bits(self) -> int:
        """Bits per sample: 8 or 16."""
        return 8 * self.pixels.dtype.itemsize


def check_size(path: Path, width: int, height: int) -> None:
    """Check the size that a file claims, before anything is decoded.

    Raises:
        InputError: If it is more than Pillow's bound.
        ValueError: If it is zero.
    """
    bound = 2 * (Image.MAX_IMAGE_PIXELS or MAX_PIXELS // 2)
    if width * height > bound:
        raise InputError(f"{path} has more than {bound / 1e6:.0f} megapixels: cut it into pieces")
    if width < 1 or height < 1:
        raise ValueError("it has no pixels")


def split_alpha(samples: Any, has_alpha: bool) -> tuple[Pixels, Pixels | None]:
    """Split samples ``(H, W)`` or ``(H, W, S)`` into pixels ``(H, W, C)`` and alpha ``(H, W)``."""
    if samples.ndim == 2:
        samples = samples[..., None]
    if not has_alpha:
        return samples, None
    return np.ascontiguousarray(samples[..., :-1]), np.ascontiguousarray(samples[..., -1])


def to_full_scale(samples: NDArray[Any], full: int) -> Pixels:
    """Scale samples of 0 to ``full`` to 8 bits if that keeps them all distinct, else to 16 bits.

    Different samples stay different.
    """
    dtype: Any = np.uint8 if full <= np.iinfo(np.uint8).max else np.uint16
    top = int(np.iinfo(dtype).max)
    if full == top:
        scaled: Pixels = samples.astype(dtype, copy=False)
        return scaled
    values = (np.arange(full + 1, dtype=np.int64) * (2 * top) + full) // (2 * full)
    found: Pixels = values.astype(dtype)[samples]
    return found


def cmyk_to_rgb(samples: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Convert ``(H, W, 4)`` to ``(H, W, 3)`` without a profile: approximately as printed."""
    return np.asarray(Image.fromarray(samples, "CMYK").convert("RGB"))


def without_layout(load: Callable[[], Image.Exif], notes: list[str]) -> tuple[bytes | None, int]:
    """EXIF data without tags on the pixel layout, and the orientation.

    Args:
        load: Parses the data.
        notes: Gets a line if they are damaged, which is no reason to refuse a picture.
    """
    orientation = 1
    try:
        exif = load()
        orientation = exif.get(_ORIENTATION, 1)
        for tag in EXIF_LISTS:
            exif.get_ifd(tag)  # this loads it into memory
        exif.bigtiff = False
        for tag in _LAYOUT_TAGS & set(exif):
            del exif[tag]
        data = exif.tobytes()[len(EXIF_PREFIX) :] if len(exif) else None
    except _DAMAGED_EXIF:
        notes.append("damaged EXIF data were left out")
        data = None
    return data, orientation if orientation in _UPRIGHT else 1


# What Pillow raises for malformed data. No pixel is decoded there.
_DAMAGED_EXIF: Final = (
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
)

_UPRIGHT: Final[dict[Any, Callable[[Any], Any]]] = {
    1: lambda pixels: pixels,
    2: np.fliplr,
    3: lambda pixels: np.rot90(pixels, 2),
    4: np.flipud,
    5: lambda pixels: np.swapaxes(pixels, 0, 1),
    6: lambda pixels: np.rot90(pixels, -1),
    7: lambda pixels: np.swapaxes(np.rot90(pixels, 2), 0, 1),
    8: np.rot90,
}
"""EXIF's orientations: how to turn stored pixels upright."""


def turn_upright(picture: StoredPicture, orientation: int) -> StoredPicture:
    """The picture turned upright; without an orientation, nothing turns it again."""
    turn = _UPRIGHT[orientation]
    dpi = picture.dpi[::-1] if picture.dpi and orientation >= 5 else picture.dpi
    return replace(
        picture,
        pixels=np.ascontiguousarray(turn(picture.pixels)),
        alpha=None if picture.alpha is None else np.ascontiguousarray(turn(picture.alpha)),
        dpi=dpi,
    )
