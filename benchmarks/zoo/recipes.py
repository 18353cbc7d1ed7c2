"""Makes folders of training pictures by name, as links to the sets in CLEARER_DATA.

    python benchmarks/zoo/recipes.py photos-fair pictures

creates ``pictures/photos-fair`` with ``train`` and ``val``. No picture of a recipe is in BSD68.

- ``bsds500-fair``: BSDS500's train and test (400, those that DnCNN and FFDNet were trained on);
  the 32 pictures of its val that are not in BSD68 validate.
- ``photos-fair``: the same and photos149; every twelfth of those validates. 537 train, 44 validate.
- ``photos-small``: every fifth training picture of photos-fair, and all its validation pictures:
  about 24 MB, for a machine to which a call can carry no more.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from clearer.data.datasets import DATA_SETS, data_collection, resolve_data
from clearer.errors import ClearerError, InputError

__all__ = ["RECIPES", "picture_folder", "split_files"]

Splits = dict[str, list[Path]]
_NUM_BSD68: Final = 68
_VAL_PERIOD: Final = 12
_SMALL_PERIOD: Final = 5


def bsds500_fair(data: Path) -> Splits:
    """BSDS500 so that BSD68 can test fairly.

    Args:
        data: Folder that holds ``bsds500/`` and ``bsd68/bsds500_val.txt``.

    Raises:
        InputError: If they are not there.
    """
    listed = data / "bsd68" / "bsds500_val.txt"
    words = listed.read_text().split() if listed.is_file() else []
    bsd68 = {Path(word).stem for word in words if word.endswith(".jpg")}
    if len(bsd68) != _NUM_BSD68:
        raise InputError(
            f"{listed} names {len(bsd68)} pictures, not {_NUM_BSD68}: set CLEARER_DATA to the "
            "folder of the sets, or unpack all parts of the pictures (benchmarks/gpu/pack.py)"
        )
    source = data / "bsds500"
    splits = {
        split: [path for origin in origins for path in sorted((source / origin).glob("*.jpg"))]
        for split, origins in {"train": ("train", "test"), "val": ("val",)}.items()
    }
    return {
        split: [path for path in paths if path.stem not in bsd68] for split, paths in splits.items()
    }


def photos_fair(data: Path) -> Splits:
    """The same, and photos149: numbers 11, 23, ... of its pictures, sorted by name, validate."""
    splits, photos = bsds500_fair(data), sorted((data / "photos149").glob("*.webp"))
    is_val = [index % _VAL_PERIOD == _VAL_PERIOD - 1 for index in range(len(photos))]
    for split, wanted in (("train", False), ("val", True)):
        splits[split] += [p for p, val in zip(photos, is_val, strict=True) if val is wanted]
    return splits


def photos_small(data: Path) -> Splits:
    """What one call carries: every fifth of the training pictures."""
    splits = photos_fair(data)
    return {**splits, "train": splits["train"][::_SMALL_PERIOD]}


RECIPES: Final[dict[str, Callable[[Path], Splits]]] = {
    "bsds500-fair": bsds500_fair,
    "photos-fair": photos_fair,
    "photos-small": photos_small,
}


def split_files(name: str) -> Splits:
    """Pictures of a recipe by split.

    Raises:
        InputError: If the recipe is unknown, or its sets are not here.
    """
    if name not in RECIPES:
        raise InputError(f"no pictures are known as {name!r}: use one of {', '.join(RECIPES)}")
    collection = data_collection()
    if collection is None:
        raise InputError(f"the pictures of {name} are not here: set CLEARER_DATA to their folder")
    splits = RECIPES[name](collection)
    for split, paths in splits.items():
        if not paths:
            raise InputError(f"{collection} lacks the pictures of {name} for {split}")
    return splits


def picture_folder(name: str, folder: Path) -> Path:
    """The folder with the pictures of a recipe or of a set.

    If ``folder`` holds it with pictures instead of links, it was unpacked there, and is used as it
    is. Links are compared with what they should be, and replaced where they differ.

    Args:
        name: A recipe, or a set that ``clearer data`` knows.
        folder: Where folders of recipes are kept.

    Raises:
        InputError: If the pictures are not here.
    """
    made = (folder / name).absolute()
    held = list(made.rglob("*"))
    if held and not any(path.is_symlink() for path in held):
        return made
    if name in DATA_SETS:
        found = resolve_data(Path(name))
        assert found is not None
        return found.absolute()
    links = {
        made / split / path.name: path.resolve()
        for split, paths in split_files(name).items()
        for path in paths
    }
    present = {path for path in held if path.is_symlink()}
    if present == set(links) and all(path.resolve() == links[path] for path in present):
        return made
    shutil.rmtree(made, ignore_errors=True)
    for path, target in links.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.symlink_to(target)
    return made


def main(words: list[str]) -> None:
    """Make the links."""
    if len(words) != 2:
        sys.exit((__doc__ or "").strip())
    try:
        print(picture_folder(words[0], Path(words[1])))
    except ClearerError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
