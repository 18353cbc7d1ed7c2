"""A folder as a reader of the pages has it: pictures, data sets, a run, a model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image
from tifffile import imwrite

from clearer.data.datasets import DATA_SETS, data_collection
from clearer.data.splits import PHOTOGRAPHS

__all__ = ["make_pictures", "make_sets"]

SIZE: Final = (72, 64)
"""The least that protocol ``paper`` measures."""
_TO_TEST: Final = ("bsd68", "set12")
_TO_TRAIN: Final = ("bsds500", "rain800")
"""Sets of 500 pictures and more: the real ones would take minutes to check and to validate with."""


def photo(name: str, size: tuple[int, int] = SIZE) -> Image.Image:
    """A photograph that comes with scikit-image, reduced."""
    with Image.open(PHOTOGRAPHS / f"{name}.png") as picture:
        return picture.convert("RGB").resize(size)


def rainy(clean: Image.Image) -> Image.Image:
    """With streaks."""
    pixels = np.array(clean)
    pixels[:, ::7] = np.minimum(pixels[:, ::7].astype(int) + 60, 255).astype(np.uint8)
    return Image.fromarray(pixels)


def beside(left: Image.Image, right: Image.Image) -> Image.Image:
    """Two pictures of one size in one."""
    return Image.fromarray(np.hstack([np.asarray(left), np.asarray(right)]))


def save(picture: Image.Image, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    picture.save(path)


def make_pictures(folder: Path) -> None:
    """All that the pages' commands name."""
    coffee, trains = photo("coffee"), ("astronaut", "motorcycle_left", "coins")
    for name in ("photo.jpg", "noisy.png", "scans/1.png", "scans/more/2.png", "noisy.jpg"):
        save(coffee, folder / name)
    imwrite(folder / "scan16.tif", np.asarray(coffee.convert("L")).astype(np.uint16) * 257)
    for split, names in {"train": trains, "val": ("camera",), "test": ("coffee",)}.items():
        for name in names:
            save(photo(name), folder / "photos" / split / f"{name}.png")
    save(coffee, folder / "test-images" / "coffee.png")
    for index, name in enumerate((*trains, "camera", "coffee", "brick")):
        clean = photo(name)
        save(clean, folder / "mine" / "clean" / f"{index}.png")
        save(rainy(clean), folder / "mine" / "degraded" / f"{index}.png")
        save(clean, folder / "rain100" / f"norain-{index}.png")
        save(rainy(clean), folder / "rain100" / f"rain-{index}.png")


def make_sets(folder: Path) -> Path:
    """Data sets of the pages: those to test with of ``CLEARER_DATA``, else reduced photographs.

    There are as many, under the names of the set's files, since that is how sets are found.
    """
    collection = data_collection()
    pictures = [photo(name) for name in ("astronaut", "motorcycle_left", "coins", "camera")]
    for name in (*_TO_TEST, *_TO_TRAIN):
        if collection is not None and name in _TO_TEST and (collection / name).is_dir():
            folder.mkdir(exist_ok=True)
            (folder / name).symlink_to(collection / name)
            continue
        made: dict[tuple[int, str], Path] = {}
        for index, file in enumerate(DATA_SETS[name].hashes()):
            path = folder / name / file
            path.parent.mkdir(parents=True, exist_ok=True)
            clean = pictures[index % len(pictures)]
            kind = (index % len(pictures), path.suffix)
            if kind in made:
                os.link(made[kind], path)
            else:
                save(beside(clean, rainy(clean)) if name == "rain800" else clean, path)
                made[kind] = path
    return folder
