"""Plans which pictures are restored to which files."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from clearer.errors import InputError, how_to_install
from clearer.pictures.encoding import Kind, kind_of, name_as
from clearer.pictures.formats import IMAGE_SUFFIXES, is_picture_name

__all__ = ["Job", "Plan", "plan_jobs"]

_MOST_NAMED: Final = 10


@dataclass(frozen=True, slots=True)
class Job:
    """A picture to restore, and the file for the result."""

    source: Path
    target: Path
    kind: Kind
    problem: str | None = None
    """Why it fails without being read."""


@dataclass(frozen=True, slots=True)
class Plan:
    """The jobs, and the files that are left out."""

    jobs: list[Job]
    left_out: list[Path]
    """Files that are not pictures by extension, not regular files, or links to folders."""

    def about_left_out(self) -> str | None:
        """One line that counts and names what is left out; None if nothing is."""
        if not self.left_out:
            return None
        text = f"{len(self.left_out)} left out, not pictures by extension or kind: "
        text += _listed([str(path) for path in self.left_out], ", ")
        if any(path.suffix.lower() in (".heic", ".heif") for path in self.left_out):
            text += f" (to read HEIC: {how_to_install('heic')})"
        return text


def plan_jobs(inputs: Sequence[Path], out: Path, kind: Kind | None) -> Plan:
    """Plan the jobs for files and folders; paths inside a folder are kept below ``out``.

    In folders, hidden files, files other than pictures, and ``out`` itself are left out. Bad files
    in a folder become jobs that fail and stop no others.

    Args:
        inputs: Files and folders.
        out: Folder for the results.
        kind: Format of all results; None: that of each input.

    Raises:
        InputError: If an input is missing, there is no picture at all, two files given by name
            would become one, or a result would overwrite an input.
    """
    if os.path.exists(out) and not os.path.isdir(out):
        raise InputError(f"{out} is a file: give --out a folder")
    plan = Plan([], [])
    for given in inputs:
        if os.path.isdir(given):
            _add_folder(plan, given, out, kind)
        elif os.path.lexists(given):  # a broken link fails when its turn comes
            plan.jobs.append(_job(given, Path(given.name), out, kind))
        else:
            raise InputError(f"{given} does not exist")
    if not plan.jobs:
        left_out = plan.about_left_out()
        raise InputError(
            f"{_listed([str(path) for path in inputs], ', ')} holds no picture; known extensions: "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}" + (f"; {left_out}" if left_out else "")
        )
    jobs = _without_clashes(plan.jobs, {Path(path) for path in inputs})
    _refuse_overwriting(jobs)
    return Plan(jobs, plan.left_out)


def _job(source: Path, name: Path, out: Path, kind: Kind | None) -> Job:
    becomes = kind or kind_of(source)
    return Job(source, out / name_as(name, becomes), becomes)


def _add_folder(plan: Plan, folder: Path, out: Path, kind: Kind | None) -> None:
    """Add the pictures of a folder and its subfolders."""
    found = len(plan.jobs)

    def add_unreadable(error: OSError) -> None:
        place = Path(error.filename)
        problem = f"{place} cannot be read: {error.strerror}"
        plan.jobs.append(Job(place, out / place.relative_to(folder), kind or "png", problem))

    for place, folders, names in os.walk(folder, onerror=add_unreadable):
        here = Path(place)
        kept = [
            name
            for name in sorted(folders)
            if not name.startswith(".") and not _is_same(here / name, out)
        ]
        folders[:] = [name for name in kept if not os.path.islink(here / name)]
        plan.left_out.extend(here / name for name in kept if name not in folders)
        for name in sorted(names):
            source = here / name
            # A broken link fails when its turn comes; reading a pipe would block.
            is_file = os.path.isfile(source) or os.path.islink(source)
            if is_picture_name(name) and is_file:
                plan.jobs.append(_job(source, source.relative_to(folder), out, kind))
            elif not name.startswith("."):
                plan.left_out.append(source)
    if len(plan.jobs) == found:
        plan.left_out.append(folder)


def _is_same(one: Path, other: Path) -> bool:
    return _identity(one) is not None and _identity(one) == _identity(other)


def _identity(path: Path) -> tuple[int, int] | None:
    """What identifies a file, whatever its name; None if there is no file."""
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _without_clashes(jobs: Iterable[Job], named: set[Path]) -> list[Job]:
    """Mark jobs that would write the same file as failing; a file given twice is one job.

    Raises:
        InputError: If both were given by name: then nothing starts.
    """
    by_target: defaultdict[Path, list[Job]] = defaultdict(list)
    for job in jobs:
        others = by_target[job.target]
        if not any(
            other.source == job.source or _is_same(other.source, job.source) for other in others
        ):
            others.append(job)
    clashes = []
    for target, group in by_target.items():
        sources = " and ".join(str(job.source) for job in group)
        if sum(job.source in named for job in group) > 1:
            clashes.append(f"{sources} to {target}")
        if len(group) > 1:
            problem = f"{sources} would become one file, {target}: restore them one by one"
            by_target[target] = [replace(job, problem=problem) for job in group]
    if clashes:
        raise InputError(
            f"two pictures would become one file: {_listed(clashes, '; ')}; restore them one by one"
        )
    return [job for group in by_target.values() for job in group]


def _refuse_overwriting(jobs: Iterable[Job]) -> None:
    sources = {_identity(job.source) for job in jobs} - {None}
    for job in jobs:
        if _identity(job.target) in sources:
            raise InputError(f"{job.target} would overwrite an input: choose another --out")


def _listed(texts: list[str], separator: str) -> str:
    more = len(texts) - _MOST_NAMED
    rest = f"{separator}and {more} more" if more > 0 else ""
    return separator.join(texts[:_MOST_NAMED]) + rest
