"""Which files hold a set of pictures, alone or as pairs of degraded and clean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np

from clearer.errors import InputError
from clearer.images import Color, ImageSet, list_images, read_image
from clearer.tasks import Task

__all__ = ["PictureFile", "list_pictures", "read_pictures"]

_DEGRADED_FOLDERS: Final = ("degraded", "noisy", "rainy", "input")
_MOST_NAMED: Final = 20


@dataclass(frozen=True, slots=True)
class PictureFile:
    """A clean picture, or a pair of pictures."""

    name: str
    clean: Path
    degraded: Path | None = None
    """File of the degraded picture; that of ``clean`` where both lie side by side."""
    is_clean_left: bool = True
    """Where both lie side by side."""


def list_pictures(folder: Path, task: Task) -> list[PictureFile]:
    """The pictures of a folder, or its pairs where the task needs them, sorted by name.

    Raises:
        InputError: If there are none, or pictures do not pair up by name (all are listed).
    """
    if task.pairs is None:
        return [PictureFile(path.name, path) for path in list_images(folder)]
    if task.pairs != "folders":
        is_left = task.pairs == "clean-left"
        return [PictureFile(path.name, path, path, is_left) for path in list_images(folder)]
    return _pair_by_name(folder)


def _pair_by_name(folder: Path) -> list[PictureFile]:
    found = [folder / name for name in _DEGRADED_FOLDERS if (folder / name).is_dir()]
    if len(found) != 1 or not (folder / "clean").is_dir():
        others = ", ".join(f"{name}/" for name in _DEGRADED_FOLDERS[1:])
        raise InputError(
            f"{folder} must hold the folders clean/ and degraded/ (or {others}); or give --pairs "
            "clean-left for pictures side by side"
        )
    # By stem: a camera's JPEG may have a PNG beside it.
    clean, degraded = (
        {path.stem: path for path in list_images(part)} for part in (folder / "clean", found[0])
    )
    alone = [
        str(p) for stem, p in {**clean, **degraded}.items() if (stem in clean) != (stem in degraded)
    ]
    if alone:
        raise InputError(f"{len(alone)} pictures have no partner: {_listed(alone)}")
    return [PictureFile(clean[stem].name, clean[stem], degraded[stem]) for stem in sorted(clean)]


def read_pictures(files: Sequence[PictureFile], color: Color) -> ImageSet:
    """Decode pictures or pairs.

    Raises:
        InputError: For the first that cannot be decoded; for all pairs that differ in size.
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
