"""Which pictures of a folder show one scene, so that a scene never trains and tests."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clearer.errors import InputError

__all__ = ["SCENES_FILE", "read_scenes"]

SCENES_FILE: Final = "repeated_scenes.txt"
"""One scene a line: the paths of its pictures in the folder, such as ``train/460.jpg``."""


def read_scenes(folder: Path) -> dict[str, str]:
    """Scene of each picture that shares one, by relative path; empty where no file tells.

    A scene is named by the first of its pictures.

    Raises:
        InputError: If the file cannot be read, or puts a picture into two scenes.
    """
    path = folder / SCENES_FILE
    if not path.exists():
        return {}
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    scenes: dict[str, str] = {}
    for names in lines:
        for name in names:
            if name in scenes:
                raise InputError(f"{path} names {name} twice: keep it in one line")
            scenes[name] = names[0]
    return scenes
