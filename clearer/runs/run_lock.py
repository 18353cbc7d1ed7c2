"""One process at a time writes a run: a lock in its folder, which ends with the process."""

from __future__ import annotations

import contextlib
import os
import platform
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout

from clearer.errors import ClearerError
from clearer.support.files import remove_temporary

__all__ = ["is_held", "lock_run"]

_LOCK: Final = ".lock"
_HOLDER: Final = ".lock-holder"
"""Its file stays where a process is killed; the lock itself does not."""


@contextlib.contextmanager
def lock_run(folder: Path) -> Iterator[bool]:
    """Keep other processes from writing into the folder of a run, and remove what killed ones left.

    The system ends the lock of a process that dies. Of several processes that train together, the
    first holds it for all.

    Args:
        folder: Of the run; it exists.

    Yields:
        Whether a process was killed that had held it.

    Raises:
        ClearerError: If another process writes there; the text names it.
        OSError: If the folder cannot be written to.
    """
    lock = FileLock(folder / _LOCK, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        raise ClearerError(
            f"{folder} is in use by {_holder(folder)}: wait for it or end it, or work in another "
            "folder (--out)"
        ) from error
    holder = folder / _HOLDER
    try:
        was_killed = holder.exists()
        holder.write_text(f"{os.getpid()} {platform.node()}\n")
        remove_temporary(folder)
        yield was_killed
    finally:
        for path in (holder, folder / _LOCK):  # filelock knows when its file went away
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process works in the folder of a run now."""
    if not (folder / _HOLDER).exists():
        return False
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return False  # who wrote the other file was killed
    except Timeout:
        return True
    except OSError:
        return False


def _holder(folder: Path) -> str:
    try:
        pid, _, host = (folder / _HOLDER).read_text(errors="replace").strip().partition(" ")
    except OSError:
        return "another process"
    return f"process {pid} on {host}" if pid.isdecimal() else "another process"
