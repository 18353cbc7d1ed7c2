"""Small real photographs in folders, as users split them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from clearer.data.splits import PHOTOGRAPHS

__all__ = ["save_photographs"]


def save_photographs(
    root: Path, splits: Mapping[str, Sequence[str]], mode: str, size: tuple[int, int]
) -> Path:
    """Write built-in photographs, downscaled.

    Args:
        root: Folder that gets one for each split.
        splits: Names of photographs without their ending, by split.
        mode: ``L`` or ``RGB``.
        size: (width, height).
    """
    for split, names in splits.items():
        (root / split).mkdir()
        for name in names:
            with Image.open(PHOTOGRAPHS / f"{name}.png") as picture:
                picture.convert(mode).resize(size).save(root / split / f"{name}.png")
    return root
