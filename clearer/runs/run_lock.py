"""A lock in the folder of a run: one process at a time writes it."""

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
"""This file remains if a process is killed; the lock itself does not."""


@contextlib.contextmanager
def lock_run(folder: Path) -> Iterator[bool]:
    """Lock the folder of a run against other processes, and remove leftovers of killed ones.

    The system releases the lock of a process that dies. The first of several processes that train
    together holds it for all.

    Args:
        folder: Folder of the run; it must exist.

    Yields:
        Whether the previous holder was killed.

    Raises:
        ClearerError: If another process holds the lock; the text names it.
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
        for path in (holder, folder / _LOCK):  # filelock copes with a missing file
            with contextlib.suppress(OSError):
                path.unlink(missing_ok=True)
        lock.release()


def is_held(folder: Path) -> bool:
    """Whether a process is working in the folder of a run."""
    if not (folder / _HOLDER).exists():
        return False
    try:
        with FileLock(folder / _LOCK, timeout=0):
            return False  # the process that wrote the other file was killed
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
