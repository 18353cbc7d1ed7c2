"""Reads TIFF files of 1 to 16 bits, with every strip and tile or not at all."""

from __future__ import annotations

import io
import logging
from pathlib import Path
from typing import Any, Final

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image
from tifffile import EXTRASAMPLE, PHOTOMETRIC, PLANARCONFIG, TiffPage

from clearer.errors import InputError
from clearer.pictures.stored_picture import (
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
from clearer.pictures.tiff_checks import (
    COLORS,
    check_fax,
    check_layout,
    check_pages,
    check_segments,
    check_tags,
)

__all__ = ["read_tiff"]

# It would log to the terminal what one line here says.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

_ICC: Final = 34675
_ORIENTATION: Final = 274
_RESOLUTION: Final = 282


def read_tiff(path: Path, data: bytes, *, convert_cmyk: bool) -> StoredPicture:
    """Read a TIFF or BigTIFF file.

    White is the largest value of the bit depth. Where zero is white, the picture is inverted.

    Raises:
        InputError: If it is a camera's raw file, has several pages, or its pixels could not be
            kept as they are.
        ValueError: If it is damaged, or strips or tiles are missing.
    """
    notes: list[str] = []
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        page = tiff.pages.first
        check_tags(page, data)
        check_pages(path, tiff, data, notes)
        check_size(path, page.imagewidth, page.imagelength)
        check_layout(path, page)
        check_segments(page, data)
        samples = page.asarray(maxworkers=1)
        check_fax(page, samples, data)
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


def _convert(
    path: Path, page: TiffPage, samples: NDArray[Any], convert_cmyk: bool, notes: list[str]
) -> tuple[Pixels, Pixels | None]:
    bits = page.bitspersample
    if samples.dtype == np.bool_:
        samples = samples.view(np.uint8)
    if page.samplesperpixel > 1 and page.planarconfig == PLANARCONFIG.SEPARATE:
        samples = np.moveaxis(samples, 0, -1)
    has_extra = page.samplesperpixel > COLORS[page.photometric]  # type: ignore[index]
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
    """Look up RGB in the palette; 8 bits where they hold it."""
    palette = page.colormap
    if palette is None or palette.ndim != 2 or palette.shape[1] <= int(indices.max()):
        raise ValueError("it is damaged: colours of its palette are missing")
    colors: NDArray[np.uint16] = palette.T.astype(np.uint16)
    high, low = colors >> 8, colors & 255
    # Entries have 16 bits. Many programs fill only the upper 8 or, against the rules, the lower.
    if not high.any():
        table: Pixels = low.astype(np.uint8)
    elif not low.any() or (high == low).all():
        table = high.astype(np.uint8)
    else:
        table = colors
    return table[indices]
