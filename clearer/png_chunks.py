"""The parts of a PNG file that say what its colours mean and where it comes from.

The PNG specification, third edition, chapters 5 and 11. Encoders for 16 bits write pixels alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from typing import Final

__all__ = ["bit_depth", "color_chunks", "describe", "insert"]

_SIGNATURE_AND_HEADER: Final = 8 + 25
_COLOR: Final = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_INCHES_PER_METER: Final = 1 / 0.0254


def bit_depth(header: bytes) -> int:
    """Bits per sample, from the first 25 bytes or more of a PNG file."""
    return header[24]


def color_chunks(png: bytes) -> bytes:
    """The chunks on the meaning of colours that are no ICC profile, as they are."""
    return b"".join(_chunk(kind, data) for kind, data in _chunks(png) if kind in _COLOR)


def describe(icc: bytes | None, exif: bytes | None, dpi: tuple[float, float] | None) -> bytes:
    """Chunks that carry an ICC profile, EXIF data (TIFF bytes) and a resolution."""
    chunks = b""
    if icc is not None:
        chunks += _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))
    if dpi is not None:
        x, y = (round(value * _INCHES_PER_METER) for value in dpi)
        chunks += _chunk(b"pHYs", struct.pack(">IIB", x, y, 1))
    if exif is not None:
        chunks += _chunk(b"eXIf", exif)
    return chunks


def insert(png: bytes, chunks: bytes) -> bytes:
    """A PNG file with more chunks, before its pixels."""
    return png[:_SIGNATURE_AND_HEADER] + chunks + png[_SIGNATURE_AND_HEADER:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _chunks(png: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and data of each chunk before the pixels."""
    start = 8
    while start + 12 <= len(png):
        (length,) = struct.unpack_from(">I", png, start)
        kind = png[start + 4 : start + 8]
        if kind == b"IDAT":
            return
        yield kind, png[start + 8 : start + 8 + length]
        start += 12 + length
