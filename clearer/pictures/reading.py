"""Reads pictures in full: all their bits, transparency, colour profile and EXIF data."""

from __future__ import annotations

import stat
import struct
import warnings
import zlib
from pathlib import Path
from typing import Final

from PIL import Image, UnidentifiedImageError

from clearer.errors import ClearerError, InputError, how_to_install
from clearer.pictures.formats import Format, has_decoder, sniff
from clearer.pictures.pillow_files import read_by_pillow
from clearer.pictures.png_files import read_png
from clearer.pictures.pnm_files import read_pnm
from clearer.pictures.stored_picture import EXIF_PREFIX, MAX_PIXELS, Pixels, StoredPicture
from clearer.pictures.tiff_files import read_tiff

__all__ = ["EXIF_PREFIX", "MAX_PIXELS", "Pixels", "StoredPicture", "read_picture"]

_HEAD_BYTES: Final = 64
# RGB and alpha of 16 bits, and metadata.
_MAX_BYTES: Final = 8 * MAX_PIXELS + (1 << 28)
# What decoders raise for damaged files: imagecodecs RuntimeError, Pillow the rest.
_DAMAGED: Final = (
    ArithmeticError,
    EOFError,
    LookupError,
    OSError,
    RuntimeError,
    SyntaxError,
    TypeError,
    ValueError,
    struct.error,
    zlib.error,
)


def read_picture(path: Path, *, convert_cmyk: bool = False) -> StoredPicture:
    """Read a picture with its metadata.

    A palette becomes RGB; 1 to 7 bits become 8, and 9 to 15 become 16, with white kept white. The
    picture is rotated as its EXIF data say. The format is that of the first bytes, not the name.

    Args:
        path: The file.
        convert_cmyk: Whether CMYK becomes RGB, approximately as printed, rather than being refused.

    Raises:
        InputError: If the file is damaged in any way that its format or its decoder can detect, has
            several pages, more than ``MAX_PIXELS``, floating-point or CMYK pixels, or anything else
            that could not be written back as it was.
    """
    data, kind = _read_bytes(path)
    try:
        with warnings.catch_warnings():
            # About damaged EXIF data and the like: notes report what matters.
            warnings.simplefilter("ignore")
            match kind:
                case "png":
                    return read_png(path, data)
                case "tiff":
                    return read_tiff(path, data, convert_cmyk=convert_cmyk)
                case "pnm":
                    return read_pnm(path, data)
                case _:
                    return read_by_pillow(path, data, kind, convert_cmyk=convert_cmyk)
    except ClearerError:
        raise
    except Image.DecompressionBombError as error:
        raise InputError(
            f"{path} has more than {MAX_PIXELS / 1e6:.0f} megapixels: cut it into pieces"
        ) from error
    except UnidentifiedImageError as error:  # its text shows a memory address
        raise InputError(f"{path} cannot be read as an image (its header is damaged)") from error
    except _DAMAGED as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{path} cannot be read as an image ({reason})") from error


def _read_bytes(path: Path) -> tuple[bytes, Format]:
    """All bytes of a file, and its format, if it begins like a picture."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading a pipe would block
            raise InputError(f"{path} cannot be read as an image (it is not a regular file)")
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            kind = sniff(head)
            if not head:
                raise InputError(f"{path} cannot be read as an image (it is empty)")
            if kind is None:
                raise InputError(
                    f"{path} cannot be read as an image (it begins as no PNG, JPEG, TIFF, WebP, "
                    "BMP, PPM or AVIF file does)"
                )
            if not has_decoder(kind):
                advice = how_to_install("heic") if kind == "heic" else "install a newer Pillow"
                raise InputError(
                    f"{path} cannot be read as an image (it is {kind.upper()}: {advice}, or "
                    "convert it)"
                )
            if status.st_size > _MAX_BYTES:
                raise InputError(f"{path} is larger than any picture that is read: cut it")
            return head + file.read(), kind
    except OSError as error:
        raise InputError(f"{path} cannot be read as an image ({error.strerror})") from error
