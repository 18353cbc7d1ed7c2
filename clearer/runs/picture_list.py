"""The pictures of a run by size and hash, so that it resumes with the same ones."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypedDict

from msgspec import Meta

from clearer.data.splits import list_files
from clearer.errors import InputError
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.support.files import read_record, write_json
from clearer.support.schema import Text

__all__ = ["check_pictures", "write_pictures"]

_MOST_NAMED: Final = 10


class _File(TypedDict):
    bytes: Annotated[int, Meta(ge=0)]
    sha256: Text


class _Change(TypedDict):
    at: Text
    what: list[Text]


class _Pictures(TypedDict):
    """``pictures.json``: the files of each use, by path in the folder of pictures."""

    schema_version: Literal[1]
    train: dict[Text, _File]
    val: dict[Text, _File]
    test: dict[Text, _File]
    changes: list[_Change]
    """What changed while the run was stopped, if it then continued."""


def write_pictures(run: Run, settings: RunSettings) -> None:
    """Write the list of a new run's pictures."""
    write_json(run.pictures, _list(settings))


def check_pictures(run: Run, settings: RunSettings, *, may_change: bool) -> list[str]:
    """Compare the pictures with those that the run started with.

    Args:
        run: The run that continues.
        settings: Its settings.
        may_change: Whether it may continue with other pictures; then the list is renewed, and
            records what changed.

    Returns:
        What changed, one line each; or that there was nothing to compare with.

    Raises:
        InputError: If something changed that must not.
    """
    new = _list(settings)
    if not run.pictures.exists():
        write_json(run.pictures, new)
        return [f"{run.path} had no list of its pictures: it has one from now on"]
    old = read_record(run.pictures, _Pictures)
    changed = _differences(old, new)
    if not changed:
        return []
    if not may_change:
        more = len(changed) - _MOST_NAMED
        named = "; ".join(changed[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(
            f"the pictures changed since {run.path} began ({named}): bring the old ones back, or "
            "continue with --changed-data"
        )
    change: _Change = {"at": time.strftime("%Y-%m-%dT%H:%M:%S%z"), "what": changed}
    write_json(run.pictures, {**new, "changes": [*old["changes"], change]})
    return [f"changed pictures: {line}" for line in changed]


def _list(settings: RunSettings) -> _Pictures:
    folder, files = list_files(settings.data, settings.color, settings.seed, settings.task)
    train, val, test = (
        {
            path.relative_to(folder).as_posix(): _describe(path)
            for picture in part
            for path in dict.fromkeys([picture.clean, picture.degraded or picture.clean])
        }
        for part in files
    )
    return {"schema_version": 1, "train": train, "val": val, "test": test, "changes": []}


def _describe(path: Path) -> _File:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return {"bytes": path.stat().st_size, "sha256": digest}


def _differences(old: _Pictures, new: _Pictures) -> list[str]:
    before, after = _by_path(old), _by_path(new)
    lines = []
    for path in sorted(before.keys() | after.keys()):
        if path not in after:
            lines.append(f"{path} is gone")
        elif path not in before:
            lines.append(f"{path} is new")
        elif before[path][1] != after[path][1]:
            lines.append(f"{path} has other content")
        elif before[path][0] != after[path][0]:
            lines.append(f"{path} was in {before[path][0]} and is in {after[path][0]}")
    return lines


def _by_path(pictures: _Pictures) -> dict[str, tuple[str, Any]]:
    uses = {"train": pictures["train"], "val": pictures["val"], "test": pictures["test"]}
    return {path: (use, file) for use, files in uses.items() for path, file in files.items()}
