from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from clearer.data.datasets import DATA_SETS
from clearer.data.dead_leaves import dead_leaves
from clearer.data.splits import BUILTIN_TRAIN, BUILTIN_VAL, load_splits, load_validation, partition
from clearer.errors import InputError
from clearer.pictures.images import ImageSet, read_image
from clearer.tasks.denoise import Denoise

MakeImages = Callable[..., Path]


def test_builtin_images_are_there_and_never_in_two_splits() -> None:
    splits = load_splits(None, "gray", 0, Denoise())
    assert not set(BUILTIN_TRAIN) & set(BUILTIN_VAL)
    assert splits.val.names == BUILTIN_VAL
    assert set(BUILTIN_TRAIN) <= set(splits.train.names)
    assert all(image.shape[2] == 1 for image in splits.train.images + splits.val.images)


def test_builtin_rgb_images_have_color() -> None:
    splits = load_splits(None, "rgb", 0, Denoise())
    for image in splits.val.images:
        assert image.shape[2] == 3
        assert (image[..., 0] != image[..., 2]).any()


def test_dead_leaves_have_the_spectrum_of_photographs() -> None:
    """Power falls with frequency by an exponent near 2, which white noise does not show."""
    colors = np.arange(256, dtype=np.uint8)[:, None]
    picture = dead_leaves(128, colors, np.random.default_rng(0))[..., 0].astype(float)
    power = np.abs(np.fft.fft2(picture - picture.mean())) ** 2
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(128), np.fft.fftfreq(128)))
    bands = [power[(frequency >= low) & (frequency < 2 * low)].mean() for low in (0.03, 0.24)]
    exponent = np.log2(bands[0] / bands[1]) / 3
    assert 1.3 < exponent < 3.5


def test_a_flat_folder_is_split_by_name_and_seed(make_images: MakeImages) -> None:
    folder = make_images("flat", 20)
    one, again, other = (load_splits(folder, "gray", seed, Denoise()) for seed in (0, 0, 1))
    assert one.val.names == again.val.names != other.val.names
    assert len(one.val) == 2
    assert not set(one.train.names) & set(one.val.names)
    assert len(one.train) + len(one.val) == 20


def test_sub_folders_are_the_splits(make_images: MakeImages) -> None:
    make_images("set/train", 3)
    make_images("set/val", 2)
    splits = load_splits(make_images("set/test", 1).parent, "gray", 0, Denoise())
    assert (len(splits.train), len(splits.val), len(splits.test)) == (3, 2, 1)


def test_without_val_a_part_of_train_validates(make_images: MakeImages) -> None:
    splits = load_splits(make_images("set/train", 10).parent, "gray", 0, Denoise())
    assert (len(splits.train), len(splits.val)) == (9, 1)


@pytest.mark.parametrize("seed", range(5))
def test_a_scene_stays_on_one_side(make_images: MakeImages, seed: int) -> None:
    make_images("set/test", 2)
    folder = make_images("set/train", 20).parent
    names = [path.name for path in sorted((folder / "train").iterdir())]
    groups = [[f"train/{name}" for name in names[start : start + 4]] for start in (0, 4, 8)]
    groups[0].append(f"test/{names[0]}")
    (folder / "repeated_scenes.txt").write_text("\n".join(" ".join(group) for group in groups))
    splits = load_splits(folder, "gray", seed, Denoise())
    assert set(splits.train.names) | set(splits.val.names) == set(names[4:])
    for group in (
        {f"train/{name}" for name in names[4:8]},
        {f"train/{name}" for name in names[8:12]},
    ):
        sides = [
            sum(f"train/{n}" in group for n in part.names) for part in (splits.train, splits.val)
        ]
        assert sorted(sides) == [0, 4]


def test_a_damaged_file_of_scenes(make_images: MakeImages) -> None:
    folder = make_images("flat", 4)
    (folder / "repeated_scenes.txt").write_text("0.png 1.png\n1.png 2.png\n")
    with pytest.raises(InputError, match="names 1.png twice"):
        load_splits(folder, "gray", 0, Denoise())


def test_rain800_keeps_its_scenes_apart() -> None:
    text = DATA_SETS["rain800"].scenes()
    assert text is not None
    assert "test/6.jpg train/460.jpg" in text.splitlines()
    assert {name for line in text.splitlines() for name in line.split()} <= set(
        DATA_SETS["rain800"].hashes()
    )


def test_validation_alone_is_that_of_the_splits(make_images: MakeImages) -> None:
    flat = make_images("set", 12)
    nested = make_images("nested/train", 4).parent
    make_images("nested/val", 2)
    for folder in (flat, nested):
        splits = load_splits(folder, "gray", 3, Denoise())
        images, source = load_validation(folder, "gray", 3, Denoise())
        assert (images.names, source) == (splits.val.names, splits.source)
    images, _ = load_validation(None, "gray", 0, Denoise())
    assert images.names == BUILTIN_VAL


def test_missing_and_empty_folders(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a folder"):
        load_splits(tmp_path / "nowhere", "gray", 0, Denoise())
    with pytest.raises(InputError, match="holds no image"):
        load_splits(tmp_path, "gray", 0, Denoise())


def test_too_few_images(make_images: MakeImages) -> None:
    with pytest.raises(InputError, match="at least 3"):
        load_splits(make_images("few", 2), "gray", 0, Denoise())


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n\x1a\n broken", b"GIF89a"])
def test_an_unreadable_image_is_named(make_images: MakeImages, content: bytes) -> None:
    folder = make_images("bad", 4)
    (folder / "broken.png").write_bytes(content)
    with pytest.raises(InputError, match="broken.png cannot be read"):
        load_splits(folder, "gray", 0, Denoise())


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_truncated_image_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"cut.{suffix}"
    Image.effect_noise((200, 200), 50).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(InputError, match=f"cut.{suffix} cannot be read"):
        read_image(path, "gray")


def test_gray_pictures_for_rgb_are_refused(make_images: MakeImages) -> None:
    with pytest.raises(InputError, match="is gray.*--color gray"):
        load_splits(make_images("gray", 4), "rgb", 0, Denoise())


def test_color_becomes_gray_by_luma(tmp_path: Path) -> None:
    Image.new("RGB", (4, 4), (200, 100, 50)).save(tmp_path / "c.png")
    expected = round(0.29894 * 200 + 0.58704 * 100 + 0.11402 * 50)
    assert (read_image(tmp_path / "c.png", "gray") == expected).all()


def test_alpha_is_dropped_and_16_bits_become_8(tmp_path: Path) -> None:
    Image.new("RGBA", (4, 4), (10, 20, 30, 0)).save(tmp_path / "a.png")
    assert read_image(tmp_path / "a.png", "rgb")[0, 0].tolist() == [10, 20, 30]
    Image.fromarray(np.full((4, 4), 0xABCD, dtype=np.uint16)).save(tmp_path / "d.png")
    assert (read_image(tmp_path / "d.png", "gray") == 0xAB).all()


@given(st.integers(2, 40), st.integers(0, 9))
def test_partitions_never_share_a_picture(count: int, seed: int) -> None:
    names = tuple(f"{index}.png" for index in range(count))
    images = ImageSet(names, tuple(np.zeros((1, 1, 1), np.uint8) for _ in names))
    one, other = partition(images, seed)
    assert not set(one.names) & set(other.names)
    assert set(one.names) | set(other.names) == set(names)
    assert abs(len(one) - len(other)) <= 1


def test_one_picture_cannot_be_partitioned() -> None:
    with pytest.raises(InputError, match="at least 2"):
        partition(ImageSet(("a",), (np.zeros((1, 1, 1), np.uint8),)), 0)


def test_gray_bsds500_equals_bsd68(real_data: Path) -> None:
    """The luma used here is the one that made the usual gray test set."""
    pairs = (real_data / "bsd68" / "bsds500_val.txt").read_text().split()
    for gray, color in zip(pairs[::2], pairs[1::2], strict=True):
        ours = read_image(real_data / "bsds500" / color, "gray")
        assert (ours == read_image(real_data / "bsd68" / gray, "gray")).all()


def test_pictures_of_cameras_and_print_are_read_as_people_see_them(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(20, 30, 3), dtype=np.uint8)
    picture = Image.fromarray(pixels)
    exif = picture.getexif()
    exif[0x0112] = 6  # turned by a quarter
    picture.save(tmp_path / "turned.png", exif=exif)
    np.testing.assert_array_equal(read_image(tmp_path / "turned.png", "rgb"), np.rot90(pixels, -1))
    picture.convert("CMYK").save(tmp_path / "print.tif")
    assert np.abs(read_image(tmp_path / "print.tif", "rgb").astype(int) - pixels).max() <= 2
    palette = picture.quantize(8)
    palette.save(tmp_path / "palette.png", transparency=0)
    np.testing.assert_array_equal(
        read_image(tmp_path / "palette.png", "rgb"), np.asarray(palette.convert("RGB"))
    )


def test_animated_pictures_are_refused_by_name(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (20, 20), color) for color in ("red", "blue")]
    for name in ("moving.png", "moving.webp", "pages.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        with pytest.raises(InputError, match=f"{name} is animated, or has several pages"):
            read_image(tmp_path / name, "rgb")


def test_an_empty_file_and_a_bomb_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"empty.png cannot be read as an image \(it is empty\)"):
        read_image(tmp_path / "empty.png", "gray")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    Image.new("L", (100, 100)).save(tmp_path / "bomb.png")
    with pytest.raises(InputError, match="bomb.png has more than"):
        read_image(tmp_path / "bomb.png", "gray")
