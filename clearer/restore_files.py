"""Which pictures are restored to which files, and the way of one file after another."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from clearer.errors import ClearerError, InputError
from clearer.evaluate import Restorer
from clearer.files import write_atomic
from clearer.images import IMAGE_SUFFIXES
from clearer.picture_encoding import Kind, encode_picture, kind_of, name_as
from clearer.picture_files import read_picture
from clearer.restore import ColorMode, restore_picture
from clearer.tiling import TilePlan

__all__ = ["Job", "Method", "plan_jobs", "restore_files"]

_MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Job:
    """A picture and what it becomes."""

    source: Path
    target: Path
    kind: Kind


@dataclass(frozen=True, kw_only=True, slots=True)
class Method:
    """How pictures of one kind are restored."""

    restore: Restorer
    channels: int
    color: ColorMode
    plan: TilePlan


def plan_jobs(inputs: Sequence[Path], out: Path, kind: Kind | None) -> list[Job]:
    """What is to be done for files and folders; what lies below a folder lies so below ``out``.

    Hidden files, other files than pictures, and ``out`` itself are left out of folders.

    Args:
        inputs: Files and folders.
        out: Folder for the results.
        kind: Of all results; None: of each that of its input.

    Raises:
        InputError: If an input is missing, a folder holds no picture, two results would have the
            same name, or a result would overwrite an input.
    """
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file: give --out a folder")
    found: dict[Path, Job] = {}
    for given in inputs:
        if not given.exists():
            raise InputError(f"{given} does not exist")
        pairs = _below(given, out) if given.is_dir() else [(given, Path(given.name))]
        if not pairs:
            raise InputError(
                f"{given} holds no picture; known endings: {', '.join(sorted(IMAGE_SUFFIXES))}"
            )
        for source, name in pairs:
            becomes = kind or kind_of(source)
            found.setdefault(source.resolve(), Job(source, out / name_as(name, becomes), becomes))
    jobs = list(found.values())
    _check_targets(jobs)
    return jobs


def _below(folder: Path, out: Path) -> list[tuple[Path, Path]]:
    """Pictures of a folder and of its sub-folders, and their names in it."""
    pairs = []
    for place, folders, names in os.walk(folder, onerror=_refuse_folder):
        here = Path(place)
        folders[:] = sorted(
            name for name in folders if not name.startswith(".") and not _is_same(here / name, out)
        )
        for name in sorted(names):
            is_picture = Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith(".")
            # A link to nowhere fails when its turn comes; a pipe would be waited for.
            if is_picture and ((here / name).is_file() or (here / name).is_symlink()):
                pairs.append((here / name, (here / name).relative_to(folder)))
    return pairs


def _refuse_folder(error: OSError) -> None:
    raise InputError(f"{error.filename} cannot be read: {error.strerror}") from error


def _is_same(one: Path, other: Path) -> bool:
    return other.exists() and one.exists() and one.samefile(other)


def _check_targets(jobs: Iterable[Job]) -> None:
    sources = {_identity(job.source) for job in jobs if job.source.exists()}
    taken: dict[Path, Job] = {}
    clashes = []
    for job in jobs:
        if job.target.exists() and _identity(job.target) in sources:
            raise InputError(f"{job.target} would overwrite an input: choose another --out")
        first = taken.setdefault(job.target, job)
        if first is not job:
            clashes.append(f"{first.source} and {job.source} to {job.target}")
    if clashes:
        more = len(clashes) - _MOST_NAMED
        named = "; ".join(clashes[:_MOST_NAMED]) + (f"; and {more} more" if more > 0 else "")
        raise InputError(f"two pictures would become one file: {named}; restore them one by one")


def _identity(path: Path) -> tuple[int, int]:
    """What tells files apart, whatever their names."""
    status = path.stat()
    return status.st_dev, status.st_ino


def restore_files(
    jobs: Iterable[Job],
    methods: Mapping[int, Method],
    *,
    overwrite: bool,
    listener: Callable[[int, int], None] = lambda done, total: None,
) -> Iterator[dict[str, Any]]:
    """Restore one picture after the other; a bad one does not stop the others.

    Args:
        jobs: What to do.
        methods: How, by the channels of a picture without its transparency, 1 and 3; without 1,
            gray pictures fail.
        overwrite: Whether results that exist are made again, rather than left.
        listener: Called with (done, total) tiles of the present picture.

    Yields:
        A record for each job: input, output, status (restored, skipped or failed), and size, bits,
        tiles, seconds and notes, or the reason.

    Raises:
        ClearerError: If a result cannot be written.
    """
    for job in jobs:
        record: dict[str, Any] = {"input": str(job.source), "output": str(job.target)}
        if job.target.exists() and not overwrite:
            yield {**record, "status": "skipped", "reason": "the output exists"}
            continue
        start = time.perf_counter()
        try:
            data, about = _restored_file(job, methods, listener)
        except Exception as error:  # decoders and backends raise types of their own
            yield {**record, "status": "failed", "reason": _reason(error)}
            continue
        _write(job.target, data)
        seconds = time.perf_counter() - start
        yield {**record, "status": "restored", **about, "seconds": round(seconds, 3)}


def _restored_file(
    job: Job, methods: Mapping[int, Method], listener: Callable[[int, int], None]
) -> tuple[bytes, dict[str, Any]]:
    """The bytes of a result, and what to tell about it."""
    picture = read_picture(job.source)
    height, width, channels = picture.pixels.shape
    if channels not in methods:
        raise InputError(
            f"{job.source} is gray, and the network was made for pairs of RGB pictures: restore it "
            "by another --model"
        )
    method = methods[channels]
    restored = restore_picture(
        method.restore,
        picture,
        channels=method.channels,
        color=method.color,
        plan=method.plan,
        listener=listener,
    )
    data, notes = encode_picture(restored, job.kind)
    return data, {
        "width": width,
        "height": height,
        "channels": channels,
        "bits": picture.bits,
        "tiles": method.plan.count(height, width),
        "notes": [*picture.notes, *notes],
    }


def _reason(error: Exception) -> str:
    if isinstance(error, MemoryError) or "allocate memory" in str(error):
        return "out of memory: make the tiles smaller by --tile"
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, ClearerError) else f"{type(error).__name__}: {first}"


def _write(target: Path, data: bytes) -> None:
    try:
        write_atomic(target, data)
    except OSError as error:
        raise ClearerError(
            f"{target} cannot be written ({error.strerror}): free some space or choose another "
            "--out, and give the same command again; what is finished is left as it is"
        ) from error
