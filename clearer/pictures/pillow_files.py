"""Reads JPEG, WebP, BMP, AVIF and HEIC files with Pillow, and keeps what it would lose."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from clearer.errors import InputError, require
from clearer.pictures.formats import Format
from clearer.pictures.jpeg_check import check_jpeg
from clearer.pictures.jpeg_quality import jpeg_quality
from clearer.pictures.stored_picture import (
    Pixels,
    StoredPicture,
    check_size,
    cmyk_to_rgb,
    split_alpha,
    to_full_scale,
    turn_upright,
    without_layout,
)

__all__ = ["read_by_pillow"]

# MPO is a JPEG with previews behind it.
_NAMES: Final[dict[Format, tuple[str, ...]]] = {
    "jpeg": ("JPEG", "MPO"),
    "webp": ("WEBP",),
    "bmp": ("BMP",),
    "avif": ("AVIF",),
    "heic": ("HEIF",),
}
"""The only Pillow decoders that may read a file: some others start programs."""
_MODES: Final = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "RGBX", "YCbCr")


def read_by_pillow(path: Path, data: bytes, kind: Format, *, convert_cmyk: bool) -> StoredPicture:
    """Read a file of one of the formats above.

    Raises:
        InputError: If it is animated, too large, or its pixels could not be kept as they are.
        OSError, ValueError and others: If it is damaged.
    """
    if kind == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    with Image.open(io.BytesIO(data), formats=_NAMES[kind]) as file:
        num_frames = getattr(file, "n_frames", 1)
        if num_frames > 1 and file.format != "MPO":
            raise InputError(f"{path} is animated, or has several pages: keep one picture")
        check_size(path, file.width, file.height)
        quality = jpeg_quality(file) if isinstance(file, JpegImageFile) else None
        notes = []
        if kind == "jpeg":
            note = check_jpeg(data, file.mode)
            if note is not None:
                notes.append(note)
        if file.format == "MPO" and num_frames > 1:
            notes.append("previews inside the file were left out")
        deep = _deep_avif(data) if kind == "avif" else None
        if deep is None:
            pixels, alpha = _decode(path, file, convert_cmyk, notes)
        else:
            samples, bits = deep
            pixels, alpha = split_alpha(samples, samples.ndim == 3 and samples.shape[2] in (2, 4))
            notes.append(f"{bits} bits became 16")
        lost = file.info.get("bit_depth", 8)
        if lost > 8:
            notes.append(f"{lost} bits became 8")
        icc, dpi = file.info.get("icc_profile"), file.info.get("dpi")
        exif, orientation = without_layout(file.getexif, notes)
    picture = StoredPicture(
        pixels=pixels,
        alpha=alpha,
        icc=icc or None,
        exif=exif,
        dpi=(float(dpi[0]), float(dpi[1])) if dpi else None,
        jpeg_quality=quality,
        notes=tuple(notes),
    )
    return turn_upright(picture, orientation)


def _decode(
    path: Path, file: Image.Image, convert_cmyk: bool, notes: list[str]
) -> tuple[Pixels, Pixels | None]:
    """Pixels and alpha of a file that Pillow decodes without loss."""
    mode = file.mode
    if mode == "CMYK":
        if convert_cmyk:
            return cmyk_to_rgb(np.asarray(file)), None
        raise InputError(
            f"{path} is CMYK: convert it to RGB, with its colour profile, in a program for print"
        )
    if mode not in _MODES:
        raise InputError(f"{path} has pixels of mode {mode}: convert it to RGB")
    if mode == "1":
        notes.append("1 bit became 8")
    if mode in ("P", "PA"):
        notes.append("the palette became RGB")
    is_gray = mode in ("1", "L", "LA")
    has_alpha = mode in ("LA", "PA", "RGBA") or "transparency" in file.info
    samples = np.asarray(file.convert(("L" if is_gray else "RGB") + ("A" if has_alpha else "")))
    return split_alpha(samples, has_alpha)


def _deep_avif(data: bytes) -> tuple[NDArray[Any], int] | None:
    """Samples and bit depth of an AVIF file of 10 or 12 bits, of which Pillow keeps 8; else None.

    AV1 Codec ISO Media File Format Binding, section 2.3: the third byte holds the depth.
    """
    flags = data[data.find(b"av1C") + 6] if b"av1C" in data else 0
    if not flags & 0x40:
        return None
    bits = 12 if flags & 0x20 else 10
    return to_full_scale(require("imagecodecs").avif_decode(data), 2**bits - 1), bits
