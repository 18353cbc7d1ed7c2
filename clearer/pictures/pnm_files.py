"""Reads PBM, PGM and PPM files, binary and text, with samples of any range.

The formats of Netpbm, https://netpbm.sourceforge.net/doc/. Pillow keeps 8 bits of colours, and
takes seconds per megapixel unless the largest sample is 255 or 65535.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.errors import InputError
from clearer.pictures.stored_picture import StoredPicture, check_size, to_full_scale

__all__ = ["read_pnm"]

_GAP: Final = rb"(?:\s|#[^\r\n]*[\r\n])+"
_COMMENT: Final = re.compile(rb"#[^\r\n]*")
_NEXT_PICTURE: Final = re.compile(rb"\s*P[1-7]\s")


def read_pnm(path: Path, data: bytes) -> StoredPicture:
    """Read a file that holds one picture.

    Raises:
        InputError: If it holds several pictures, or too many pixels.
        ValueError: If its header cannot be read, or samples are missing, left over or too large.
    """
    kind = data[1] - ord("0")
    is_text, is_bits, planes = kind < 4, kind in (1, 4), 3 if kind in (3, 6) else 1
    width, height, top, start = _header(data, num_values=2 if is_bits else 3)
    check_size(path, width, height)
    if is_text:
        samples = _text(data[start:], width * height * planes, is_bits=is_bits)
    else:
        samples, end = _binary(data, start, (height, width * planes), top, is_bits=is_bits)
        if _NEXT_PICTURE.match(data, end):
            raise InputError(f"{path} is animated, or has several pages: keep one picture")
        if data[end:].strip(b"\0\r\n\t "):
            raise ValueError("it is damaged: it holds more pixels than its size says")
    if int(samples.max()) > top:
        raise ValueError(f"it is damaged: samples are larger than {top}")
    if is_bits:
        samples = 1 - samples  # one is black
    pixels = to_full_scale(samples.reshape(height, width, planes), top)
    notes = []
    if is_bits:
        notes.append("1 bit became 8")
    elif top != np.iinfo(pixels.dtype).max:
        notes.append(f"samples of 0 to {top} became {8 * pixels.dtype.itemsize} bits")
    return StoredPicture(pixels=pixels, notes=tuple(notes))


def _header(data: bytes, num_values: int) -> tuple[int, int, int, int]:
    """Width, height, largest sample, and where the pixels begin."""
    found = re.match(rb"P[1-6]" + (_GAP + rb"(\d{1,9})") * num_values + rb"\s", data)
    if found is None:
        raise ValueError("its header is damaged")
    width, height, top = [*(int(value) for value in found.groups()), 1][:3]
    if not 1 <= top <= 65535:
        raise ValueError("its header is damaged")
    return width, height, top, found.end()


def _text(body: bytes, count: int, *, is_bits: bool) -> NDArray[Any]:
    """Exactly ``count`` samples, flat."""
    text = _COMMENT.sub(b" ", body)
    if is_bits:
        digits = b"".join(text.split())
        if digits.strip(b"01"):
            raise ValueError("it is damaged: it holds other signs than 0 and 1")
        samples: NDArray[Any] = np.frombuffer(digits, np.uint8) - ord("0")
    else:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # about text that is not a number
            try:
                samples = np.fromstring(text.decode("ascii"), np.int64, sep=" ")
            except (DeprecationWarning, ValueError) as error:  # which one depends on the version
                raise ValueError("it is damaged: it holds what is no number") from error
    if samples.size != count or int(samples.min()) < 0:
        raise ValueError("it is damaged: it holds more or fewer pixels than its size says")
    return samples


def _binary(
    data: bytes, start: int, shape: tuple[int, int], top: int, *, is_bits: bool
) -> tuple[NDArray[Any], int]:
    """Samples of the given shape, and the offset of their end."""
    rows, columns = shape
    dtype = np.dtype(np.uint8 if top <= 255 else ">u2")
    stored = -(-columns // 8) if is_bits else columns
    end = start + rows * stored * dtype.itemsize
    if end > len(data):
        raise ValueError("it is cut short")
    samples: NDArray[Any] = np.frombuffer(data, dtype, rows * stored, start).reshape(rows, stored)
    if is_bits:
        samples = np.unpackbits(samples, axis=1, count=columns)
    return samples, end
