from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.data import load_splits
from clearer.errors import InputError
from clearer.evaluate import evaluation_pairs
from clearer.images import read_image
from clearer.pairs import list_pictures, read_pictures
from clearer.tasks import make_task

MakeImages = Callable[..., Path]


def pictures(folder: Path, layout: str = "folders") -> None:
    task = make_task("paired", {"pairs": layout})
    read_pictures(list_pictures(folder, task), "gray")


def test_pairs_by_name_whatever_the_ending(make_images: MakeImages) -> None:
    root = make_images("set/clean", 4).parent
    make_images("set/degraded", 4)
    (root / "degraded" / "picture1.png").rename(root / "degraded" / "picture1.bmp")
    splits = load_splits(root, "gray", 0, make_task("paired", {}))
    assert len(splits.train) + len(splits.val) == 4
    for name, clean, degraded in zip(
        splits.train.names, splits.train.images, splits.train.degraded, strict=True
    ):
        np.testing.assert_array_equal(clean, read_image(root / "clean" / name, "gray"))
        assert (clean != degraded).any()


def test_pairs_side_by_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(256, size=(3, 20, 48, 3), dtype=np.uint8)
    for index, both in enumerate(pixels):
        Image.fromarray(both).save(tmp_path / f"{index}.png")
    for layout in ("clean-left", "clean-right"):
        task = make_task("paired", {"pairs": layout})
        images = read_pictures(list_pictures(tmp_path, task), "rgb")
        halves = [pixels[0][:, :24], pixels[0][:, 24:]]
        clean, degraded = halves if layout == "clean-left" else halves[::-1]
        np.testing.assert_array_equal(images.images[0], clean)
        np.testing.assert_array_equal(images.degraded[0], degraded)
        (first, *_) = evaluation_pairs(images, task, seed=0)
        np.testing.assert_allclose(first[0][0, 0] * 255, degraded[..., 0], rtol=1e-6)


def test_all_pictures_without_a_partner_are_listed(make_images: MakeImages) -> None:
    root = make_images("set/clean", 5).parent
    make_images("set/degraded", 3)
    with pytest.raises(InputError, match=r"2 pictures have no partner: .*picture3.*picture4"):
        pictures(root)


def test_all_pairs_that_differ_in_size_are_listed(make_images: MakeImages) -> None:
    root = make_images("set/clean", 3).parent
    make_images("set/degraded", 3, size=(40, 40))
    with pytest.raises(
        InputError, match=r"3 pairs differ in size: picture0.png \(40x40 degraded, 40x48 clean\)"
    ):
        pictures(root)


def test_an_odd_width_is_no_two_halves(make_images: MakeImages) -> None:
    with pytest.raises(InputError, match="2 pairs differ in size.*odd width 41"):
        pictures(make_images("odd", 2, size=(48, 41)), "clean-left")


def test_folders_that_hold_no_pairs(make_images: MakeImages) -> None:
    with pytest.raises(InputError, match="must hold the folders clean/ and degraded/"):
        pictures(make_images("flat", 2))


def test_pairs_need_a_folder() -> None:
    with pytest.raises(InputError, match="derain needs pairs of pictures"):
        load_splits(None, "rgb", 0, make_task("derain", {}))


def test_rain_is_on_the_right_in_rain800(real_data: Path) -> None:
    """The clean half comes back more alike to itself, smoothed, than the rainy one."""
    task = make_task("derain", {})
    files = list_pictures(real_data / "rain800" / "test", task)[:5]
    images = read_pictures(files, "gray")
    for clean, rainy in zip(images.images, images.degraded, strict=True):
        steps = [np.abs(np.diff(x.astype(float), axis=1)).mean() for x in (clean, rainy)]
        assert steps[0] < steps[1]
