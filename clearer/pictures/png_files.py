"""Reads PNG files, whole or not at all: every checksum counts."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearer.errors import InputError, require
from clearer.pictures import png_chunks
from clearer.pictures.stored_picture import (
    StoredPicture,
    check_size,
    split_alpha,
    turn_upright,
    without_layout,
)

__all__ = ["read_png"]

_PALETTE: Final = 3
_CHANNELS: Final = {0: 1, 2: 3, _PALETTE: 1, 4: 2, 6: 4}
_WITH_ALPHA: Final = (4, 6)
_PIXEL_CHUNKS: Final = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
# EXIF data are in a chunk of their own or in a text chunk; XMP may hold the orientation.
_TEXTS: Final = (b"Raw profile type exif", b"XML:com.adobe.xmp")
_ADAM7: Final = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)
"""First column and row, and the steps along both, of each pass of an interlaced file."""
_BLOCK: Final = 1 << 20
_MOST_PROFILE: Final = 1 << 26


def read_png(path: Path, data: bytes) -> StoredPicture:
    """Read a PNG file of any bit depth.

    Raises:
        InputError: If it is animated or too large.
        ValueError: If a checksum is wrong, or anything is damaged or missing.
    """
    chunks = png_chunks.checked_chunks(data)
    animation = next((body for kind, body in chunks if kind == b"acTL"), b"")
    if int.from_bytes(animation[:4], "big") > 1:
        raise InputError(f"{path} is animated, or has several pages: keep one picture")
    width, height, depth, color = struct.unpack(">IIBB", chunks[0][1][:10])
    check_size(path, width, height)
    _check_stream(chunks)
    samples = _decode(chunks)
    pixels, alpha = split_alpha(samples, samples.ndim == 3 and samples.shape[2] in (2, 4))
    notes = []
    if depth < 8 and color != _PALETTE:
        notes.append(f"{depth} {'bit' if depth == 1 else 'bits'} became 8")
    if color == _PALETTE:
        notes.append("the palette became RGB")
    icc = _profile(chunks, notes)
    about = _without_pixels(chunks)
    exif, orientation = without_layout(lambda: Image.Image.getexif(about()), notes)
    dpi = next((body for kind, body in chunks if kind == b"pHYs"), None)
    picture = StoredPicture(
        pixels=pixels,
        alpha=alpha,
        icc=icc,
        exif=exif,
        dpi=None if dpi is None else png_chunks.dots_per_inch(dpi),
        color_chunks=png_chunks.color_chunks(chunks),
        notes=tuple(notes),
    )
    return turn_upright(picture, orientation)


def _decode(chunks: list[png_chunks.Chunk]) -> NDArray[Any]:
    """Samples ``(H, W)`` or ``(H, W, S)``, palettes and transparent colours resolved."""
    # Only the pixels, so that a fault in a text chunk is not one of the picture.
    file = png_chunks.join(chunk for chunk in chunks if chunk[0] in _PIXEL_CHUNKS)
    depth, color = chunks[0][1][8:10]
    is_clear = any(kind == b"tRNS" for kind, _ in chunks)
    # Pillow keeps 8 of 16 bits, and compares a transparent level of 2 or 4 bits with one of 8.
    if depth == 16 or (depth < 8 and is_clear and color != _PALETTE):
        samples: NDArray[Any] = require("imagecodecs").png_decode(file)
        return samples
    with Image.open(io.BytesIO(file), formats=["PNG"]) as image:
        planes = "L" if _CHANNELS[color] < 3 and color != _PALETTE else "RGB"
        return np.asarray(image.convert(planes + "A" * (is_clear or color in _WITH_ALPHA)))


def _check_stream(chunks: list[png_chunks.Chunk]) -> None:
    """Decompress the pixels and discard them.

    The decoder stops at the last row, before the checksum of the stream.

    Raises:
        ValueError: If the compressed pixels are damaged, too few or too many.
    """
    width, height, depth, color, _, _, is_interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    has_palette = any(kind == b"PLTE" for kind, _ in chunks)
    if color not in _CHANNELS or (color == _PALETTE and not has_palette):
        raise ValueError("it is damaged: unknown colours")
    bits = depth * _CHANNELS[color]
    expected = 0
    for x, y, step_x, step_y in _ADAM7 if is_interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if columns > 0 and rows > 0:
            expected += rows * (1 + -(-columns * bits // 8))
    stream = zlib.decompressobj()
    found = 0
    try:
        for kind, body in chunks:
            rest = body if kind == b"IDAT" else b""
            while rest and not stream.eof and found <= expected:
                found += len(stream.decompress(rest, _BLOCK))
                rest = stream.unconsumed_tail
    except zlib.error as error:
        raise ValueError(f"it is damaged: {error}") from error
    if not stream.eof or found != expected:
        raise ValueError("it is damaged: its pixels are too few or too many")


def _profile(chunks: list[png_chunks.Chunk], notes: list[str]) -> bytes | None:
    """The ICC profile, however long."""
    packed = next((body for kind, body in chunks if kind == b"iCCP"), None)
    if packed is None:
        return None
    # A name, a zero byte, the compression method.
    stream = zlib.decompressobj()
    try:
        profile = stream.decompress(packed.partition(b"\0")[2][1:], _MOST_PROFILE)
    except zlib.error:
        profile = b""
    if not stream.eof or not profile:
        notes.append("a damaged colour profile was left out")
        return None
    return profile


def _without_pixels(chunks: list[png_chunks.Chunk]) -> Callable[[], Image.Image]:
    """A function that opens a file with the EXIF data of these chunks, and no pixels."""
    kept = [
        (kind, body)
        for kind, body in chunks
        if kind in (b"IHDR", b"eXIf")
        or (kind in (b"tEXt", b"zTXt", b"iTXt") and body.partition(b"\0")[0] in _TEXTS)
    ]
    file = png_chunks.join([*kept, (b"IDAT", b""), (b"IEND", b"")])
    return lambda: Image.open(io.BytesIO(file), formats=["PNG"])
