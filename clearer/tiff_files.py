"""Reading TIFF files of 1 to 16 bits, with every strip and tile or not at all."""

from __future__ import annotations

import io
import logging
import math
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tifffile import (
    COMPRESSION,
    EXTRASAMPLE,
    PHOTOMETRIC,
    PLANARCONFIG,
    PREDICTOR,
    SAMPLEFORMAT,
    TiffPage,
)

from clearer.errors import InputError, require
from clearer.stored_picture import (
    EXIF_LISTS,
    Pixels,
    StoredPicture,
    check_size,
    cmyk_to_rgb,
    split_alpha,
    to_full_scale,
    turn_upright,
    without_layout,
)

__all__ = ["read_tiff"]

# It would write to the terminal what is said here by one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())


_WIDTH: Final = 256
_HEIGHT: Final = 257
_BITS: Final = 258
_PHOTOMETRIC: Final = 262
_ICC: Final = 34675
_ORIENTATION: Final = 274
_RESOLUTION: Final = 282
_DNG_VERSION: Final = 50706
_RAW: Final = (PHOTOMETRIC.CFA, PHOTOMETRIC.LINEAR_RAW)
_COLORS: Final = {
    PHOTOMETRIC.MINISWHITE: 1,
    PHOTOMETRIC.MINISBLACK: 1,
    PHOTOMETRIC.PALETTE: 1,
    PHOTOMETRIC.RGB: 3,
    PHOTOMETRIC.YCBCR: 3,
    PHOTOMETRIC.SEPARATED: 4,
}
# What a wrong picture follows from, where it is lost, and the types of whole numbers and of bytes.
_PIXEL_TAGS: Final = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 266, 273, 277, 278, 279, 284, 292, 293, 317, 320}
    | {322, 323, 324, 325, 330, 338, 339, 347, 530}
)
_PIXEL_TYPES: Final = (1, 3, 4, 7, 13, 16, 18)
_FAX: Final = (COMPRESSION.CCITTRLE, COMPRESSION.CCITT_T4, COMPRESSION.CCITT_T6)
# The depth may go unsaid where it is one bit.
_MAYBE_BITS: Final = (COMPRESSION.NONE, COMPRESSION.PACKBITS, *_FAX)
# Their decoders give RGB.
_YCBCR: Final = (COMPRESSION.OJPEG, COMPRESSION.JPEG, COMPRESSION.WEBP, COMPRESSION.JPEG_2000_LOSSY)


def read_tiff(path: Path, data: bytes, *, convert_cmyk: bool) -> StoredPicture:
    """Read a TIFF or BigTIFF file.

    White is the largest value of its bits. Where zero is white, the picture is inverted.

    Raises:
        InputError: If it is a raw file of a camera, has several pages, or holds what could not be
            kept as it is.
        ValueError: If it is damaged, or strips or tiles are missing.
    """
    notes: list[str] = []
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        _check_tags(page, data)
        _check_pages(path, tiff, data, notes)
        check_size(path, page.imagewidth, page.imagelength)
        _check_layout(path, page)
        _check_segments(page, len(data))
        if page.compression == COMPRESSION.JPEG:
            _check_jpeg(page, data)
        samples = page.asarray(maxworkers=1)
        if page.compression in _FAX:
            _compare_fax(samples, data)
        pixels, alpha = _convert(path, page, samples, convert_cmyk, notes)
        profile = page.tags.valueof(_ICC)
        has_dpi = _RESOLUTION in page.tags and page.resolutionunit != tifffile.RESUNIT.NONE
        dpi = page.get_resolution(tifffile.RESUNIT.INCH) if has_dpi else None
        orientation = page.tags.valueof(_ORIENTATION, 1)

        exif, _ = without_layout(lambda: _exif(tiff, page, data, notes), notes)
    picture = StoredPicture(
        pixels=pixels,
        alpha=alpha,
        icc=None if profile is None else bytes(profile),
        exif=exif,
        dpi=dpi,
        notes=tuple(notes),
    )
    return turn_upright(picture, orientation)


def _exif(tiff: tifffile.TiffFile, page: TiffPage, data: bytes, notes: list[str]) -> Image.Exif:
    exif = Image.Exif()
    if tiff.is_bigtiff and tiff.byteorder == ">":  # Pillow takes it for classic TIFF
        for tag in page.tags:
            if isinstance(tag.value, str):
                exif[tag.code] = tag.value
        if any(code in page.tags for code in EXIF_LISTS):
            notes.append("EXIF data were left out but for texts")
        return exif
    exif.bigtiff, exif.endian = tiff.is_bigtiff, tiff.byteorder
    exif.load_from_fp(io.BytesIO(data), page.offset)
    return exif


def _check_tags(page: TiffPage, data: bytes) -> None:
    """Compare the list of tags with what was understood of it: damaged ones are left out there.

    Raises:
        ValueError: If something that pixels depend on is damaged, doubled or missing.
    """
    order, is_big = page.parent.byteorder, page.parent.is_bigtiff
    head, step = ("Q", 20) if is_big else ("H", 12)
    (count,) = struct.unpack_from(order + head, data, page.offset)
    start = page.offset + struct.calcsize(order + head)
    found = [struct.unpack_from(order + "HH", data, start + step * i) for i in range(count)]
    codes = [code for code, _ in found if code in _PIXEL_TAGS]
    lost = any(code not in page.tags for code in codes) or len(codes) > len(set(codes))
    needed = {_WIDTH, _HEIGHT, _PHOTOMETRIC}
    if page.compression not in _MAYBE_BITS or page.samplesperpixel > 1:
        needed.add(_BITS)
    lost |= not needed <= set(codes)
    if lost or any(kind not in _PIXEL_TYPES for code, kind in found if code in codes):
        raise ValueError("it is damaged: so is what it says of its pixels")


def _check_pages(path: Path, tiff: tifffile.TiffFile, data: bytes, notes: list[str]) -> None:
    """Refuse what holds more than one picture, or begins with a small copy of it."""
    pages: list[Any] = list(tiff.pages)
    first = pages[0]
    others = [*pages[1:], *(inner for page in pages for inner in page.pages or ())]
    is_raw = any(page.photometric in _RAW for page in [first, *others])
    if is_raw or _DNG_VERSION in first.tags or data[8:10] == b"CR":
        raise InputError(f"{path} is a raw file of a camera: develop it to TIFF by another program")
    if first.is_reduced:
        raise InputError(
            f"{path} begins with a thumbnail, as raw files of cameras do: develop it to TIFF by "
            "another program, or keep one picture"
        )
    if not all(page.is_reduced for page in others):
        raise InputError(f"{path} is animated, or has several pages: keep one picture")
    if others:
        notes.append("smaller copies inside the file were left out")


def _check_layout(path: Path, page: TiffPage) -> None:
    """Refuse samples that are not understood, or could not be kept."""
    bits = page.bitspersample
    if page.sampleformat != SAMPLEFORMAT.UINT or not isinstance(bits, int) or not 1 <= bits <= 16:
        what = "floating-point" if page.sampleformat == SAMPLEFORMAT.IEEEFP else "signed"
        what = f"{what} pixels" if page.sampleformat != SAMPLEFORMAT.UINT else "pixels"
        raise InputError(f"{path} has {what} of {bits} bits: convert it to 8 or 16 bits, unsigned")
    if page.predictor != PREDICTOR.NONE and bits not in (8, 16):
        raise InputError(f"{path} has a predictor and {bits} bits: save it without one")
    colors = _COLORS.get(page.photometric)  # type: ignore[call-overload]
    extra = page.samplesperpixel - (colors or 0)
    is_packed = page.photometric != PHOTOMETRIC.YCBCR or page.compression in _YCBCR
    if colors is None or extra not in (0, 1) or page.imagedepth > 1 or not is_packed:
        kind = getattr(page.photometric, "name", page.photometric)
        raise InputError(
            f"{path} has {page.samplesperpixel} samples a pixel, {kind}: convert it to RGB or gray"
        )


def _check_segments(page: TiffPage, num_bytes: int) -> None:
    """Look for strips and tiles that are missing: decoders make them black.

    Raises:
        ValueError: If there are any, or the file ends before them.
    """
    places = list(zip(page.dataoffsets, page.databytecounts, strict=True))
    if len(places) != math.prod(page.chunked) or any(0 in place for place in places):
        raise ValueError(f"it is damaged: {'tiles' if page.is_tiled else 'strips'} are missing")
    if any(offset + count > num_bytes for offset, count in places):
        raise ValueError("it is cut short")


def _check_jpeg(page: TiffPage, data: bytes) -> None:
    """Decode JPEG strictly, as files of their own: TIFF's decoder hides what libjpeg warns of.

    Raises:
        ValueError: If data are damaged or missing.
    """
    if page.bitspersample != 8 or page.samplesperpixel not in (1, 3):
        return
    simplejpeg = require("simplejpeg")
    # The tables that all share, without the mark of their end; a strip without that of its begin.
    tables = page.jpegtables[:-2] if page.jpegtables else b""
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        strip = data[offset + (2 if tables else 0) : offset + count]
        simplejpeg.decode_jpeg(tables + strip, strict=True)


def _compare_fax(samples: NDArray[Any], data: bytes) -> None:
    """Decode once more by another library: fax codes have no checksum, and no decoder complains.

    Raises:
        ValueError: If they differ, as over damaged codes.
    """
    if not np.array_equal(samples, require("imagecodecs").tiff_decode(data)):
        raise ValueError("it is damaged: its fax codes make no sense")


def _convert(
    path: Path, page: TiffPage, samples: NDArray[Any], convert_cmyk: bool, notes: list[str]
) -> tuple[Pixels, Pixels | None]:
    bits = page.bitspersample
    if samples.dtype == np.bool_:
        samples = samples.view(np.uint8)
    if page.samplesperpixel > 1 and page.planarconfig == PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, -1)
    has_extra = page.samplesperpixel > _COLORS[page.photometric]  # type: ignore[index]
    if samples.shape[:2] != (page.imagelength, page.imagewidth):
        raise ValueError("it is damaged: so is what it says of its pixels")
    colors, extra = split_alpha(samples, has_extra)
    full = 2**bits - 1
    pixels: Pixels
    if page.photometric == PHOTOMETRIC.PALETTE:
        notes.append("the palette became RGB")
        pixels = _look_up(page, colors[..., 0])
    elif page.photometric == PHOTOMETRIC.SEPARATED:
        if not convert_cmyk or bits != 8:
            raise InputError(
                f"{path} is CMYK: convert it to RGB, with its colour profile, in a program for "
                "print"
            )
        pixels = cmyk_to_rgb(colors.astype(np.uint8, copy=False))
    else:
        pixels = to_full_scale(colors, full)
        if page.photometric == PHOTOMETRIC.MINISWHITE:
            pixels = np.iinfo(pixels.dtype).max - pixels
        if bits not in (8, 16):
            unit = "bit" if bits == 1 else "bits"
            notes.append(f"{bits} {unit} became {8 * pixels.dtype.itemsize}")
    if extra is None:
        return pixels, None
    kind = page.extrasamples[0] if page.extrasamples else EXTRASAMPLE.UNSPECIFIED
    if kind == EXTRASAMPLE.UNSPECIFIED:
        notes.append("a channel of unknown meaning was left out")
        return pixels, None
    top = np.iinfo(pixels.dtype).max
    alpha = to_full_scale(extra, full)
    if alpha.dtype != pixels.dtype:
        raise InputError(f"{path} has a palette and transparency: convert it to RGB")
    if kind == EXTRASAMPLE.ASSOCALPHA:
        notes.append("colours that were multiplied by alpha were divided by it")
        divided: Any = pixels.astype(np.float64) * top / np.maximum(alpha, 1)[..., None]
        pixels = np.rint(divided.clip(max=top)).astype(pixels.dtype)
    return pixels, alpha


def _look_up(page: TiffPage, indices: Pixels) -> Pixels:
    """RGB of a palette, as 8 bits where those hold it."""
    palette = page.colormap
    if palette is None or palette.ndim != 2 or palette.shape[1] <= int(indices.max()):
        raise ValueError("it is damaged: colours of its palette are missing")
    colors: NDArray[np.uint16] = palette.T.astype(np.uint16)
    high, low = colors >> 8, colors & 255
    # Entries have 16 bits. Many programs fill 8 of them, above or (against the rules) below.
    if not high.any():
        table: Pixels = low.astype(np.uint8)
    elif not low.any() or (high == low).all():
        table = high.astype(np.uint8)
    else:
        table = colors
    return table[indices]
