"""TIFF files of every kind that scanners and microscopes write: read right, or refused by name."""

from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from clearer.errors import InputError
from clearer.pictures.images import read_image
from clearer.pictures.reading import read_picture
from tests.clearer.pictures.tiny_tiff import packed, samples, write_tiff

ORIENTATION = 0x0112


def check(path: Path, expected: Any, bits: int) -> None:
    """Check that both readers give these fractions of full scale."""
    picture = read_picture(path)
    assert picture.bits == (8 if bits <= 8 else 16)
    found = picture.pixels / (2.0**picture.bits - 1)
    assert np.abs(found.squeeze() - expected).max() <= 0.5001 / (2**picture.bits - 1)
    color: Any = "gray" if picture.pixels.shape[2] == 1 else "rgb"
    assert np.abs(read_image(path, color).squeeze() / 255 - expected).max() <= 0.5001 / 255 + 1e-5
    assert picture.notes == (() if bits in (8, 16) else picture.notes[:1])
    if bits not in (8, 16):
        assert picture.notes[0].endswith(f"became {picture.bits}")


@pytest.mark.parametrize("photometric", [0, 1])
@pytest.mark.parametrize("bits", range(1, 17))
def test_gray_of_every_depth(bits: int, photometric: int, tmp_path: Path) -> None:
    values = samples(bits)
    expected = values / (2.0**bits - 1)
    if photometric == 0:
        expected = 1 - expected
    for compression, bigtiff in ((None, True), ("ADOBE_DEFLATE", False), ("PACKBITS", False)):
        path = tmp_path / f"{compression}.tif"
        write_tiff(
            path, values, bits, photometric=photometric, compression=compression, bigtiff=bigtiff
        )
        check(path, expected, bits)


def test_the_order_of_bytes_does_not_change_packed_bits(tmp_path: Path) -> None:
    values = samples(12)
    stored = tmp_path / "a.tif"
    tifffile.imwrite(stored, values, bitspersample=12, byteorder=">", metadata=None)
    with tifffile.TiffFile(stored) as tiff:
        (start,), (count,) = tiff.pages.first.dataoffsets, tiff.pages.first.databytecounts
    data = bytearray(stored.read_bytes())
    data[start : start + count] = packed(values, 12)
    stored.write_bytes(data)
    check(stored, values / 4095, 12)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_color_of_every_depth(bits: int, planar: str, tmp_path: Path) -> None:
    values = samples(bits, 21, 30, 3)
    path = tmp_path / "a.tif"
    stored = np.moveaxis(values, 2, 0) if planar == "separate" else values
    tifffile.imwrite(path, stored, photometric="rgb", planarconfig=planar, bitspersample=bits)
    check(path, values / (2.0**bits - 1), bits)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("byteorder", "bigtiff", "compression", "tile"),
    list(
        itertools.product("<>", (False, True), (None, "lzw", "zlib", "packbits"), (None, (16, 32)))
    ),
)
def test_layouts(
    bits: int,
    byteorder: str,
    bigtiff: bool,
    compression: str | None,
    tile: tuple[int, int] | None,
    tmp_path: Path,
) -> None:
    for photometric in ("minisblack", "miniswhite", "rgb"):
        values = samples(bits, *((21, 30, 3) if photometric == "rgb" else (21, 30)))
        path = tmp_path / f"{photometric}.tif"
        options: dict[str, Any] = {"tile": tile} if tile else {"rowsperstrip": 7}
        options |= {"predictor": True} if compression in ("lzw", "zlib") else {}
        options |= {"byteorder": byteorder, "bigtiff": bigtiff, "compression": compression}
        tifffile.imwrite(path, values, photometric=photometric, **options)
        expected = values / (2.0**bits - 1)
        check(path, 1 - expected if photometric == "miniswhite" else expected, bits)


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "group3", "group4", "jpeg"])
def test_as_another_library_reads_it(compression: str, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    mode = "1" if compression.startswith("group") else "L"
    image = Image.fromarray(samples(8)).convert(mode)
    image.save(path, compression=compression)
    with Image.open(path) as file:
        expected = np.asarray(file.convert("L"))
    assert np.array_equal(read_picture(path).pixels[..., 0], expected)


@pytest.mark.parametrize("photometric", ["rgb", "ycbcr", "minisblack"])
@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {}])
def test_damaged_jpeg_inside(photometric: str, layout: dict[str, Any], tmp_path: Path) -> None:
    """It has a hole at its end, which decoders fill with gray."""
    path = tmp_path / "a.tif"
    values = samples(8, 40, 48) if photometric == "minisblack" else samples(8, 40, 48, 3)
    tifffile.imwrite(path, values, photometric=photometric, compression="jpeg", **layout)
    assert read_picture(path).pixels.shape[:2] == (40, 48)
    with tifffile.TiffFile(path) as tiff:
        page = tiff.pages.first
        start, count = page.dataoffsets[-1], page.databytecounts[-1]
    data = bytearray(path.read_bytes())
    middle = start + count * 9 // 10  # behind the tables
    data[middle : middle + 2] = b"\xff\xd9"
    path.write_bytes(data)
    both_refuse(path, "Corrupt JPEG data")


@pytest.mark.parametrize("compression", ["group3", "group4"])
def test_damaged_fax_codes(compression: str, tmp_path: Path) -> None:
    """Every decoder makes something else of them."""
    path = tmp_path / "a.tif"
    Image.fromarray(samples(8, 40, 64)).convert("1").save(path, compression=compression)
    data = path.read_bytes()
    for at in (60, 120, 180):
        changed = bytearray(data)
        changed[at : at + 20] = bytes(value ^ 0x55 for value in changed[at : at + 20])
        path.write_bytes(changed)
        both_refuse(path, "cannot be read as an image")


@pytest.mark.parametrize("scale", [1, 256, 257])
def test_palettes_however_their_colors_are_written(scale: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    colors = samples(8, 3, 256)
    indices = samples(8)
    colormap = colors.astype(np.uint16) * scale
    tifffile.imwrite(path, indices, photometric="palette", colormap=colormap)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, colors.T[indices])
    assert picture.notes == ("the palette became RGB",)
    assert np.array_equal(read_image(path, "rgb"), colors.T[indices])


def test_a_palette_of_16_bits_keeps_them(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    colors, indices = samples(16, 3, 256), samples(8)
    tifffile.imwrite(path, indices, photometric="palette", colormap=colors)
    assert np.array_equal(read_picture(path).pixels, colors.T[indices])


TURNED = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.T,
    6: lambda a: a[::-1].T,
    7: lambda a: a[::-1, ::-1].T,
    8: lambda a: a[:, ::-1].T,
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("bits", [8, 12, 16])
@pytest.mark.parametrize("compression", [None, "ADOBE_DEFLATE"])
def test_orientations(orientation: int, bits: int, compression: str | None, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    values = samples(bits)
    for bigtiff in (False, True):
        write_tiff(
            path, values, bits, compression=compression, bigtiff=bigtiff, orientation=orientation
        )
        check(path, TURNED[orientation](values / (2.0**bits - 1)), bits)
        exif = Image.Exif()
        exif.load(b"Exif\0\0" + (read_picture(path).exif or b""))
        assert exif[271] == "Maker, in a word of some length"
        assert ORIENTATION not in exif


def both_refuse(path: Path, message: str) -> None:
    for read in (read_picture, lambda path: read_image(path, "gray")):
        with pytest.raises(InputError, match=message) as error:
            read(path)
        assert str(path) in str(error.value)


@pytest.mark.parametrize("tag", ["offsets", "byte counts"])
@pytest.mark.parametrize("compression", [None, "zlib"])
@pytest.mark.parametrize("layout", [{"tile": (16, 16)}, {"rowsperstrip": 7}])
@pytest.mark.parametrize("bits", [8, 16])
def test_missing_strips_and_tiles(
    tag: str, compression: str | None, layout: dict[str, Any], bits: int, tmp_path: Path
) -> None:
    """A writer that was stopped leaves such files; the gaps would come out black."""
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples(bits), compression=compression, metadata=None, **layout)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        tags = (324, 325) if "tile" in layout else (273, 279)
        entry = tiff.pages.first.tags[tags[0 if tag == "offsets" else 1]]
        values = list(entry.value)
        values[1] = 0
        entry.overwrite(values)
    both_refuse(path, "(tiles|strips) are missing")


@pytest.mark.parametrize("compression", [None, "zlib", "lzw", "packbits"])
@pytest.mark.parametrize("bits", [8, 16])
def test_files_cut_short(compression: str | None, bits: int, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples(bits), compression=compression, rowsperstrip=7, metadata=None)
    data = path.read_bytes()
    for end in range(10, len(data), len(data) // 9):
        path.write_bytes(data[:end])
        both_refuse(path, "cannot be read as an image")


def test_strips_that_unpack_to_too_little(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, samples(8), compression="packbits", metadata=None)
    with tifffile.TiffFile(path, mode="r+") as tiff:
        entry = tiff.pages.first.tags[279]
        entry.overwrite(entry.value[0] // 2)
    both_refuse(path, "cannot be read as an image")


def raw_files() -> dict[str, bytes]:
    """Raw files of cameras: TIFF, but for other programs."""
    thumbnail, sensor = samples(8, 12, 15, 3), samples(12)
    pattern = [(33421, "H", 2, (2, 2), True), (33422, "B", 4, b"\0\1\1\2", True)]
    files = {}

    def make(name: str) -> tifffile.TiffWriter:
        files[name] = io.BytesIO()
        return tifffile.TiffWriter(files[name])

    with make("thumbnail first, sensor inside") as tiff:
        tiff.write(thumbnail, photometric="rgb", subifds=1, subfiletype=1)
        tiff.write(sensor, photometric="cfa", extratags=pattern)
    with make("thumbnail first, picture inside") as tiff:
        tiff.write(thumbnail, photometric="rgb", subifds=1, subfiletype=1)
        tiff.write(samples(8, 24, 30, 3), photometric="rgb")
    with make("thumbnail first, picture next") as tiff:
        tiff.write(thumbnail, photometric="rgb", subfiletype=1)
        tiff.write(samples(8, 24, 30, 3), photometric="rgb")
    with make("sensor") as tiff:
        tiff.write(sensor, photometric="cfa", extratags=pattern)
    with make("linear") as tiff:
        tiff.write(samples(16, 24, 30, 3), photometric=34892)
    with make("version") as tiff:
        version = [(50706, "B", 4, b"\1\4\0\0", True)]
        tiff.write(thumbnail, photometric="rgb", extratags=version)
    return {name: file.getvalue() for name, file in files.items()}


@pytest.mark.parametrize("kind", raw_files())
def test_raw_files_are_refused(kind: str, tmp_path: Path) -> None:
    for name in ("a.dng", "a.tif"):
        (tmp_path / name).write_bytes(raw_files()[kind])
        both_refuse(tmp_path / name, "convert it to TIFF with another program")


def test_smaller_copies_are_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    full = samples(8, 24, 30, 3)
    with tifffile.TiffWriter(path) as tiff:
        tiff.write(full, photometric="rgb", subifds=1)
        tiff.write(full[::2, ::2], photometric="rgb", subfiletype=1)
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, full)
    assert picture.notes == ("smaller copies inside the file were left out",)


def test_alpha_of_every_kind(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    full = samples(8, 24, 30, 4)
    tifffile.imwrite(path, full, photometric="rgb", extrasamples=["unassalpha"])
    picture = read_picture(path)
    assert picture.alpha is not None
    assert np.array_equal(picture.alpha, full[..., 3])
    times_alpha = full.copy()
    times_alpha[..., :3] = np.rint(full[..., :3] / 255.0 * full[..., 3:])
    tifffile.imwrite(path, times_alpha, photometric="rgb", extrasamples=["assocalpha"])
    with Image.open(path) as file:
        expected = np.asarray(file.convert("RGBA")).astype(int)
    picture = read_picture(path)
    assert np.abs(picture.pixels - expected[..., :3]).max() <= 1
    tifffile.imwrite(path, full, photometric="rgb", extrasamples=["unspecified"])
    picture = read_picture(path)
    assert picture.alpha is None
    assert picture.notes == ("a channel of unknown meaning was left out",)


def test_pixels_of_unknown_meaning_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    cases: list[tuple[Any, dict[str, Any], str]] = [
        (samples(8, 24, 30, 3), {"photometric": "cielab"}, "CIELAB: convert it"),
        (samples(8).astype(np.int8), {}, "signed pixels"),
        (samples(16).astype(np.uint32), {}, "pixels of 32 bits"),
        (samples(8).astype(np.float16), {}, "floating-point pixels of 16 bits"),
        (samples(8, 24, 30, 6), {"photometric": "rgb"}, "6 samples a pixel"),
    ]
    for values, options, message in cases:
        tifffile.imwrite(path, values, metadata=None, **options)
        both_refuse(path, message)
    tifffile.imwrite(path, samples(8), metadata=None)
    data = bytearray(path.read_bytes())
    entry = data.index(b"\6\1\3\0\1\0\0\0")
    data[entry] = 7  # nothing says whether zero is black any more
    path.write_bytes(data)
    both_refuse(path, "what it says of its pixels")


def test_words_that_say_12_bits_are_refused(tmp_path: Path) -> None:
    """Some cameras write them, and neither reading is known to be right."""
    path = tmp_path / "a.tif"
    for compression in (None, "lzw", "zlib", "packbits"):
        tifffile.imwrite(path, samples(12), metadata=None, compression=compression)
        with tifffile.TiffFile(path, mode="r+") as tiff:
            tiff.pages.first.tags[258].overwrite(12)
        both_refuse(path, "more than its 12 bits")
