from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.bench.evaluation import evaluation_images
from clearer.data.pairs import list_pictures, read_pictures
from clearer.data.splits import load_splits
from clearer.errors import InputError
from clearer.pictures.images import read_image
from clearer.restoring.evaluate import evaluation_pairs
from clearer.tasks.registry import make_task

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
    """Smoothing changes the clean half less than the rainy one."""
    task = make_task("derain", {})
    files = list_pictures(real_data / "rain800" / "test", task)[:5]
    images = read_pictures(files, "gray")
    for clean, rainy in zip(images.images, images.degraded, strict=True):
        steps = [np.abs(np.diff(x.astype(float), axis=1)).mean() for x in (clean, rainy)]
        assert steps[0] < steps[1]


def save(path: Path, seed: int, size: tuple[int, int] = (20, 24)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(256, size=size, dtype=np.uint8)
    Image.fromarray(pixels).save(path)


@pytest.mark.parametrize("side", ["clean", "degraded"])
def test_two_files_of_one_name_in_a_folder_of_pairs(tmp_path: Path, side: str) -> None:
    for part in ("clean", "degraded"):
        save(tmp_path / part / "a.png", 0)
    save(tmp_path / side / "a.jpg", 1)
    with pytest.raises(InputError, match=rf"{side}/a\.jpg and .*{side}/a\.png would be one"):
        pictures(tmp_path)


@pytest.mark.parametrize(
    ("template", "clean", "degraded"),
    [
        ("norain-*.png rain-*.png", "norain-{}.png", "rain-{}.png"),
        ("*.png *-rain.png", "{}.png", "{}-rain.png"),
        ("gt/*.png in/*x2.png", "gt/{}.png", "in/{}x2.png"),
        ("[1]-*.png [2]-*.png", "[1]-{}.png", "[2]-{}.png"),
    ],
)
def test_patterns_of_names_pair_files(
    tmp_path: Path, template: str, clean: str, degraded: str
) -> None:
    for index in range(3):
        save(tmp_path / clean.format(index), index)
        save(tmp_path / degraded.format(index), 10 + index)
    task = make_task("paired", {"pairs": template})
    files = list_pictures(tmp_path, task)
    assert [file.clean for file in files] == [tmp_path / clean.format(i) for i in range(3)]
    assert [file.degraded for file in files] == [tmp_path / degraded.format(i) for i in range(3)]
    assert make_task("paired", {"pairs": str(task.pairs)}) == task
    (tmp_path / degraded.format(1)).unlink()
    with pytest.raises(InputError, match="1 pictures have no partner"):
        list_pictures(tmp_path, task)


@pytest.mark.parametrize("text", ["a*.png", "a*.png b.png", "a*.png a*.png", "/a* b*", "../* x/*"])
def test_text_that_is_no_pattern_of_pairs(text: str) -> None:
    with pytest.raises(InputError, match="--pairs"):
        make_task("derain", {"pairs": text})


def test_test_folders_may_be_nested(make_images: MakeImages) -> None:
    root = make_images("set/train/clean", 3).parents[1]
    make_images("set/train/rainy", 3)
    for name in ("test/light", "test/heavy"):
        make_images(f"set/{name}/clean/street", 2)
        make_images(f"set/{name}/rainy/street", 2)
    splits = load_splits(root, "gray", 0, make_task("paired", {}))
    assert splits.test.names == tuple(
        f"{place}/street/picture{index}.png" for place in ("heavy", "light") for index in range(2)
    )
    images, _ = evaluation_images(root, make_task("paired", {}), "gray")
    assert images.names == splits.test.names


def test_sub_folders_are_evaluated_where_a_folder_holds_no_picture(make_images: MakeImages) -> None:
    root = make_images("sets/a", 2).parent
    make_images("sets/b", 1)
    denoise = make_task("denoise", {})
    assert evaluation_images(root, denoise, "gray")[0].names == (
        *("a/picture0.png", "a/picture1.png"),
        "b/picture0.png",
    )
    save(root / "own.png", 3)
    assert evaluation_images(root, denoise, "gray")[0].names == ("own.png",)


@pytest.mark.parametrize("task", ["denoise", "photo", "derain"])
@pytest.mark.parametrize("inside", ["", "cameras"])
def test_degraded_pictures_are_not_taken_for_clean_ones(
    make_images: MakeImages, task: str, inside: str
) -> None:
    folder = make_images("set", 0)
    place = folder / inside
    for name in ("clean", "noisy"):
        shutil.copytree(make_images(f"some-{name}", 2), place / name)
    with pytest.raises(InputError, match="holds pairs, in clean/ and noisy/: take --task paired"):
        list_pictures(folder, make_task(task, {}), nested=True)
    assert len(list_pictures(place / "clean", make_task("denoise", {}), nested=True)) == 2
    assert len(list_pictures(folder, make_task("paired", {}), nested=True)) == 2


def test_pictures_that_train_are_no_test(make_images: MakeImages) -> None:
    root = make_images("set/train", 2).parent
    with pytest.raises(InputError, match="holds no image"):
        evaluation_images(root, make_task("denoise", {}), "gray")


SCENES = "train/picture0.png test/picture1.png\n"


@pytest.mark.parametrize(
    "data",
    [
        SCENES.encode(),
        b"\xef\xbb\xbf" + SCENES.encode(),
        SCENES.replace("\n", "\r\n").encode(),
        SCENES.replace("/", "\\").encode("utf-16"),
        f"./{SCENES}".encode(),
    ],
)
def test_a_file_of_scenes_of_any_system(make_images: MakeImages, data: bytes) -> None:
    root = make_images("set/train", 5).parent
    make_images("set/test", 2)
    (root / "repeated_scenes.txt").write_bytes(data)
    splits = load_splits(root, "gray", 0, make_task("denoise", {}))
    assert "picture0.png" not in (*splits.train.names, *splits.val.names)


def test_names_of_scenes_that_match_no_picture_are_refused(make_images: MakeImages) -> None:
    root = make_images("set/train", 5).parent
    make_images("set/test", 2)
    (root / "repeated_scenes.txt").write_text("train/picture0.png test/picture1.jpg\nx.png y.png\n")
    with pytest.raises(
        InputError, match=r"names 3 picture\(s\) .* not there: test/picture1\.jpg, x\.png, y\.png"
    ):
        load_splits(root, "gray", 0, make_task("denoise", {}))


def test_scenes_of_pairs_by_name_or_by_file(make_images: MakeImages) -> None:
    root = make_images("set/train/clean", 5).parents[1]
    for part in ("train/rainy", "test/clean", "test/rainy"):
        make_images(f"set/{part}", 5 if "train" in part else 2)
    for line in (
        "train/picture0.png test/picture1.png",
        "train/rainy/picture0.png test/picture1.png",
    ):
        (root / "repeated_scenes.txt").write_text(line)
        splits = load_splits(root, "gray", 0, make_task("paired", {}))
        assert "picture0.png" not in (*splits.train.names, *splits.val.names)
