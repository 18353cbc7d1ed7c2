"""Restores picture files one after another: a bad one never stops the others."""

from __future__ import annotations

import errno
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, Required, TypedDict, cast

from clearer.errors import ClearerError, InputError
from clearer.pictures.encoding import encode_picture
from clearer.pictures.reading import read_picture
from clearer.pictures.stored_picture import Pixels
from clearer.restoring.restore_method import Method, PictureKind, choose_method
from clearer.restoring.restore_plan import Job
from clearer.support.files import write_atomic

__all__ = ["RestoredFile", "restore_files"]


class RestoredFile(TypedDict, total=False):
    """The result for one picture: facts about a restored one, else the reason."""

    input: Required[str]
    output: Required[str]
    status: Required[Literal["restored", "skipped", "failed"]]
    reason: str
    """Why it was skipped or failed, in one line."""
    width: int
    height: int
    channels: int
    bits: int
    """Bits per channel of the file."""
    tiles: int
    sigma: float | None
    """Noise level given to the network, scale 0 to 255."""
    network: str
    why: str | None
    """Why this network was chosen; None if there was no choice."""
    notes: list[str]
    """What changed other than the restored pixels."""
    seconds: float


# Errors of writing one result that will stop all others, too.
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)


def restore_files(
    jobs: Iterable[Job],
    methods: Mapping[PictureKind, Method],
    *,
    overwrite: bool,
    listener: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[RestoredFile]:
    """Restore one picture after the other; a bad one does not stop the others.

    Args:
        jobs: What to do.
        methods: How, by the kind of picture, transparency aside. Without ``gray``, gray pictures
            fail; without ``photo`` or ``jpeg``, those are treated as other colour pictures.
        overwrite: Whether existing results are made again rather than kept.
        listener: Called with (done, total) tiles of the current picture.

    Yields:
        A record for each job.

    Raises:
        ClearerError: If nothing more can be written, as on a full disk.
    """
    for job in jobs:
        start = time.perf_counter()
        try:
            if _is_there(job) and not overwrite:
                yield _left(job, "skipped", "the output exists")
                continue
            data, record = _restored_file(job, methods, listener)
            _write(job.target, data)
        except _NoSpaceError:
            raise
        except Exception as error:  # backends raise their own types
            yield _left(job, "failed", _reason(error))
            continue
        record["seconds"] = round(time.perf_counter() - start, 3)
        yield record


def _left(job: Job, status: Literal["skipped", "failed"], reason: str) -> RestoredFile:
    return {
        "input": str(job.source),
        "output": str(job.target),
        "status": status,
        "reason": reason,
    }


def _is_there(job: Job) -> bool:
    """Whether a result exists already.

    Raises:
        InputError: If this job cannot be done.
    """
    if job.problem is not None:
        raise InputError(job.problem)
    try:
        status = job.target.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        raise InputError(f"{job.target} cannot be written ({error.strerror})") from error
    if stat.S_ISDIR(status.st_mode):
        raise InputError(f"{job.target} is a folder: rename it, or choose another --out")
    return True


def _restored_file(
    job: Job, methods: Mapping[PictureKind, Method], listener: Callable[[int, int], None]
) -> tuple[bytes, RestoredFile]:
    """The bytes of a result, and its record without the time."""
    picture = read_picture(job.source)
    height, width, channels = picture.pixels.shape
    chosen = choose_method(picture.pixels, methods, picture.jpeg_quality)
    if chosen is None:
        raise InputError(
            f"{job.source} is gray, and the network was made for pairs of RGB pictures: restore it "
            "with another --model"
        )
    method, why = chosen
    pixels, level = method.apply(picture.pixels, listener)
    restored = replace(picture, pixels=cast(Pixels, pixels))  # restoring keeps the type
    data, notes = encode_picture(restored, job.kind)
    return data, {
        "input": str(job.source),
        "output": str(job.target),
        "status": "restored",
        "width": width,
        "height": height,
        "channels": channels,
        "bits": picture.bits,
        "tiles": method.plan.count(height, width),
        "sigma": None if level is None else round(255 * level, 2),
        "network": method.name,
        "why": why,
        "notes": [*picture.notes, *notes],
    }


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "out of memory: make the tiles smaller with --tile"
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, ClearerError) else f"{type(error).__name__}: {first}"


class _NoSpaceError(ClearerError):
    pass


def _write(target: Path, data: bytes) -> None:
    try:
        write_atomic(target, data)
    except OSError as error:
        if error.errno not in _FULL:
            raise InputError(
                f"{target} cannot be written ({error.strerror}): rename the picture or what is in "
                "its way, or choose another --out"
            ) from error
        raise _NoSpaceError(
            f"{target} cannot be written ({error.strerror}): free some space or choose another "
            "--out, and give the same command again; what is finished is left as it is"
        ) from error
