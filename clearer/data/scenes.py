"""Which pictures of a folder show the same scene, so that none is in training and test."""

from __future__ import annotations

import codecs
from collections.abc import Set
from pathlib import Path, PurePosixPath
from typing import Final

from clearer.errors import InputError

__all__ = ["SCENES_FILE", "check_scenes", "read_scenes"]

_MOST_NAMED: Final = 20
SCENES_FILE: Final = "repeated_scenes.txt"
"""One scene per line: the paths of its pictures in the folder, such as ``train/460.jpg``."""


def read_scenes(folder: Path) -> dict[str, str]:
    """Scene of each picture that shares one, by relative path; empty without a scenes file.

    A scene is named after the first of its pictures. The file may come from any system: UTF-8, or
    UTF-16 with a byte-order mark; any line ends; slashes or backslashes.

    Raises:
        InputError: If the file cannot be read, or puts a picture into two scenes.
    """
    path = folder / SCENES_FILE
    if not path.exists():
        return {}
    try:
        data = path.read_bytes()
        is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    scenes: dict[str, str] = {}
    for line in text.splitlines():
        names = [PurePosixPath(name.replace("\\", "/")).as_posix() for name in line.split()]
        for name in names:
            if name in scenes:
                raise InputError(f"{path} names {name} twice: keep it in one line")
            scenes[name] = names[0]
    return scenes


def check_scenes(folder: Path, scenes: dict[str, str], known: Set[str]) -> None:
    """Refuse names that match no picture: a typo could put a test scene into training.

    Args:
        folder: The folder of the pictures.
        scenes: From :func:`read_scenes`.
        known: Relative paths of all pictures.

    Raises:
        InputError: If a name matches no picture; all are named.
    """
    unknown = sorted(scenes.keys() - known)
    if unknown:
        more = len(unknown) - _MOST_NAMED
        named = ", ".join(unknown[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")
        raise InputError(
            f"{folder / SCENES_FILE} names {len(unknown)} picture(s) that are not there: {named}; "
            "correct the names, or delete them from it"
        )
