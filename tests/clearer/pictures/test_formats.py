"""JPEG, WebP, BMP, PNM and AVIF: a file is refused if its decoder complains; no bit is lost."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image, features

from clearer.errors import InputError, how_to_install
from clearer.pictures.encoding import kind_of, name_as
from clearer.pictures.formats import IMAGE_SUFFIXES, has_decoder, is_picture_name
from clearer.pictures.images import list_images, read_image
from clearer.pictures.reading import read_picture

needs_avif = pytest.mark.skipif(not features.check("avif"), reason="Pillow reads no AVIF")


def pixels(*shape: int, dtype: Any = np.uint8, top: int | None = None) -> Any:
    top = int(np.iinfo(dtype).max) if top is None else top
    found = np.random.default_rng(0).integers(top + 1, size=shape, dtype=dtype)
    found.flat[0], found.flat[1] = 0, top
    return found


def saved(kind: str, values: Any, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, kind, **options)
    return buffer.getvalue()


def both_refuse(path: Path, message: str) -> None:
    for read in (read_picture, lambda path: read_image(path, "gray")):
        with pytest.raises(InputError, match=message) as error:
            read(path)
        assert str(path) in str(error.value)


def whole_files() -> dict[str, bytes]:
    color = pixels(40, 48, 3)
    files = {
        "a.jpg": saved("JPEG", color),
        "progressive.jpg": saved("JPEG", color, progressive=True),
        "a.webp": saved("WEBP", color),
        "lossless.webp": saved("WEBP", color, lossless=True),
        "a.bmp": saved("BMP", color),
        "gray.bmp": saved("BMP", color[..., 0]),
        "a.ppm": saved("PPM", color),
        "a.pgm": saved("PPM", color[..., 0]),
        "a.pbm": b"P4 48 40\n" + np.packbits(color[..., 0] & 1, axis=1).tobytes(),
        "text.ppm": b"P3 48 40 255\n" + " ".join(map(str, color.ravel())).encode(),
    }
    if features.check("avif"):
        files["a.avif"] = saved("AVIF", color)
    return files


@pytest.mark.parametrize("name", whole_files())
def test_files_cut_short(name: str, tmp_path: Path) -> None:
    data = whole_files()[name]
    path = tmp_path / name
    path.write_bytes(data)
    assert read_picture(path).pixels.shape[:2] == (40, 48)
    assert read_image(path, "gray").shape == (40, 48, 1)
    for end in [3, *range(20, len(data) - 4, len(data) // 12), len(data) - 4]:
        path.write_bytes(data[:end])
        both_refuse(path, "cannot be read as an image")


def test_a_jpeg_with_a_hole_and_a_proper_end(tmp_path: Path) -> None:
    """Pillow paints the rest gray, and says nothing."""
    path = tmp_path / "a.jpg"
    for options in ({}, {"progressive": True}):
        for color in (pixels(40, 48, 3), pixels(40, 48)):
            data = saved("JPEG", color, **options)
            path.write_bytes(data[: len(data) * 2 // 3] + b"\xff\xd9")
            both_refuse(path, "Corrupt JPEG data")
    cmyk = Image.fromarray(pixels(40, 48, 4), "CMYK")
    cmyk.save(path)
    assert read_image(path, "rgb").shape == (40, 48, 3)
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    both_refuse(path, "Corrupt JPEG data")


def test_without_what_checks_it_a_jpeg_is_read_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(saved("JPEG", pixels(40, 48, 3)))
    expected = read_picture(path)
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, expected.pixels)
    assert expected.notes == ()
    assert picture.notes == ("its data were not checked for damage: pip install simplejpeg",)


def test_what_follows_a_jpeg_is_no_fault(tmp_path: Path) -> None:
    data = saved("JPEG", pixels(40, 48, 3))
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    expected = read_picture(path).pixels
    path.write_bytes(data + bytes(100) + b"a film of a phone")
    assert np.array_equal(read_picture(path).pixels, expected)


def test_what_does_no_harm_to_pixels_is_a_note(tmp_path: Path) -> None:
    """A scan header with other values, in a file that is not progressive."""
    data = bytearray(saved("JPEG", pixels(40, 48)))
    path = tmp_path / "a.jpg"
    path.write_bytes(data)
    expected = read_picture(path).pixels
    data[data.index(b"\xff\xda") + 8] = 62  # the last coefficient, which is always 63
    path.write_bytes(data)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, expected)
    (note,) = picture.notes
    assert note.startswith("the decoder says: Invalid SOS parameters")


def text(values: Any) -> bytes:
    return "\n".join(" ".join(map(str, row.ravel())) for row in values).encode() + b"\n"


@pytest.mark.parametrize("top", [1, 2, 100, 254, 255, 256, 1023, 4095, 65534, 65535])
@pytest.mark.parametrize("channels", [1, 3])
def test_samples_of_every_range(top: int, channels: int, tmp_path: Path) -> None:
    """Binary and text, with comments where the format allows them."""
    shape = (7, 9, 3) if channels == 3 else (7, 9)
    values = pixels(*shape, dtype=np.uint16, top=top)
    expected = values / top
    stored = values.astype(np.uint8 if top < 256 else ">u2").tobytes()
    header = f"# a comment 1 2\n9 # another\n7\n{top}".encode()
    kinds = (b"P3", b"P6") if channels == 3 else (b"P2", b"P5")
    for kind, body in zip(kinds, (text(values), stored), strict=True):
        path = tmp_path / f"{kind.decode()}.pnm"
        path.write_bytes(kind + b"\n" + header + b"\n" + body)
        picture = read_picture(path)
        bits = 8 if top < 256 else 16
        assert picture.bits == bits
        found = picture.pixels.squeeze() / (2.0**bits - 1)
        assert np.abs(found - expected).max() <= 0.5001 / (2**bits - 1)
        said = () if top in (255, 65535) else (f"samples of 0 to {top} became {bits} bits",)
        assert picture.notes == said
        color: Any = "rgb" if channels == 3 else "gray"
        eight = read_image(path, color).squeeze() / 255
        assert np.abs(eight - expected).max() <= 0.5001 / 255 + 1e-5


def test_one_bit_as_text_and_binary(tmp_path: Path) -> None:
    bits = pixels(7, 9, top=1)
    expected = (1 - bits) * 255
    (tmp_path / "a.pbm").write_bytes(b"P4\n9 7\n" + np.packbits(bits, axis=1).tobytes())
    (tmp_path / "b.pbm").write_bytes(b"P1\n9 7\n" + text(bits))
    (tmp_path / "c.pbm").write_bytes(b"P1\n9 7\n" + text(bits).replace(b" ", b""))
    for path in tmp_path.iterdir():
        assert np.array_equal(read_picture(path).pixels[..., 0], expected)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"P2 2 1 255\n1 x\n", "no number"),
        (b"P2 2 1 255\n1 -2\n", "more or fewer"),
        (b"P2 2 1 255\n1 2 3\n", "more or fewer"),
        (b"P2 2 1 255\n1\n", "more or fewer"),
        (b"P2 2 1 100\n1 101\n", "larger than 100"),
        (b"P5 2 1 100\n\1\xff", "larger than 100"),
        (b"P5 2 1 255\n\1\2\3", "more pixels"),
        (b"P5 2 1 255\n\1", "cut short"),
        (b"P5 2 1 0\n\1\2", "header"),
        (b"P5 2 1 70000\n\1\2\3\4", "header"),
        (b"P5 2 x 255\n\1\2", "header"),
        (b"P5 0 1 255\n", "no pixels"),
        (b"P5 99999 99999 255\n", "megapixels"),
        (b"P1 2 1\n0 2\n", "other signs"),
        (b"P5 2 1 255\n\1\2P5 2 1 255\n\1\2", "several pages"),
    ],
)
def test_faults_of_pnm(data: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "a.pgm"
    path.write_bytes(data)
    both_refuse(path, message)


@needs_avif
@pytest.mark.parametrize("bits", [10, 12])
@pytest.mark.parametrize("shape", [(24, 30), (24, 30, 3), (24, 30, 4)])
def test_deep_avif_keeps_its_bits(bits: int, shape: tuple[int, ...], tmp_path: Path) -> None:
    values = pixels(*shape, dtype=np.uint16, top=2**bits - 1)
    path = tmp_path / "a.avif"
    path.write_bytes(imagecodecs.avif_encode(values, level=100, bitspersample=bits))
    picture = read_picture(path)
    assert picture.bits == 16
    assert f"{bits} bits became 16" in picture.notes
    expected = values if len(shape) == 2 else values[..., :3]
    scaled = expected / (2.0**bits - 1) * 65535
    assert np.abs(picture.pixels.squeeze() - scaled).max() <= 0.5001
    assert (picture.alpha is not None) == (shape[-1] == 4)


@needs_avif
def test_avif_is_turned_and_keeps_what_belongs_to_it(tmp_path: Path) -> None:
    values = np.kron(pixels(3, 4, 3), np.ones((8, 8, 1), np.uint8))
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "Maker"
    path = tmp_path / "a.avif"
    about: dict[str, Any] = {"exif": exif, "icc_profile": b"a profile" * 20}
    Image.fromarray(values).save(path, quality=100, subsampling="4:4:4", **about)
    picture = read_picture(path)
    assert np.abs(picture.pixels.astype(int) - np.rot90(values, -1)).max() <= 2
    assert picture.icc == b"a profile" * 20
    assert picture.exif is not None
    assert b"Maker" in picture.exif
    assert kind_of(path) == "png"


def test_other_formats_are_not_opened(tmp_path: Path) -> None:
    """Whatever their names say: for the first, Pillow would start Ghostscript."""
    gif = saved("GIF", pixels(6, 8))
    for data in (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", gif, b"8BPS" + bytes(30)):
        for name in ("a.png", "a.jpg", "a.tif"):
            (tmp_path / name).write_bytes(data)
            both_refuse(tmp_path / name, "it begins as no PNG")


def test_endings() -> None:
    for name in ("a.jfif", "a.JPE", "a.pnm", "a.b.TIFF"):
        assert is_picture_name(name)
    for name in ("._a.png", ".a.png", ".png", "png", "a.txt", "a"):
        assert not is_picture_name(name)
    assert (".avif" in IMAGE_SUFFIXES) == features.check("avif")
    assert name_as(Path("a.jfif"), "jpeg") == Path("a.jfif")
    assert kind_of(Path("a.JPE")) == "jpeg"


def test_hidden_files_of_a_data_folder_are_passed_over(tmp_path: Path) -> None:
    """macOS leaves one beside each file on disks of other systems."""
    for name in ("a.png", "b.jfif"):
        (tmp_path / name).write_bytes(saved("JPEG" if name == "b.jfif" else "PNG", pixels(6, 8)))
        (tmp_path / f"._{name}").write_bytes(b"\0\5\x16\7")
    (tmp_path / "folder.png").mkdir()
    os.mkfifo(tmp_path / "pipe.png")
    assert [path.name for path in list_images(tmp_path)] == ["a.png", "b.jfif"]


def test_a_broken_link_in_a_data_folder_is_said(tmp_path: Path) -> None:
    for name, target in (("a.png", "gone.png"), ("b.png", "b.png")):
        (tmp_path / name).symlink_to(tmp_path / target)
    for path, reason in zip(
        list_images(tmp_path), ("No such file", "Too many levels"), strict=True
    ):
        both_refuse(path, f"cannot be read as an image .{reason}")


@pytest.mark.skipif(has_decoder("heic"), reason="pillow-heif is installed")
def test_heic_without_its_decoder_says_what_to_install(tmp_path: Path) -> None:
    path = tmp_path / "a.heic"
    path.write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    both_refuse(path, re.escape(f"it is HEIC: {how_to_install('heic')}, or convert it"))
    assert not is_picture_name(path.name)
