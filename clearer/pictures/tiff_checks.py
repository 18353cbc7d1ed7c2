"""Checks of TIFF files: intact, one picture, samples of a known kind."""

from __future__ import annotations

import math
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from tifffile import (
    COMPRESSION,
    FILLORDER,
    PHOTOMETRIC,
    PLANARCONFIG,
    PREDICTOR,
    SAMPLEFORMAT,
    TiffPage,
)

from clearer.errors import InputError, require
from clearer.pictures.jpeg_check import check_jpeg

__all__ = ["COLORS", "check_fax", "check_layout", "check_pages", "check_segments", "check_tags"]

_WIDTH: Final = 256
_HEIGHT: Final = 257
_BITS: Final = 258
_PHOTOMETRIC: Final = 262
_DNG_VERSION: Final = 50706
_RAW: Final = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
COLORS: Final = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
"""Samples per pixel without alpha, by photometric interpretation."""
# Tags whose loss gives a wrong picture, and the types of whole numbers and bytes.
_PIXEL_TAGS: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320}
    | {322, 323, 324, 325, 330, 338, 339, 347, 530}
)
_PIXEL_TYPES: Final = (1, 3, 4, 7, 13, 16, 18)
_FAX: Final = (COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6)
_PACKED: Final = (
    COMPRESSION.NONE,
    COMPRESSION.LZW,
    COMPRESSION.DEFLATE,
    COMPRESSION.ADOBE_DEFLATE,
    COMPRESSION.PACKBITS,
)
# Their decoders return RGB.
_YCBCR: Final = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.WEBP, COMPRESSION.JPEG_2000_LOSSY)


def check_tags(page: TiffPage, data: bytes) -> None:
    """Compare the list of tags with those that were parsed: damaged ones are missing there.

    Raises:
        ValueError: If a tag that pixels depend on is damaged, repeated or missing.
    """
    order, is_big = page.parent.byteorder, page.parent.is_bigtiff
    head, step = ("Q", 20) if is_big else ("H", 12)
    (count,) = struct.unpack_from(order + head, data, page.offset)
    start = page.offset + struct.calcsize(order + head)
    found = [struct.unpack_from(order + "HH", data, start + step * i) for i in range(count)]
    codes = [code for code, _ in found if code in _PIXEL_TAGS]
    lost = any(code not in page.tags for code in codes) or len(codes) > len(set(codes))
    needed = {_WIDTH, _HEIGHT, _PHOTOMETRIC}
    # One bit is the default; where there are more, the length of the data tells.
    if page.compression not in (*_PACKED, *_FAX) or page.samplesperpixel > 1:
        needed.add(_BITS)
    lost |= not needed <= set(codes)
    if lost or any(kind not in _PIXEL_TYPES for code, kind in found if code in codes):
        raise ValueError("it is damaged: so is what it says of its pixels")


def check_pages(path: Path, tiff: tifffile.TiffFile, data: bytes, notes: list[str]) -> None:
    """Refuse raw files, several pictures, and files that begin with a thumbnail."""
    pages: list[Any] = list(tiff.pages)
    first = pages[0]
    others = [*pages[1:], *(inner for page in pages for inner in page.pages or ())]
    is_raw = any(page.photometric in _RAW for page in [first, *others])
    if is_raw or _DNG_VERSION in first.tags or data[8:10] == b"CR":
        raise InputError(
            f"{path} is a raw file of a camera: convert it to TIFF with another program"
        )
    if first.is_reduced:
        raise InputError(
            f"{path} begins with a thumbnail, as raw files of cameras do: convert it to TIFF with "
            "another program, or keep one picture"
        )
    if not all(page.is_reduced for page in others):
        raise InputError(f"{path} is animated, or has several pages: keep one picture")
    if others:
        notes.append("smaller copies inside the file were left out")


def check_layout(path: Path, page: TiffPage) -> None:
    """Refuse samples of an unknown kind, or that could not be kept."""
    bits = page.bitspersample
    if page.sampleformat != SAMPLEFORMAT.UINT or not isinstance(bits, int) or not 1 <= bits <= 16:
        what = "floating-point" if page.sampleformat == SAMPLEFORMAT.IEEEFP else "signed"
        what = f"{what} pixels" if page.sampleformat != SAMPLEFORMAT.UINT else "pixels"
        raise InputError(f"{path} has {what} of {bits} bits: convert it to 8 or 16 bits, unsigned")
    if page.predictor != PREDICTOR.NONE and bits not in (8, 16):
        raise InputError(f"{path} has a predictor and {bits} bits: save it without one")
    colors = COLORS.get(page.photometric)  # type: ignore[call-overload]
    extra = page.samplesperpixel - (colors or 0)
    is_packed = page.photometric != PHOTOMETRIC.YCBCR or page.compression in _YCBCR
    if colors is None or extra not in (0, 1) or page.imagedepth > 1 or not is_packed:
        kind = getattr(page.photometric, "name", page.photometric)
        raise InputError(
            f"{path} has {page.samplesperpixel} samples a pixel, {kind}: convert it to RGB or gray"
        )


def check_segments(page: TiffPage, data: bytes) -> None:
    """Look for missing strips and tiles: decoders make them black.

    Raises:
        ValueError: If any are missing, damaged or longer than expected, or the file ends early.
    """
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(places) != math.prod(page.chunked) or any(0 in place for place in places):
        raise ValueError(f"it is damaged: {'tiles' if page.is_tiled else 'strips'} are missing")
    if any(offset + count > len(data) for offset, count in places):
        raise ValueError("it is cut short")
    if page.bitspersample not in (8, 16) and page.compression in _PACKED:
        _check_lengths(page, data)
    if page.compression == COMPRESSION.JPEG:
        _check_jpeg(page, data)


def _check_lengths(page: TiffPage, data: bytes) -> None:
    """Check that packed samples are not too long; some programs write whole words.

    Raises:
        ValueError: If a strip or tile holds more.
    """
    rows, columns = page.rowsperstrip, page.imagewidth
    if page.is_tiled:
        rows, columns = page.tilelength, page.tilewidth
    if page.planarconfig == PLANARCONFIG.CONTIG:
        columns *= page.samplesperpixel
    expected = rows * -(-columns * page.bitspersample // 8)
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        segment: bytes | bytearray = data[offset : offset + count]
        if page.fillorder == FILLORDER.LSB2MSB:
            segment = require("imagecodecs").bitorder_decode(segment)
        if page.compression != COMPRESSION.NONE:
            segment = tifffile.TIFF.DECOMPRESSORS[page.compression](segment)
        if len(segment) > expected:
            raise ValueError(f"it holds more than its {page.bitspersample} bits a sample")


def _check_jpeg(page: TiffPage, data: bytes) -> None:
    """Decode each strip strictly, as its own file: the TIFF decoder hides libjpeg's warnings.

    Raises:
        ValueError: If data are damaged or missing.
    """
    if page.bitspersample != 8 or page.samplesperpixel not in (1, 3):
        return
    # The shared tables without their end marker; each strip without its start marker.
    tables = page.jpegtables[:-2] if page.jpegtables else b""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        strip = data[offset + (2 if tables else 0) : offset + count]
        check_jpeg(tables + strip)


def check_fax(page: TiffPage, samples: NDArray[Any], data: bytes) -> None:
    """Decode again with another library: fax codes have no checksum, and decoders do not complain.

    Raises:
        ValueError: If the results differ, as they do for damaged codes.
    """
    if page.compression not in _FAX:
        return
    if not np.array_equal(samples, require("imagecodecs").tiff_decode(data)):
        raise ValueError("it is damaged: its fax codes make no sense")
