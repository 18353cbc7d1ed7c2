"""Measures what the modules of a space cost on this device."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from clearer.bench import device_timer
from clearer.bench.backends import BACKENDS, find_backend, profiling
from clearer.bench.cost_fit import Check, ResultRecord, collect
from clearer.bench.device_timer import (
    RESULT_FILE,
    SCHEMA_VERSION,
    Session,
    processor_name,
    run_plan,
)
from clearer.bench.plan import Plan, read_plan, write_plan
from clearer.costs.cost import CostTable
from clearer.errors import ClearerError, InputError
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import read_record
from clearer.support.threads import computing_with
from clearer.support.user_cache import user_cache

__all__ = [
    "Profile",
    "ProfileSettings",
    "emit_plan",
    "profile_space",
    "this_device",
    "version_here",
]

Listener = Callable[[float, int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileSettings:
    """What a measurement depends on, besides the device."""

    space: SearchSpace
    height: int = 256
    width: int = 256
    backend: str = "onnxruntime"
    """One of :func:`clearer.bench.backends.profiling`."""
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """A cost table, with its check if one was asked for."""

    table: CostTable
    check: Check | None
    folder: Path
    """Raw times and networks."""
    is_cached: bool


def profile_space(
    settings: ProfileSettings,
    listener: Listener,
    *,
    check: Sequence[Architecture] = (),
    force: bool = False,
    max_seconds: float,
) -> Profile:
    """Measure a space, or reuse a measurement with the same device, versions and settings.

    An interrupted measurement continues from where it stopped.

    Args:
        settings: What to measure, and with what.
        listener: Called with (groups done, groups, rounds) after each round.
        check: Networks to compare the table's predictions with.
        force: Measure again.
        max_seconds: Time for the networks to which the table is fitted, in seconds.

    Raises:
        InputError: If the backend is unknown.
        ClearerError: If it is missing or fails.
    """
    find_backend(settings.backend, profiling()).require()
    plan = Plan.make(settings.space, settings.height, settings.width, check)
    folder = _cache_folder(settings, check)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    known = _known_result(folder)
    if known is None:  # a damaged one would be continued
        (folder / RESULT_FILE).unlink(missing_ok=True)
    elif known["finished"]:
        return Profile(*collect(folder), folder, is_cached=True)
    write_plan(folder, plan)
    setting = {
        "backend": settings.backend,
        "threads": settings.threads,
        "asked_precision": settings.precision,
    }
    try:
        with computing_with(settings.threads):
            run_plan(folder, setting, _opener(folder, settings), max_seconds, listener)
    except (ImportError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ClearerError(f"{settings.backend} failed while it was measured: {reason}") from error
    return Profile(*collect(folder), folder, is_cached=False)


def emit_plan(
    folder: Path, space: SearchSpace, height: int, width: int, check: Sequence[Architecture]
) -> None:
    """Write what another device needs to measure a space: networks, weights, plan and script.

    Raises:
        InputError: If the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder} exists: give --emit a new folder")
    write_plan(folder, Plan.make(space, height, width, check))
    shutil.copy(device_timer.__file__, folder / "device_timer.py")


def _opener(folder: Path, settings: ProfileSettings) -> Callable[[dict[str, Any]], Session]:
    plan, _ = read_plan(folder)
    entries = {entry.name: entry for group in plan.groups for entry in group}
    return lambda data: BACKENDS[settings.backend].session(
        entries[Path(data["file"]).stem],
        folder / data["file"],
        data["inputs"],
        settings.threads,
        settings.precision,
    )


def this_device(backend: str) -> str:
    """Name of the local processor or GPU that a backend computes on; empty if there is none."""
    if backend not in BACKENDS or BACKENDS[backend].device == "cpu":
        return processor_name()
    return torch.cuda.get_device_name() if torch.cuda.is_available() else ""


def version_here(backend: str) -> str:
    """Version of the installed runtime; empty if there is none."""
    return BACKENDS[backend].version() if backend in BACKENDS else ""


def _cache_folder(settings: ProfileSettings, check: Sequence[Architecture]) -> Path:
    """A folder named after everything that the measurement depends on."""
    identity = {
        "schema_version": SCHEMA_VERSION,
        "space": settings.space.to_dict(),
        "size": [settings.height, settings.width],
        "backend": settings.backend,
        "precision": settings.precision,
        "threads": settings.threads,
        "device": this_device(settings.backend),
        "version": version_here(settings.backend),
        "check": [architecture.text for architecture in check],
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    root = user_cache() / "profiles"
    return root / f"{settings.backend}-{settings.precision}-w{settings.space.width}-{digest}"


def _known_result(folder: Path) -> ResultRecord | None:
    """Earlier results in a folder; None if there are none, or the file is damaged."""
    try:
        return read_record(folder / RESULT_FILE, ResultRecord)
    except InputError:
        return None
