"""The chunks that a PNG file is made of.

The PNG specification, third edition, chapters 5 and 11. Encoders for 16 bits write pixels only.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable
from typing import Final

__all__ = ["Chunk", "checked_chunks", "color_chunks", "describe", "dots_per_inch", "insert", "join"]

Chunk = tuple[bytes, bytes]
"""Type and data."""
_SIGNATURE: Final = b"\x89PNG\r\n\x1a\n"
_SIGNATURE_AND_HEADER: Final = 8 + 25
_HEADER_BYTES: Final = 13
_COLOR: Final = (b"cHRM", b"gAMA", b"sRGB", b"cICP")
_INCHES_PER_METER: Final = 1 / 0.0254


def checked_chunks(png: bytes) -> list[Chunk]:
    """The chunks of a file in order, up to IEND; bytes after that are ignored.

    Raises:
        ValueError: If a checksum is wrong, or a chunk is missing, repeated, unknown or misplaced.
    """
    chunks: list[Chunk] = []
    start = len(_SIGNATURE)
    while not chunks or chunks[-1][0] != b"IEND":
        if start + 12 > len(png):
            raise ValueError("it is cut short")
        (length,) = struct.unpack_from(">I", png, start)
        kind, end = png[start + 4 : start + 8], start + 12 + length
        if end > len(png):
            raise ValueError("it is cut short")
        body = png[start + 8 : end - 4]
        if zlib.crc32(body, zlib.crc32(kind)) != int.from_bytes(png[end - 4 : end], "big"):
            raise ValueError(f"it is damaged: wrong checksum of {kind.decode('ascii', 'replace')}")
        chunks.append((kind, body))
        start = end
    _check_order([kind for kind, _ in chunks], len(chunks[0][1]))
    return chunks


def _check_order(kinds: list[bytes], header_bytes: int) -> None:
    pixels = [place for place, kind in enumerate(kinds) if kind == b"IDAT"]
    before = kinds[: pixels[0]] if pixels else kinds
    whole = (
        kinds[0] == b"IHDR"
        and kinds.count(b"IHDR") == 1
        and header_bytes == _HEADER_BYTES
        and pixels == list(range(pixels[0], pixels[0] + len(pixels)) if pixels else [0])
        and all(kinds.count(kind) == before.count(kind) <= 1 for kind in (b"PLTE", b"tRNS"))
        and not (b"tRNS" in before and b"PLTE" in before[before.index(b"tRNS") :])
    )
    # A lower-case first letter marks an ancillary chunk, which may be ignored.
    unknown = {k for k in kinds if k[:1].isupper()} - {b"IHDR", b"PLTE", b"IDAT", b"IEND"}
    if not whole or unknown:
        raise ValueError("it is damaged: chunks are missing, doubled, unknown or out of place")


def join(chunks: Iterable[Chunk]) -> bytes:
    """A file made of the given chunks."""
    return _SIGNATURE + b"".join(_chunk(kind, data) for kind, data in chunks)


def color_chunks(chunks: Iterable[Chunk]) -> bytes:
    """The chunks that define colours, other than an ICC profile, unchanged."""
    return b"".join(_chunk(kind, data) for kind, data in chunks if kind in _COLOR)


def dots_per_inch(data: bytes) -> tuple[float, float] | None:
    """Resolution across and down from a pHYs chunk; None if it gives only the aspect ratio."""
    if len(data) != 9 or data[8] != 1:
        return None
    x, y = struct.unpack(">II", data[:8])
    return x / _INCHES_PER_METER, y / _INCHES_PER_METER


def describe(icc: bytes | None, exif: bytes | None, dpi: tuple[float, float] | None) -> bytes:
    """Chunks for an ICC profile, EXIF data (TIFF bytes) and a resolution."""
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
    """Insert chunks into a PNG file, right after its header."""
    return png[:_SIGNATURE_AND_HEADER] + chunks + png[_SIGNATURE_AND_HEADER:]


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
