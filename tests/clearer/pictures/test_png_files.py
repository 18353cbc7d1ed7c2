"""PNG files: refused if any checksum is wrong; what belongs to a picture is kept."""

from __future__ import annotations

import io
import random
import struct
import zlib
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, ImageCms

from clearer.errors import InputError
from clearer.pictures import png_chunks
from clearer.pictures.encoding import encode_picture
from clearer.pictures.images import read_image
from clearer.pictures.reading import StoredPicture, read_picture


def pixels(*shape: int, dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(0).integers(np.iinfo(dtype).max + 1, size=shape, dtype=dtype)


def make(kind: str) -> bytes:
    """A file of one of PNG's kinds."""
    if kind == "16 bits":
        return bytes(imagecodecs.png_encode(pixels(19, 23, 3, dtype=np.uint16)))
    color = Image.fromarray(pixels(19, 23, 4 if kind == "alpha" else 3))
    images = {"palette": color.quantize(64), "gray": color.convert("L"), "bits": color.convert("1")}
    buffer = io.BytesIO()
    images.get(kind, color).save(buffer, "PNG")
    return buffer.getvalue()


KINDS = ["rgb", "gray", "palette", "alpha", "16 bits", "bits"]


def both_refuse(path: Path, message: str) -> None:
    for read in (read_picture, lambda path: read_image(path, "gray")):
        with pytest.raises(InputError, match=message) as error:
            read(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_changed_byte_anywhere_is_seen(kind: str, tmp_path: Path) -> None:
    data = make(kind)
    path = tmp_path / "a.png"
    path.write_bytes(data)
    read_picture(path)
    rng = random.Random(1)
    for at in [*range(8, 60), *(rng.randrange(60, len(data)) for _ in range(60))]:
        changed = bytearray(data)
        changed[at] ^= 1 << rng.randrange(8)
        path.write_bytes(changed)
        both_refuse(path, "cannot be read as an image")


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_cut_anywhere_is_seen(kind: str, tmp_path: Path) -> None:
    data = make(kind)
    path = tmp_path / "a.png"
    for end in [*range(9, 60, 5), *range(60, len(data), max(1, len(data) // 40)), len(data) - 12]:
        path.write_bytes(data[:end])
        both_refuse(path, "cut short")


def rebuilt(data: bytes, change: str) -> bytes:
    """A file whose chunks have correct checksums, but a fault inside."""
    chunks = png_chunks.checked_chunks(data)
    stream = b"".join(body for kind, body in chunks if kind == b"IDAT")
    raw = zlib.decompress(stream)
    match change:
        case "checksum of the stream":
            stream = stream[:-1] + bytes([stream[-1] ^ 1])
        case "stream cut":
            stream = stream[: len(stream) // 2]
        case "rows missing":
            stream = zlib.compress(raw[: len(raw) // 2])
        case "rows left over":
            stream = zlib.compress(raw + raw)
        case "zeros in the stream":
            middle = len(stream) // 2
            stream = stream[:middle] + bytes(9) + stream[middle + 9 :]
    out = [(kind, body) for kind, body in chunks if kind not in (b"IDAT", b"IEND")]
    return png_chunks.join([*out, (b"IDAT", stream), (b"IEND", b"")])


@pytest.mark.parametrize(
    "change",
    [
        "checksum of the stream",
        "stream cut",
        "rows missing",
        "rows left over",
        "zeros in the stream",
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_damage_inside_whole_chunks_is_seen(kind: str, change: str, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(rebuilt(make(kind), change))
    both_refuse(path, "it is damaged")


def test_chunks_out_of_place_are_seen(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    header, palette, pixel, end = png_chunks.checked_chunks(make("palette"))
    clear = (b"tRNS", b"\0")
    path.write_bytes(png_chunks.join([header, palette, clear, pixel, end, (b"tEXt", b"after")]))
    assert read_picture(path).alpha is not None
    for chunks in (
        [header, pixel, palette, end],
        [header, palette, palette, pixel, end],
        [header, header, palette, pixel, end],
        [palette, header, pixel, end],
        [header, clear, palette, pixel, end],
        [header, palette, pixel, clear, end],
        [header, palette, pixel, (b"tEXt", b"between"), pixel, end],
        [header, palette, (b"NEWS", b"unknown"), pixel, end],
        [header, palette, end],
        [header, pixel, end],
    ):
        path.write_bytes(png_chunks.join(chunks))
        both_refuse(path, "cannot be read as an image")


def test_interlaced_files_are_whole_too(tmp_path: Path) -> None:
    """Made by hand; the one to refuse lacks a pass."""
    gray = pixels(5, 6)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    rows = [
        b"\0" + gray[y, x::step_x].tobytes()
        for first, x, step_y, step_x in passes
        for y in range(first, 5, step_y)
        if x < 6
    ]
    header = (b"IHDR", struct.pack(">IIBBBBB", 6, 5, 8, 0, 0, 0, 1))
    path = tmp_path / "a.png"
    for count in (len(rows), len(rows) - 1):
        body = (b"IDAT", zlib.compress(b"".join(rows[:count])))
        path.write_bytes(png_chunks.join([header, body, (b"IEND", b"")]))
        if count == len(rows):
            assert np.array_equal(read_picture(path).pixels[..., 0], gray)
    both_refuse(path, "too few or too many")


@pytest.mark.parametrize("megabytes", [1, 3])
def test_a_long_profile_is_kept(megabytes: int, tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    profile += np.random.default_rng(0).bytes(megabytes << 20)
    data, _ = encode_picture(StoredPicture(pixels=pixels(6, 8, 3), icc=profile), "png")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    for _ in range(2):
        picture = read_picture(path)
        assert picture.icc == profile
        assert np.array_equal(picture.pixels, pixels(6, 8, 3))
        path.write_bytes(encode_picture(picture, "png")[0])


def test_long_texts_are_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    text = png_chunks._chunk(b"zTXt", b"workflow\0\0" + zlib.compress(bytes(80_000_000)))
    path.write_bytes(png_chunks.insert(make("rgb"), text))
    assert np.array_equal(read_picture(path).pixels, pixels(19, 23, 3))


def test_exif_as_text_turns_the_picture(tmp_path: Path) -> None:
    """ImageMagick wrote EXIF as text before PNG had a chunk for it."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    coded = exif.tobytes().hex()
    text = f"Raw profile type exif\0\nexif\n{len(coded) // 2:8}\n{coded}\n".encode()
    path = tmp_path / "a.png"
    path.write_bytes(png_chunks.insert(make("rgb"), png_chunks._chunk(b"tEXt", text)))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, np.rot90(pixels(19, 23, 3), -1))
    assert picture.exif is not None
    assert b"Maker" in picture.exif


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_a_transparent_level_of_few_bits(bits: int, tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    levels = np.arange(8) % 2**bits
    row = np.packbits((levels[:, None] >> np.arange(bits - 1, -1, -1) & 1).astype(np.uint8).ravel())
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 8, 1, bits, 0, 0, 0, 0)),
        (b"tRNS", struct.pack(">H", 1)),
        (b"IDAT", zlib.compress(b"\0" + row.tobytes())),
        (b"IEND", b""),
    ]
    path.write_bytes(png_chunks.join(chunks))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels[0, :, 0], levels * (255 // (2**bits - 1)))
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha[0] == 0, levels == 1)


def test_a_transparent_color_becomes_alpha(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    deep = pixels(6, 8, dtype=np.uint16)
    clear = png_chunks._chunk(b"tRNS", struct.pack(">H", deep[2, 3]))
    path.write_bytes(png_chunks.insert(bytes(imagecodecs.png_encode(deep)), clear))
    picture = read_picture(path)
    assert np.array_equal(picture.pixels[..., 0], deep)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha == 0, deep == deep[2, 3])
