"""Writing and reading files so that neither an interrupt nor a full disk loses finished work."""

from __future__ import annotations

import contextlib
import os
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any, Final, Required, TypedDict

import msgspec

from clearer.errors import InputError
from clearer.support.json_text import parse_json, to_json, to_json_line
from clearer.support.schema import Kind, checked

__all__ = [
    "append_jsonl",
    "check_writable",
    "read_json",
    "read_jsonl",
    "read_record",
    "remove_temporary",
    "write_atomic",
    "write_json",
]


# Names of temporary files, by which leftovers of killed processes are recognised.
_PREFIX: Final = ".clearer-"
_SUFFIX: Final = ".tmp"
_MAX_JSON_BYTES: Final = 200_000_000
_STALE_S: Final = 3600
"""No file takes this long to write."""


class LogRecord(TypedDict, total=False):
    """A line of a log; its writers may add other fields."""

    iteration: Required[Annotated[int, msgspec.Meta(ge=0)]]
    loss: Annotated[float, msgspec.Meta(ge=0)] | None
    loss_res: float | None
    val_psnr_db: float | None
    val_ssim: float | None
    iterations_per_s: Annotated[float, msgspec.Meta(gt=0)]
    op_weights: list[list[float]]
    expected_cost: list[float]
    lambda_comp: list[float]


def as_path(name: str | os.PathLike[str] | None) -> Path | None:
    """A file name as a ``Path``; None stays None."""
    return None if name is None else Path(name)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a temporary file beside it, then rename: readers see the old or the new file, whole.

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
    """Create a folder and try to write in it: errors come before the work, not after it.

    Old temporary files in it are removed.

    Raises:
        OSError: If results could not be written there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    try:
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        error.filename = str(folder)
        raise
    for path in folder.glob(f"{_PREFIX}*{_SUFFIX}"):
        with contextlib.suppress(OSError):  # another process may be renaming it
            if time.time() - path.stat().st_mtime > _STALE_S:
                path.unlink()


def remove_temporary(folder: Path) -> None:
    """Remove the temporary files of killed processes in a folder that no other process writes to.

    Raises:
        OSError: If one cannot be removed.
    """
    for path in folder.rglob(f"{_PREFIX}*{_SUFFIX}"):
        path.unlink(missing_ok=True)


def write_json(path: Path, data: Any) -> None:
    """Write indented JSON with a final newline."""
    write_atomic(path, (to_json(data) + "\n").encode())


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: If it is missing, not JSON, too large, or nested too deeply.
    """
    try:
        if path.stat().st_size > _MAX_JSON_BYTES:
            raise InputError(
                f"{path} has {path.stat().st_size / 1e6:,.0f} MB: too large for a file of clearer"
            )
        return parse_json(path.read_bytes())
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist") from error
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not a readable JSON file: {error}") from error


def read_record(path: Path, kind: type[Kind], *, advice: str = "") -> Kind:
    """Read a JSON file as a record.

    Args:
        path: The file.
        kind: What it holds, as for :func:`clearer.support.schema.checked`.
        advice: As for :func:`clearer.support.schema.checked`.

    Raises:
        InputError: If it is missing or not JSON, or a field is missing or wrong.
    """
    return checked(read_json(path), kind, path, advice=advice)


def append_jsonl(path: Path, record: dict[str, Any]) -> None:
    """Add one line to a log."""
    with path.open("a") as file:
        file.write(to_json_line(record))


def read_jsonl(path: Path, kind: type = LogRecord) -> list[dict[str, Any]]:
    """Read a log; a last line that an interrupt cut short is left out.

    Args:
        path: The file; if it is missing, the log is empty.
        kind: The type of each line.

    Raises:
        InputError: If any other line is not of that type.
    """
    if not path.exists():
        return []
    try:
        text = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    *lines, last = text.split(b"\n")
    records = []
    for number, line in enumerate([*lines, last], start=1):
        try:
            record = parse_json(line)
            msgspec.convert(record, kind)
        except ValueError as error:
            if number > len(lines):
                break
            raise InputError(
                f"{path} is damaged in line {number} ({error}): fix that line, or move the file "
                "away; only the curve of what was done is lost"
            ) from error
        records.append(record)
    return records
