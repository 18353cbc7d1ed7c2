"""Finds the files of a set of pictures, single or as degraded and clean pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np

from clearer.errors import InputError
from clearer.pictures.images import IMAGE_SUFFIXES, Color, ImageSet, list_images, read_image
from clearer.tasks.base import Task
from clearer.tasks.pair_names import PairNames

__all__ = ["PictureFile", "holds_pictures", "list_pictures", "read_pictures"]

_DEGRADED_FOLDERS: Final = ("degraded", "noisy", "rainy", "input")
_SIDE_BY_SIDE: Final = ("clean-left", "clean-right")
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A clean picture, or a pair of pictures."""

    name: str
    clean: Path
    degraded: Path | None = None
    """File of the degraded picture; equal to ``clean`` where one file holds both side by side."""
    is_clean_left: bool = True
    """For both side by side: whether the clean one is on the left."""


def list_pictures(folder: Path, task: Task, *, nested: bool = False) -> list[PictureFile]:
    """The pictures of a folder, or its pairs if the task needs them, sorted by name.

    Args:
        folder: Where they are.
        task: Says whether they are pairs, and how those are stored.
        nested: Whether to include subfolders; names then begin with the
            subfolder.

    Raises:
        InputError: If there are none, pictures have no partner by name (all are listed), or two
            have the same name.
    """
    if task.pairs is None or task.pairs in _SIDE_BY_SIDE:
        is_left = task.pairs != "clean-right"
        if nested:
            _refuse_pair_folders(folder)
        return [
            PictureFile(name, path, None if task.pairs is None else path, is_left)
            for name, path in _images(folder, nested=nested)
        ]
    places = [folder]
    if nested:
        places = [p for p in (folder, *_sub_folders(folder)) if holds_pictures(p, task)] or places
    found = []
    for place in places:
        if task.pairs == "folders":
            pairs = _pair_folders(place, nested=nested)
        else:
            pairs = _pair_by_names(place, PairNames.parse(task.pairs))
        where = "" if place == folder else f"{place.relative_to(folder).as_posix()}/"
        found += [replace(pair, name=f"{where}{pair.name}") for pair in pairs]
    return found


def holds_pictures(folder: Path, task: Task) -> bool:
    """Whether a folder holds pictures or pairs itself, and not only in subfolders."""
    if task.pairs == "folders":
        return (folder / "clean").is_dir()
    if task.pairs is None or task.pairs in _SIDE_BY_SIDE:
        return any(p.suffix.lower() in IMAGE_SUFFIXES and p.is_file() for p in folder.iterdir())
    names = PairNames.parse(task.pairs)
    paths = [p for place in _named_places(folder, names) for p in place.iterdir() if p.is_file()]
    return any(names.place(path.relative_to(folder).as_posix()) for path in paths)


def _refuse_pair_folders(folder: Path) -> None:
    """Degraded pictures are no clean ones: figures of them would be wrong without a sign."""
    for place in (folder, *_sub_folders(folder)):
        degraded = _degraded_folders(place)
        if degraded and (place / "clean").is_dir():
            raise InputError(
                f"{place} holds pairs, in clean/ and {degraded[0].name}/: take --task paired, or "
                "give the folder with the clean pictures alone"
            )


def _degraded_folders(folder: Path) -> list[Path]:
    return [folder / name for name in _DEGRADED_FOLDERS if (folder / name).is_dir()]


def _sub_folders(folder: Path) -> list[Path]:
    """All folders below one, without hidden ones, sorted."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_dir()]
    return [p for p in found if not any(x.startswith(".") for x in p.relative_to(folder).parts)]


def _images(folder: Path, *, nested: bool) -> list[tuple[str, Path]]:
    """Picture files, with their path relative to a folder."""
    places = [folder]
    if nested:
        inner = (folder, *_sub_folders(folder))
        places = [
            place
            for place in inner
            if any(p.suffix.lower() in IMAGE_SUFFIXES and p.is_file() for p in place.iterdir())
        ] or places  # listing it then says what is wrong
    paths = [path for place in places for path in list_images(place)]
    return [(path.relative_to(folder).as_posix(), path) for path in paths]


def _pair_folders(folder: Path, *, nested: bool) -> list[PictureFile]:
    found = _degraded_folders(folder)
    if len(found) != 1 or not (folder / "clean").is_dir():
        others = ", ".join(f"{name}/" for name in _DEGRADED_FOLDERS[1:])
        raise InputError(
            f"{folder} must hold the folders clean/ and degraded/ (or {others}); or give --pairs "
            "clean-left for pictures side by side, or patterns of their names"
        )
    clean, degraded = (_images(part, nested=nested) for part in (folder / "clean", *found))
    # Without the extension: a camera's JPEG may be paired with a PNG.
    pairs = _paired(
        *([(name.removesuffix(p.suffix), p) for name, p in side] for side in (clean, degraded))
    )
    names = {path: name for name, path in clean}
    return [replace(pair, name=names[pair.clean]) for pair in pairs]


def _named_places(folder: Path, names: PairNames) -> list[Path]:
    places = dict.fromkeys((folder / p).parent for p in (names.clean, names.degraded))
    return [place for place in places if place.is_dir()]


def _pair_by_names(folder: Path, names: PairNames) -> list[PictureFile]:
    """Pairs of files whose paths in the folder match the patterns."""
    sides: dict[bool, list[tuple[str, Path]]] = {True: [], False: []}
    for place in _named_places(folder, names):
        for path in list_images(place):
            found = names.place(path.relative_to(folder).as_posix())
            if found is not None:
                sides[found[1]].append((found[0], path))
    for is_clean, pattern in ((True, names.clean), (False, names.degraded)):
        if not sides[is_clean]:
            raise InputError(f"{folder} holds no picture whose name matches {pattern}")
    return _paired(sides[True], sides[False])


def _paired(
    clean: Sequence[tuple[str, Path]], degraded: Sequence[tuple[str, Path]]
) -> list[PictureFile]:
    """Pair files that have the same key; each key has one file on each side."""
    sides = _by_key(clean), _by_key(degraded)
    alone = [str(path) for a, b in (sides, sides[::-1]) for key, path in a.items() if key not in b]
    if alone:
        raise InputError(f"{len(alone)} pictures have no partner: {_listed(alone)}")
    return [PictureFile(sides[0][k].name, sides[0][k], sides[1][k]) for k in sorted(sides[0])]


def _by_key(side: Sequence[tuple[str, Path]]) -> dict[str, Path]:
    found: dict[str, Path] = {}
    for key, path in side:
        if key in found:
            raise InputError(f"{found[key]} and {path} would be one picture: keep one of them")
        found[key] = path
    return found


def read_pictures(files: Sequence[PictureFile], color: Color) -> ImageSet:
    """Decode pictures or pairs.

    Raises:
        InputError: For the first that cannot be decoded, or for all pairs that differ in size.
    """
    names, clean, degraded, unequal = [], [], [], []
    for file in files:
        names.append(file.name)
        picture = read_image(file.clean, color)
        if file.degraded is None:
            clean.append(picture)
            continue
        if file.degraded == file.clean:
            if picture.shape[1] % 2:
                unequal.append(f"{file.name} (odd width {picture.shape[1]}: no two equal halves)")
                continue
            halves = np.split(picture, 2, axis=1)
            picture, other = halves if file.is_clean_left else halves[::-1]
        else:
            other = read_image(file.degraded, color)
        if picture.shape != other.shape:
            sizes = [f"{array.shape[1]}x{array.shape[0]}" for array in (other, picture)]
            unequal.append(f"{file.name} ({' degraded, '.join(sizes)} clean)")
        clean.append(picture)
        degraded.append(other)
    if unequal:
        raise InputError(f"{len(unequal)} pairs differ in size: {_listed(unequal)}")
    return ImageSet(tuple(names), tuple(clean), tuple(degraded))


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
