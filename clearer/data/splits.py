"""The split of pictures into training, validation and test sets."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from operator import attrgetter
from pathlib import Path
from typing import Final

import numpy as np
import skimage

from clearer.data.drawn_pictures import drawn_pictures
from clearer.data.pairs import PictureFile, list_pictures, read_pictures
from clearer.data.scenes import check_scenes, read_scenes
from clearer.errors import InputError
from clearer.pictures.images import Color, ImageSet
from clearer.tasks.base import Task

__all__ = [
    "BUILTIN_TRAIN",
    "BUILTIN_VAL",
    "PHOTOGRAPHS",
    "Splits",
    "list_files",
    "list_splits",
    "load_splits",
    "load_validation",
    "partition",
    "sample_training",
]

PHOTOGRAPHS: Final = Path(skimage.__file__).parent / "data"
"""Where scikit-image installs its pictures."""
# The photographs that scikit-image installs, in a fixed split. The two views of the motorcycle
# show one scene, so they stay on one side.
BUILTIN_TRAIN: Final = (
    "astronaut.png",
    "brick.png",
    "coins.png",
    "grass.png",
    "gravel.png",
    "hubble_deep_field.jpg",
    "ihc.png",
    "moon.png",
    "motorcycle_left.png",
    "motorcycle_right.png",
)
BUILTIN_VAL: Final = ("camera.png", "chelsea.png", "coffee.png", "rocket.jpg")
_GRAY_ONLY: Final = frozenset(
    {"brick.png", "camera.png", "coins.png", "grass.png", "gravel.png", "moon.png"}
)
_BUILTIN_SOURCE: Final = "built-in photographs and dead leaves"
_VAL_SHARE: Final = 0.1


@dataclass(frozen=True, slots=True)
class Splits:
    """Pictures by use; none is in two splits. ``test`` may be empty."""

    train: ImageSet
    val: ImageSet
    test: ImageSet
    source: str
    """Name of the data, for reports."""


def load_splits(folder: Path | None, color: Color, seed: int, task: Task) -> Splits:
    """Read all pictures of a data source.

    Args:
        folder: With subfolders ``train`` and, optionally, ``val`` and ``test``; or flat. Without
            ``val``, a tenth of the training pictures, selected by a seeded hash of their names,
            becomes the validation set. Subfolders of ``test`` belong to it. A scenes file
            (:mod:`clearer.data.scenes`) keeps a scene on one side: training pictures of a scene in
            ``val`` or ``test`` are left out. None: the built-in photographs and dead leaves.
        color: The colour space that every picture is converted to.
        seed: Decides the split if the folder does not.
        task: Says whether the folder holds pictures, or pairs of degraded and clean ones.

    Raises:
        InputError: If the folder, or a picture in it, cannot be used.
    """
    if folder is None:
        _refuse_builtin_pairs(task)
        return _builtin(color)
    train, val, test = list_splits(folder, seed, task)
    return Splits(
        train=read_pictures(train, color),
        val=read_pictures(val, color),
        test=read_pictures(test, color),
        source=folder.name,
    )


def load_validation(
    folder: Path | None, color: Color, seed: int, task: Task
) -> tuple[ImageSet, str]:
    """The validation set of :func:`load_splits` and its source, without reading the others.

    Raises:
        InputError: If the folder, or a picture in it, cannot be used.
    """
    if folder is None:
        _refuse_builtin_pairs(task)
        return _builtin_photographs(BUILTIN_VAL, color), _BUILTIN_SOURCE
    return read_pictures(list_splits(folder, seed, task)[1], color), folder.name


def sample_training(
    folder: Path | None, color: Color, seed: int, task: Task, count: int
) -> ImageSet:
    """At most ``count`` training pictures of :func:`load_splits`, evenly spaced in the list.

    Raises:
        InputError: If the folder, or a picture in it, cannot be used.
    """
    if folder is None:
        _refuse_builtin_pairs(task)
        images = _builtin(color).train
        return images.select(_spread(len(images), count))
    files = list_splits(folder, seed, task)[0]
    return read_pictures([files[i] for i in _spread(len(files), count)], color)


def _spread(total: int, count: int) -> list[int]:
    return sorted({index * total // min(count, total) for index in range(min(count, total))})


def list_files(
    folder: Path | None, color: Color, seed: int, task: Task
) -> tuple[Path, tuple[list[PictureFile], list[PictureFile], list[PictureFile]]]:
    """The folder and the files of :func:`load_splits`; no file is read.

    Raises:
        InputError: If the folder cannot be used.
    """
    if folder is not None:
        return folder, list_splits(folder, seed, task)
    train, val = (_builtin_files(names, color) for names in (BUILTIN_TRAIN, BUILTIN_VAL))
    return PHOTOGRAPHS, (train, val, [])


def _refuse_builtin_pairs(task: Task) -> None:
    if task.pairs is not None:
        raise InputError(f"task {task.name} needs pairs of pictures: give their folder with --data")


def list_splits(
    folder: Path, seed: int, task: Task
) -> tuple[list[PictureFile], list[PictureFile], list[PictureFile]]:
    """Training, validation and test files, as in :func:`load_splits`.

    Raises:
        InputError: If the folder cannot be used.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give --data a folder of images")
    has_splits = (folder / "train").is_dir()
    train = list_pictures(folder / "train" if has_splits else folder, task)
    val, test = (
        list_pictures(folder / part, task, nested=part == "test")
        if has_splits and (folder / part).is_dir()
        else []
        for part in ("val", "test")
    )
    scenes = read_scenes(folder)
    parts = (("train/" if has_splits else "", train), ("val/", val), ("test/", test))
    # The scenes file may list a pair by its name or by the path of one of its files.
    paths = {
        (part, file.name): {f"{part}{file.name}", *_relative_paths(file, folder)}
        for part, files in parts
        for file in files
    }
    check_scenes(folder, scenes, {path for group in paths.values() for path in group})
    scene = {
        key: next((scenes[path] for path in sorted(group) if path in scenes), None)
        for key, group in paths.items()
    }
    scene_of = {name: found for (part, name), found in scene.items() if part == parts[0][0]}
    held = {found for (part, _), found in scene.items() if part != parts[0][0]}
    train = [f for f in train if scene_of[f.name] is None or scene_of[f.name] not in held]
    if not val:
        train, val = _split_by_scene(train, scene_of, folder, seed)
    return train, val, test


def _relative_paths(file: PictureFile, folder: Path) -> Iterator[str]:
    for path in (file.clean, file.degraded):
        if path is not None:
            yield path.relative_to(folder).as_posix()


def _split_by_scene(
    files: list[PictureFile], scene_of: dict[str, str | None], folder: Path, seed: int
) -> tuple[list[PictureFile], list[PictureFile]]:
    """Move whole scenes to the validation set, in the order of a seeded hash, up to a tenth."""
    if len(files) < 3:
        raise InputError(
            f"{folder} holds {len(files)} image(s): at least 3 are needed, two to train "
            "on and one to validate"
        )

    def rank(file: PictureFile) -> bytes:
        return hashlib.sha256(f"{seed}:{scene_of[file.name] or file.name}".encode()).digest()

    ranked = sorted(files, key=lambda f: (rank(f), f.name))
    num_val = max(1, round(_VAL_SHARE * len(files)))
    last = rank(ranked[num_val - 1])
    val = [f for f in ranked if rank(f) <= last]
    if len(val) > len(files) - 2:
        raise InputError(f"{folder} holds too few scenes: add pictures, or make a folder val/")
    by_name = attrgetter("name")
    return sorted(ranked[len(val) :], key=by_name), sorted(val, key=by_name)


def _builtin_photographs(names: tuple[str, ...], color: Color) -> ImageSet:
    return read_pictures(_builtin_files(names, color), color)


def _builtin_files(names: tuple[str, ...], color: Color) -> list[PictureFile]:
    skip = _GRAY_ONLY if color == "rgb" else frozenset()
    return [PictureFile(name, PHOTOGRAPHS / name) for name in names if name not in skip]


@functools.cache
def _builtin(color: Color) -> Splits:
    photos, val = (_builtin_photographs(names, color) for names in (BUILTIN_TRAIN, BUILTIN_VAL))
    # Colours of leaves come from training photographs only.
    colors = np.concatenate(
        [image[::8, ::8].reshape(-1, image.shape[2]) for image in photos.images]
    )
    leaves = drawn_pictures(colors)
    names = tuple(f"dead-leaves-{index:02d}" for index in range(len(leaves)))
    return Splits(
        train=ImageSet(photos.names + names, photos.images + tuple(leaves)),
        val=val,
        test=ImageSet((), ()),
        source=_BUILTIN_SOURCE,
    )


def partition(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split into two disjoint halves: one trains the weights, one the architecture.

    Raises:
        InputError: If there are fewer than two pictures.
    """
    if len(images) < 2:
        raise InputError("a search needs at least 2 training images: one for each partition")
    order = np.random.default_rng([seed, len(images)]).permutation(len(images))
    middle = len(images) // 2
    return images.select(sorted(order[:middle])), images.select(sorted(order[middle:]))
