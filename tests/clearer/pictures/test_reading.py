from __future__ import annotations

import io
import itertools
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from clearer.errors import InputError
from clearer.pictures import png_chunks
from clearer.pictures.encoding import Kind, encode_picture, kind_of, name_as
from clearer.pictures.images import read_image
from clearer.pictures.reading import EXIF_PREFIX, Pixels, StoredPicture, read_picture

ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
KINDS: tuple[Kind, ...] = ("png", "jpeg", "tiff", "webp")
EXIF_IFD, GPS_IFD = 0x8769, 0x8825


def exif(orientation: int | None = None) -> Image.Exif:
    data = Image.Exif()
    data[0x010F], data[0x8298] = "Maker", "somebody"
    data.get_ifd(EXIF_IFD)[0x9003] = "2026:11:25 01:02:03"
    data.get_ifd(GPS_IFD)[1] = "N"
    if orientation is not None:
        data[0x0112] = orientation
    return data


def exif_bytes(data: Image.Exif) -> bytes:
    return data.tobytes()[len(EXIF_PREFIX) :]


def parsed(data: bytes | None) -> Image.Exif:
    assert data is not None
    loaded = Image.Exif()
    loaded.load(EXIF_PREFIX + data)
    return loaded


def random_pixels(*shape: int, dtype: Any = np.uint8) -> Any:
    return np.random.default_rng(0).integers(np.iinfo(dtype).max + 1, size=shape, dtype=dtype)


@pytest.mark.parametrize(
    ("kind", "channels", "dtype", "has_alpha"),
    [
        case
        for case in itertools.product(KINDS, (1, 3), (np.uint8, np.uint16), (False, True))
        if not (case[0] == "jpeg" and case[3])
    ],
)
def test_a_written_picture_is_read_back_whole(
    kind: Kind, channels: int, dtype: Any, has_alpha: bool, tmp_path: Path
) -> None:
    picture = StoredPicture(
        pixels=random_pixels(21, 34, channels, dtype=dtype),
        alpha=random_pixels(21, 34, dtype=dtype) if has_alpha else None,
        icc=ICC if channels == 3 else None,
        exif=exif_bytes(exif()),
        dpi=(300.0, 200.0),
    )
    data, notes = encode_picture(picture, kind)
    path = tmp_path / name_as(Path("picture"), kind)
    path.write_bytes(data)
    again = read_picture(path)
    expected: Pixels = picture.pixels
    if dtype == np.uint16 and kind in ("jpeg", "webp"):
        expected = np.rint(picture.pixels / 257).astype(np.uint8)
        assert notes == (f"16 bits became 8: {kind.upper()} holds no more",)
    else:
        assert not notes
    assert again.notes == ()
    if kind == "jpeg":
        assert again.pixels.shape == expected.shape
    elif kind == "webp" and channels == 1:  # WebP supports only RGB
        assert (again.pixels == expected).all()
    else:
        assert again.bits == (16 if expected.dtype == np.uint16 else 8)
        assert np.array_equal(again.pixels, expected)
        if picture.alpha is not None and expected.dtype == dtype:
            assert again.alpha is not None
            assert np.array_equal(again.alpha, picture.alpha)
    assert (again.alpha is not None) == has_alpha
    assert again.icc == picture.icc
    tags = parsed(again.exif)
    assert (tags[0x010F], tags[0x8298]) == ("Maker", "somebody")
    assert tags.get_ifd(EXIF_IFD)[0x9003] == "2026:11:25 01:02:03"
    assert tags.get_ifd(GPS_IFD)[1] == "N"
    if kind != "webp":
        assert again.dpi == pytest.approx((300, 200), rel=1e-4)


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_are_upright_and_say_no_orientation(
    suffix: str, orientation: int, tmp_path: Path
) -> None:
    source, target = tmp_path / f"in{suffix}", tmp_path / f"out{suffix}"
    # Blocks of one colour survive JPEG.
    pixels = np.kron(random_pixels(2, 3, 3) // 2, np.ones((16, 16, 1), np.uint8))
    options: dict[str, Any] = {"quality": 95, "subsampling": 0} if suffix == ".jpg" else {}
    if suffix == ".webp":
        options = {"lossless": True}
    Image.fromarray(pixels).save(source, exif=exif(orientation), **options)
    data, _ = encode_picture(read_picture(source), kind_of(target))
    target.write_bytes(data)
    with Image.open(source) as before, Image.open(target) as after:
        assert 0x0112 not in after.getexif() or after.getexif()[0x0112] == 1
        assert after.getexif()[0x010F] == "Maker"
        shown = np.asarray(ImageOps.exif_transpose(before)).astype(int)
        assert np.abs(shown - np.asarray(after)).max() <= (6 if suffix == ".jpg" else 0)


def test_deep_tiff_is_turned_too(tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    pixels = random_pixels(5, 9, 3, dtype=np.uint16)
    tag = (0x0112, "H", 1, 6, True)
    tifffile.imwrite(path, pixels, photometric="rgb", extratags=[tag], compression="lzw")
    picture = read_picture(path)
    assert np.array_equal(picture.pixels, np.rot90(pixels, -1))
    assert picture.bits == 16


@pytest.mark.parametrize("options", [{"planarconfig": "separate"}, {"byteorder": ">"}, {}])
def test_layouts_of_deep_tiff(options: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    pixels = random_pixels(5, 9, 3, dtype=np.uint16)
    stored = np.moveaxis(pixels, 2, 0) if "planarconfig" in options else pixels
    tifffile.imwrite(path, stored, photometric="rgb", **options)
    assert np.array_equal(read_picture(path).pixels, pixels)


@pytest.mark.parametrize(
    ("unit", "dpi"), [("NONE", None), ("INCH", (300, 300)), ("CENTIMETER", (762, 762))]
)
def test_resolution_of_deep_tiff(unit: str, dpi: tuple[int, int] | None, tmp_path: Path) -> None:
    path = tmp_path / "deep.tif"
    pixels = random_pixels(6, 8, dtype=np.uint16)
    tifffile.imwrite(path, pixels, resolution=(300, 300), resolutionunit=unit)
    assert read_picture(path).dpi == (None if dpi is None else pytest.approx(dpi))


def test_white_is_zero_becomes_white(tmp_path: Path) -> None:
    path = tmp_path / "scan.tif"
    pixels = random_pixels(5, 9, dtype=np.uint16)
    tifffile.imwrite(path, pixels, photometric="miniswhite")
    assert np.array_equal(read_picture(path).pixels[..., 0], 65535 - pixels)


def test_palettes_and_one_bit(tmp_path: Path) -> None:
    pixels = np.kron(random_pixels(2, 3, 3), np.ones((8, 8, 1), np.uint8))
    palette = Image.fromarray(pixels).convert("P", palette=Image.Palette.ADAPTIVE)
    palette.save(tmp_path / "palette.png")
    picture = read_picture(tmp_path / "palette.png")
    assert np.array_equal(picture.pixels, np.asarray(palette.convert("RGB")))
    assert picture.notes == ("the palette became RGB",)
    palette.save(tmp_path / "clear.png", transparency=0)
    alpha = read_picture(tmp_path / "clear.png").alpha
    assert alpha is not None
    assert np.array_equal(alpha == 0, np.asarray(palette) == 0)
    bits = Image.fromarray(random_pixels(5, 9)).convert("1")
    bits.save(tmp_path / "bits.png")
    gray = np.asarray(bits.convert("L"))
    assert np.array_equal(read_picture(tmp_path / "bits.png").pixels[..., 0], gray)


def test_deep_pgm(tmp_path: Path) -> None:
    path = tmp_path / "deep.pgm"
    pixels = random_pixels(5, 9, dtype=np.uint16)
    path.write_bytes(b"P5 9 5 65535\n" + pixels.astype(">u2").tobytes())
    assert np.array_equal(read_picture(path).pixels[..., 0], pixels)


def test_meaning_of_colours_of_a_png_is_kept(tmp_path: Path) -> None:
    gamma = png_chunks._chunk(b"gAMA", (45455).to_bytes(4, "big"))
    path = tmp_path / "gamma.png"
    plain = bytes(imagecodecs.png_encode(random_pixels(5, 9, 3)))
    path.write_bytes(png_chunks.insert(plain, gamma))
    data, _ = encode_picture(read_picture(path), "png")
    with Image.open(io.BytesIO(data)) as again:
        assert again.info["gamma"] == 0.45455


def test_previews_in_a_camera_file_are_no_pages(tmp_path: Path) -> None:
    path = tmp_path / "camera.jpg"
    pixels = random_pixels(32, 48, 3)
    preview = Image.fromarray(pixels[::4, ::4])
    Image.fromarray(pixels).save(path, "MPO", save_all=True, append_images=[preview])
    picture = read_picture(path)
    assert picture.pixels.shape == (32, 48, 3)
    assert picture.notes == ("previews inside the file were left out",)
    assert read_image(path, "rgb").shape == (32, 48, 3)


def test_damaged_exif_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    Image.fromarray(random_pixels(8, 8)).save(path, exif=EXIF_PREFIX + b"II*\0\xff\xff\0\0rubbish")
    picture = read_picture(path)
    assert picture.exif is None


def refused(path: Path, case: str) -> None:
    pixels = random_pixels(6, 8, 3)
    match case:
        case "CMYK":
            Image.fromarray(pixels).convert("CMYK").save(path.with_suffix(".jpg"))
        case "pages":
            Image.fromarray(pixels).save(
                path.with_suffix(".tif"), save_all=True, append_images=[Image.fromarray(pixels)]
            )
        case "deep pages":
            tifffile.imwrite(path.with_suffix(".tif"), random_pixels(2, 6, 8, dtype=np.uint16))
        case "floating-point":
            tifffile.imwrite(path.with_suffix(".tif"), pixels.astype(np.float32), photometric="rgb")
        case "animated":
            frames = [Image.fromarray(frame) for frame in (pixels, 255 - pixels)]
            frames[0].save(path.with_suffix(".webp"), save_all=True, append_images=frames[1:])
        case "32 bits":
            Image.fromarray(pixels[..., 0].astype(np.int32)).save(path.with_suffix(".tif"))
        case "empty":
            path.with_suffix(".png").touch()
        case "cut short":
            data = imagecodecs.png_encode(random_pixels(64, 64, 3, dtype=np.uint16))
            path.with_suffix(".png").write_bytes(data[: len(data) // 2])
        case "too large":
            data = imagecodecs.png_encode(pixels)
            header = png_chunks._chunk(b"IHDR", (60000).to_bytes(4, "big") * 2 + data[24:29])
            path.with_suffix(".png").write_bytes(data[:8] + header + data[33:])


@pytest.mark.parametrize(
    ("case", "message"),
    [
        ("CMYK", "is CMYK: convert it to RGB"),
        ("pages", "has several pages"),
        ("deep pages", "has several pages"),
        ("floating-point", "floating-point pixels"),
        ("animated", "is animated"),
        ("32 bits", "convert it to 8 or 16 bits"),
        ("empty", "it is empty"),
        ("cut short", "cannot be read as an image"),
        ("too large", "megapixels"),
    ],
)
def test_what_cannot_be_kept_is_refused_by_name(case: str, message: str, tmp_path: Path) -> None:
    refused(tmp_path / "picture", case)
    (path,) = tmp_path.iterdir()
    with pytest.raises(InputError, match=message) as error:
        read_picture(path)
    assert str(path) in str(error.value)


def test_jpeg_of_a_transparent_picture_is_refused() -> None:
    pixels = random_pixels(6, 8, 3)
    with pytest.raises(InputError, match="no transparency: use --format png"):
        encode_picture(StoredPicture(pixels=pixels, alpha=pixels[..., 0]), "jpeg")


def test_names() -> None:
    assert [kind_of(Path(name)) for name in ("a.JPG", "a.tiff", "a.bmp", "a.webp")] == [
        "jpeg",
        "tiff",
        "png",
        "webp",
    ]
    assert name_as(Path("a/b.JPEG"), "jpeg") == Path("a/b.JPEG")
    assert name_as(Path("a/b.c.bmp"), "png") == Path("a/b.c.png")
