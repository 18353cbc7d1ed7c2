"""Writing and reading files so that neither an interrupt nor a full disk loses finished work."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any, Final

from clearer.errors import InputError
from clearer.json_text import to_json

__all__ = [
    "append_jsonl",
    "check_writable",
    "read_json",
    "read_jsonl",
    "write_atomic",
    "write_json",
]


# Of temporary files: what a killed process leaves is known by its name.
_PREFIX: Final = ".clearer-"
_SUFFIX: Final = ".tmp"


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file under a temporary name beside it, then rename: readers see old or new, whole.

    Raises:
        OSError: If it cannot be written; what was at ``path`` is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        handle, name = tempfile.mkstemp(_SUFFIX, _PREFIX, path.parent)
    except OSError as error:
        error.filename = str(path)
        raise
    temporary = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def check_writable(folder: Path) -> None:
    """Make a folder and a file in it, and take the file away: before work, not after it.

    Raises:
        OSError: If results could not be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        error.filename = str(folder)
        raise


def write_json(path: Path, data: Any) -> None:
    """Write JSON for people: indented, with a final newline."""
    write_atomic(path, (to_json(data) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If it is missing or not JSON.
    """
    try:
        return json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable JSON file: {error}") from error


def append_jsonl(path: Path, record: dict[str, Any]) -> None:
    """Add one line to a log."""
    with path.open("a") as file:
        file.write(json.dumps(record) + "\n")


def read_jsonl(path: Path) -> list[dict[str, Any]]:
    """Read a log; a last line that an interrupt cut short is left out."""
    if not path.exists():
        return []
    records = []
    for line in path.read_text(errors="replace").splitlines():
        try:
            records.append(json.loads(line))
        except ValueError:
            break
    return records
