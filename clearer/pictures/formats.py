"""The formats of pictures that are read: their first bytes and file extensions."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Final, Literal

__all__ = ["IMAGE_SUFFIXES", "Format", "has_decoder", "is_picture_name", "sniff"]

Format = Literal["png", "jpeg", "tiff", "webp", "bmp", "pnm", "avif", "heic"]

# Classic TIFF and BigTIFF, little and big endian.
_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_AVIF_BRANDS: Final = (b"avif", b"avis")
_HEIC_BRANDS: Final = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


_DECODERS: Final[dict[Format, str]] = {"avif": "PIL._avif", "heic": "pillow_heif"}


def has_decoder(kind: Format) -> bool:
    """Whether the decoder of a format is installed; for most it always is."""
    return kind not in _DECODERS or importlib.util.find_spec(_DECODERS[kind]) is not None


IMAGE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".bmp", ".tif", ".tiff", ".webp"}
    | {".ppm", ".pgm", ".pbm", ".pnm"}
    | ({".avif"} if has_decoder("avif") else set())
    | ({".heic", ".heif"} if has_decoder("heic") else set())
)
"""Lower-case extensions of files in a folder that count as pictures."""


def is_picture_name(name: str) -> bool:
    """Whether a file in a folder counts as a picture; hidden files do not.

    macOS puts a hidden ``._a.png`` beside ``a.png`` on disks of other systems.
    """
    return not name.startswith(".") and Path(name).suffix.lower() in IMAGE_SUFFIXES


def sniff(data: bytes) -> Format | None:
    """The format by the first 64 bytes of a file; None for any that is not read."""
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if data.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if data.startswith(_TIFF):
        return "tiff"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "webp"
    if data.startswith(b"BM"):
        return "bmp"
    if data[:1] == b"P" and data[1:2] in b"123456" and data[2:3].isspace():
        return "pnm"
    if data[4:8] == b"ftyp":
        # The major brand, a version, then the compatible brands.
        size = min(int.from_bytes(data[:4], "big"), 64)
        brands = {data[8:12], *(data[at : at + 4] for at in range(16, size, 4))}
        if brands & {*_AVIF_BRANDS}:
            return "avif"
        if brands & {*_HEIC_BRANDS}:
            return "heic"
    return None
