"""Damaged pictures: refused in one line, or read as another decoder reads the same bytes."""

from __future__ import annotations

import io
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, features

from clearer.errors import InputError
from clearer.pictures.reading import read_picture
from tests.bounded_memory import bounded_memory
from tests.clearer.pictures.tiny_tiff import write_tiff

Reference = Callable[[bytes], Any]
"""Decodes bytes with another library to ``(H, W)`` or ``(H, W, S)``; raises if it refuses them."""
MUTATIONS = 12
"""Number of mutations for each kind of picture."""


def picture(*channels: int, dtype: Any = np.uint8) -> Any:
    """A smooth picture, so that it compresses, with some noise, so that every byte counts."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:24, :33]
    smooth = (np.sin(x / 5) + np.cos(y / 7)) / 4 + 0.5
    noisy = smooth.reshape(24, 33, *(1 for _ in channels)) + 0.03 * rng.normal(
        size=(24, 33, *channels)
    )
    return np.rint(noisy.clip(0, 1) * np.iinfo(dtype).max).astype(dtype)


def by_pillow(kind: str, pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image = Image.fromarray(pixels)
    if options.pop("palette", False):
        image = image.quantize(16)
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(pixels: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    photometric = "rgb" if pixels.ndim == 3 else "minisblack"
    tifffile.imwrite(buffer, pixels, **{"photometric": photometric, "metadata": None, **options})
    return buffer.getvalue()


def pillow(data: bytes) -> Any:
    with Image.open(io.BytesIO(data)) as file:
        file.load()
        has_alpha = "transparency" in file.info or file.mode in ("LA", "PA", "RGBA")
        gray = file.mode in ("1", "L", "LA", "I;16")
        if file.mode == "I;16":
            return np.asarray(file)
        return np.asarray(file.convert(("L" if gray else "RGB") + ("A" if has_alpha else "")))


def libtiff(data: bytes) -> Any:
    """Samples scaled to all of 8 or 16 bits, with white above black."""
    with tifffile.TiffFile(io.BytesIO(data)) as tiff:
        bits, photometric = tiff.pages.first.bitspersample, tiff.pages.first.photometric
    try:
        samples = imagecodecs.tiff_decode(data)
    except (imagecodecs.TiffError, IndexError):  # it expects strips of exactly their size
        return pillow(data)
    top = 255 if bits <= 8 else 65535
    if bits not in (8, 16):
        samples = np.rint(samples * (top / (2**bits - 1))).astype(np.uint8 if bits < 8 else "u2")
    if photometric == tifffile.PHOTOMETRIC.MINISWHITE:
        samples = top - samples
    return np.moveaxis(samples, 0, -1) if samples.shape[:1] == (3,) else samples


def tiff_of_12_bits(compression: str | None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.tif"
        write_tiff(path, picture(dtype=np.uint16) >> 4, 12, compression=compression)
        return path.read_bytes()


png = imagecodecs.png_decode

CORPUS: dict[str, tuple[bytes, Reference]] = {
    "png rgb": (by_pillow("PNG", picture(3)), png),
    "png palette": (by_pillow("PNG", picture(3), palette=True), png),
    "png alpha": (by_pillow("PNG", picture(4)), png),
    "png 16 bits": (bytes(imagecodecs.png_encode(picture(dtype=np.uint16))), png),
    "jpeg": (by_pillow("JPEG", picture(3), quality=90), pillow),
    "jpeg progressive": (by_pillow("JPEG", picture(), progressive=True), pillow),
    "webp": (by_pillow("WEBP", picture(3)), imagecodecs.webp_decode),
    "webp alpha": (by_pillow("WEBP", picture(4), lossless=True), imagecodecs.webp_decode),
    "bmp": (by_pillow("BMP", picture(3)), pillow),
    "bmp palette": (by_pillow("BMP", picture(3), palette=True), pillow),
    "pgm": (by_pillow("PPM", picture()), pillow),
    "pbm": (b"P4 33 24\n" + np.packbits(picture() & 1, axis=1).tobytes(), pillow),
    "ppm 16 bits": (b"P6 33 24 65535\n" + picture(3, dtype=">u2").tobytes(), pillow),
    "ppm text": (b"P3 33 24 255\n" + " ".join(map(str, picture(3).ravel())).encode(), pillow),
    "tiff": (tiff(picture(3), rowsperstrip=7), libtiff),
    "tiff deflate": (tiff(picture(3), compression="zlib", predictor=True, rowsperstrip=7), libtiff),
    "tiff lzw tiles": (tiff(picture(), compression="lzw", tile=(16, 16)), libtiff),
    "tiff 16 bits": (tiff(picture(dtype=np.uint16), byteorder=">", rowsperstrip=7), libtiff),
    "tiff 12 bits": (tiff_of_12_bits(None), libtiff),
    "tiff 12 bits, deflate": (tiff_of_12_bits("ADOBE_DEFLATE"), libtiff),
    "tiff fax": (by_pillow("TIFF", picture() > 128, compression="group4"), libtiff),
    "tiff jpeg": (tiff(picture(3), compression="jpeg", photometric="ycbcr"), pillow),
}
if features.check("avif"):
    CORPUS["avif"] = (by_pillow("AVIF", picture(3)), imagecodecs.avif_decode)


def mutate(data: bytes, rng: np.random.Generator) -> bytes:
    """Flip a bit, cut the file, zero a range, or swap two ranges."""
    changed = bytearray(data)
    # Half of the changes are at the beginning, where the header is.
    end = len(data) if rng.random() < 0.5 else min(len(data), 300)
    at, size = int(rng.integers(2, end)), int(rng.integers(1, 40))
    match rng.integers(5):
        case 0 | 1:
            changed[at] ^= 1 << int(rng.integers(8))
        case 2:
            del changed[at:]
        case 3:
            changed[at : at + size] = bytes(len(changed[at : at + size]))
        case 4:
            other = int(rng.integers(2, len(data)))
            one, two = changed[at : at + size], changed[other : other + size]
            changed[at : at + size], changed[other : other + size] = two, one
    return bytes(changed)


def outcome(path: Path, data: bytes, reference: Reference) -> str:
    path.write_bytes(data)
    try:
        found = read_picture(path)
    except InputError as error:
        reason = str(error)
        one_line = str(path) in reason and len(reason.splitlines()) == 1
        return "refused" if one_line else f"not one line: {reason}"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.asarray(reference(data))
    samples = found.pixels[..., 0] if found.pixels.shape[2] == 1 else found.pixels
    if found.alpha is not None:
        samples = np.concatenate([found.pixels, found.alpha[..., None]], axis=2)
    if samples.dtype != expected.dtype:  # the other library keeps 8 bits
        samples = np.rint(samples / 257)
    np.testing.assert_array_equal(samples, expected)
    return "equal"


@pytest.mark.parametrize("kind", CORPUS)
def test_damaged_pictures_are_refused_or_read_as_by_another_library(
    kind: str, tmp_path: Path
) -> None:
    data, reference = CORPUS[kind]
    path = tmp_path / "picture"
    assert outcome(path, data, reference) == "equal"
    rng = np.random.default_rng(list(CORPUS).index(kind))
    with bounded_memory(1500):  # a header may claim 179 megapixels
        found = [outcome(path, mutate(data, rng), reference) for _ in range(MUTATIONS)]
    assert set(found) <= {"refused", "equal"}
    assert "refused" in found
