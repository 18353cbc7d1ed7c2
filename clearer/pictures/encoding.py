"""Encodes pictures as PNG, JPEG, TIFF and WebP files, with their metadata."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import tifffile
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from clearer.errors import InputError, require
from clearer.pictures import png_chunks
from clearer.pictures.stored_picture import EXIF_LISTS, EXIF_PREFIX, Pixels, StoredPicture

__all__ = ["JPEG_QUALITY", "Kind", "encode_picture", "kind_of", "name_as"]

Kind = Literal["png", "jpeg", "tiff", "webp"]
"""The formats that pictures are written in."""
_SUFFIXES: Final[dict[Kind, tuple[str, ...]]] = {
    "png": (".png",),
    "jpeg": (".jpg", ".jpeg", ".jpe", ".jfif"),
    "tiff": (".tif", ".tiff"),
    "webp": (".webp",),
}
"""File extensions of each kind; the first is used where a name has none of them."""
JPEG_QUALITY: Final = 95
# Restored photographs shrink by 2 % from level 3 to 6, at twice the time.
_PNG_LEVEL: Final = 3
_DEEP: Final[tuple[Kind, ...]] = ("png", "tiff")


def kind_of(path: Path) -> Kind:
    """The kind by a file's extension; formats that are only read, like BMP, become PNG."""
    found = [kind for kind, suffixes in _SUFFIXES.items() if path.suffix.lower() in suffixes]
    return found[0] if found else "png"


def name_as(path: Path, kind: Kind) -> Path:
    """The same name with an extension of the kind, unless it has one."""
    suffixes = _SUFFIXES[kind]
    return path if path.suffix.lower() in suffixes else path.with_suffix(suffixes[0])


def encode_picture(picture: StoredPicture, kind: Kind) -> tuple[bytes, tuple[str, ...]]:
    """Encode a picture, losslessly except as JPEG: the bytes, and notes on what was lost.

    JPEG is written at quality 95 without chroma subsampling.

    Raises:
        InputError: If the picture has transparency and the kind has none, or it is too large for
            the kind.
    """
    notes = []
    if kind == "jpeg" and picture.alpha is not None:
        raise InputError("JPEG holds no transparency: use --format png")
    samples = _join(picture)
    if picture.bits == 16 and kind not in _DEEP:
        samples = np.rint(samples / np.float32(257)).astype(np.uint8)
        notes.append(f"16 bits became 8: {kind.upper()} holds no more")
    if kind == "tiff":
        return _tiff(samples, picture), tuple(notes)
    if kind == "png":
        chunks = png_chunks.describe(picture.icc, picture.exif, picture.dpi)
        if picture.icc is None:
            chunks = picture.color_chunks + chunks
        return png_chunks.insert(_png(samples), chunks), tuple(notes)
    return _by_pillow(samples, picture, kind), tuple(notes)


def _join(picture: StoredPicture) -> Pixels:
    """``(H, W)`` or ``(H, W, S)``: colours, then alpha."""
    pixels = picture.pixels
    if picture.alpha is not None:
        joined: Pixels = np.concatenate([pixels, picture.alpha[..., None]], axis=2)
        return joined
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _png(samples: Pixels) -> bytes:
    """A PNG file with pixels only."""
    if samples.dtype == np.uint16:  # Pillow writes 16 bits in gray only
        return bytes(require("imagecodecs").png_encode(samples, level=_PNG_LEVEL))
    buffer = io.BytesIO()
    Image.fromarray(samples).save(buffer, "png", compress_level=_PNG_LEVEL)
    return buffer.getvalue()


def _by_pillow(samples: Pixels, picture: StoredPicture, kind: Kind) -> bytes:
    options: dict[str, Any] = {"lossless": True, "exact": True}
    if kind == "jpeg":
        options = {"quality": JPEG_QUALITY, "subsampling": 0, "dpi": picture.dpi or (0, 0)}
    if picture.icc is not None:
        options["icc_profile"] = picture.icc
    if picture.exif is not None:
        options["exif"] = EXIF_PREFIX + picture.exif
    buffer = io.BytesIO()
    try:
        Image.fromarray(samples).save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        raise InputError(f"{kind.upper()} cannot hold it ({error}): use --format png") from error
    return buffer.getvalue()


# The library writes none of EXIF_LISTS. So each gets a placeholder, under the unused number before
# it, which is replaced once its data are written.
_LONG: Final = 4


def _tiff(samples: Pixels, picture: StoredPicture) -> bytes:
    """A TIFF file, deflated; EXIF data follow the pixels."""
    exif = Image.Exif()
    if picture.exif is not None:
        exif.load(EXIF_PREFIX + picture.exif)
    lists = {tag: exif.get_ifd(tag) for tag in EXIF_LISTS if exif.get_ifd(tag)}
    options: dict[str, Any] = {}
    if picture.alpha is not None:
        options["extrasamples"] = ["unassalpha"]
    if picture.dpi is not None:
        options |= {"resolution": picture.dpi, "resolutionunit": "inch"}
    buffer = io.BytesIO()
    tifffile.imwrite(
        buffer,
        samples,
        photometric="rgb" if picture.pixels.shape[2] == 3 else "minisblack",
        planarconfig="contig" if samples.ndim == 3 else None,
        compression="zlib",
        predictor=True,
        byteorder="<",
        metadata=None,
        software=False,
        iccprofile=picture.icc,
        extratags=[*_texts(exif), *((tag - 1, "I", 1, 0, True) for tag in lists)],
        **options,
    )
    for tag, entries in lists.items():
        buffer.seek(0, io.SEEK_END)
        place = buffer.tell() + buffer.tell() % 2
        buffer.write(bytes(place - buffer.tell()))
        directory = ImageFileDirectory_v2(b"II*\0\0\0\0\0", group=tag)
        for entry, value in entries.items():
            directory[entry] = value
        buffer.write(directory.tobytes(place))
        buffer.seek(0)
        with tifffile.TiffFile(buffer) as tiff:
            entry = tiff.pages.first.tags[tag - 1].offset
        buffer.seek(entry)
        buffer.write(struct.pack("<HHII", tag, _LONG, 1, place))
    return buffer.getvalue()


def _texts(exif: Image.Exif) -> list[tuple[int, str, int, str, bool]]:
    """Text entries of the main EXIF list: maker, model, time, artist, copyright."""
    return [
        (tag, "s", 0, value, True)
        for tag, value in exif.items()
        if tag not in EXIF_LISTS and isinstance(value, str) and value.isascii()
    ]
