"""TIFF files of a few rows, with depths and compressions that libraries read but do not write."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import tifffile

__all__ = ["packed", "samples", "write_tiff"]


def samples(bits: int, *shape: int) -> Any:
    dtype = np.uint8 if bits <= 8 else np.uint16
    found = np.random.default_rng(bits).integers(2**bits, size=shape or (21, 30), dtype=dtype)
    found.flat[0], found.flat[1] = 0, 2**bits - 1
    return found


def packed(values: Any, bits: int) -> bytes:
    """Rows of samples without gaps, most significant bit first; each row begins at a whole byte."""
    if bits == 16:  # whole words, in the byte order of the file
        return bytes(values.astype("<u2").tobytes())
    rows = values.reshape(len(values), -1)
    places = np.arange(bits - 1, -1, -1)
    digits = (rows[..., None] >> places & 1).astype(np.uint8).reshape(len(rows), -1)
    return np.packbits(digits, axis=1).tobytes()


def write_tiff(
    path: Path,
    values: Any,
    bits: int,
    *,
    compression: str | None = None,
    photometric: int = 1,
    bigtiff: bool = False,
    orientation: int = 1,
) -> None:
    """Write a gray file in strips of 7 rows, with bit depths that libraries do not write."""
    pack: Any = tifffile.TIFF.COMPRESSORS[tifffile.COMPRESSION[compression or "NONE"]]
    strips = [packed(values[top : top + 7], bits) for top in range(0, len(values), 7)]
    strips = [strip if compression is None else bytes(pack(strip)) for strip in strips]
    offset_type, head, entry = ("Q", "<2sHHHQ", 20) if bigtiff else ("I", "<2sHI", 12)
    start = struct.calcsize(head)
    places = [start + sum(map(len, strips[:index])) for index in range(len(strips))]
    end = start + sum(map(len, strips))
    inline = {256: values.shape[1], 257: values.shape[0], 258: bits, 262: photometric}
    inline |= {259: int(tifffile.COMPRESSION[compression or "NONE"]), 274: orientation, 278: 7}
    lists: dict[int, bytes] = {271: b"Maker, in a word of some length\0"}
    lists[273] = struct.pack(f"<{len(strips)}I", *places)
    lists[279] = struct.pack(f"<{len(strips)}I", *map(len, strips))
    codes = sorted([*inline, *lists])
    directory = struct.pack("<Q" if bigtiff else "<H", len(codes))
    after = end + len(directory) + entry * len(codes) + struct.calcsize(offset_type)
    for code in codes:
        size = len(lists.get(code, b""))
        kind, count = (2, size) if code == 271 else (4, size // 4 or 1)
        value = inline.get(code, after)
        directory += struct.pack(f"<HH{offset_type}{offset_type}", code, kind, count, value)
        after += size
    directory += bytes(struct.calcsize(offset_type))
    header = (b"II", 43, 8, 0, end) if bigtiff else (b"II", 42, end)
    body = struct.pack(head, *header) + b"".join(strips) + directory
    path.write_bytes(body + b"".join(lists[code] for code in codes if code in lists))
