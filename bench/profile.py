"""Measure what the modules of a space cost on this device."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final, Literal

import platformdirs

from clearer.bench.cost_fit import Check, collect
from clearer.bench.device_timer import (
    RESULT_FILE,
    SCHEMA_VERSION,
    Session,
    open_session,
    processor_name,
    run_plan,
)
from clearer.bench.plan import Plan, read_plan, write_plan
from clearer.bench.torch_session import open_torch
from clearer.cost import CostTable
from clearer.errors import ClearerError, require
from clearer.files import read_json
from clearer.space import Architecture, SearchSpace

__all__ = ["Backend", "Profile", "ProfileSettings", "is_noisy", "profile_space"]

Backend = Literal["torch", "torch-cuda", "onnxruntime", "onnxruntime-cuda", "openvino", "tensorrt"]
Listener = Callable[[int, int, int], None]

_PACKAGES: Final[dict[Backend, tuple[str, str]]] = {
    "onnxruntime": ("onnxruntime", "cpu"),
    "onnxruntime-cuda": ("onnxruntime", "gpu"),
    "openvino": ("openvino", "openvino"),
    "tensorrt": ("tensorrt", "trt"),
}
"""Module of each optional backend, and the extra that installs it."""
_NOISY: Final = 0.03
_MAX_SECONDS: Final = 60.0
"""Per group of networks."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ProfileSettings:
    """What a measurement depends on, beside the device."""

    space: SearchSpace
    height: int = 256
    width: int = 256
    backend: Backend = "onnxruntime"
    precision: Literal["fp32", "bf16"] = "fp32"
    threads: int = 1


@dataclass(frozen=True, slots=True)
class Profile:
    """A cost table with its check, where one was asked for."""

    table: CostTable
    check: Check | None
    folder: Path
    """Raw times and networks."""
    is_cached: bool


def is_noisy(table: CostTable) -> bool:
    """Whether the times behind a table spread too much to be trusted."""
    return table.measurement is not None and table.measurement.spread > _NOISY


def profile_space(
    settings: ProfileSettings,
    listener: Listener,
    *,
    check: Sequence[Architecture] = (),
    force: bool = False,
    max_seconds: float = _MAX_SECONDS,
) -> Profile:
    """Measure a space, or take what was measured with the same device, versions and settings.

    A measurement that was interrupted goes on from where it stopped.

    Args:
        settings: What to measure, with what.
        listener: Called with (group, groups, rounds) after each round.
        check: Networks to compare the table's predictions with.
        force: Measure anew.
        max_seconds: Time per group of networks.

    Raises:
        ClearerError: If the backend is missing or fails.
    """
    _require_backend(settings.backend)
    plan = Plan.make(settings.space, settings.height, settings.width, check)
    folder = _cache_folder(settings, check)
    if force:
        shutil.rmtree(folder, ignore_errors=True)
    if _is_finished(folder):
        return Profile(*collect(folder), folder, is_cached=True)
    write_plan(folder, plan)
    setting = {
        "backend": settings.backend,
        "threads": settings.threads,
        "asked_precision": settings.precision,
    }
    try:
        run_plan(folder, setting, _opener(folder, settings), max_seconds, listener)
    except (ImportError, RuntimeError) as error:
        reason = (str(error).splitlines() or ["no reason given"])[0]
        raise ClearerError(f"{settings.backend} failed while it was measured: {reason}") from error
    return Profile(*collect(folder), folder, is_cached=False)


def _require_backend(backend: Backend) -> None:
    if backend in _PACKAGES:
        module, extra = _PACKAGES[backend]
        require(module, extra=extra)


def _opener(folder: Path, settings: ProfileSettings) -> Callable[[dict[str, Any]], Session]:
    if settings.backend in ("torch", "torch-cuda"):
        plan, _ = read_plan(folder)
        entries = {entry.name: entry for group in plan.groups for entry in group}
        device = "cuda" if settings.backend == "torch-cuda" else "cpu"
        return lambda data: open_torch(
            entries[Path(data["file"]).stem],
            data["inputs"],
            device,
            settings.precision,
            settings.threads,
        )
    return lambda data: open_session(
        settings.backend,
        folder / data["file"],
        data["inputs"],
        settings.threads,
        settings.precision,
    )


def _cache_folder(settings: ProfileSettings, check: Sequence[Architecture]) -> Path:
    """Named by all that the measurement depends on."""
    package = _PACKAGES.get(settings.backend, ("torch", ""))[0]
    identity = {
        "schema_version": SCHEMA_VERSION,
        "space": settings.space.to_dict(),
        "size": [settings.height, settings.width],
        "backend": settings.backend,
        "precision": settings.precision,
        "threads": settings.threads,
        "device": processor_name(),
        "version": _version(package),
        "check": [architecture.text for architecture in check],
    }
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    root = Path(platformdirs.user_cache_dir("clearer")) / "profiles"
    return root / f"{settings.backend}-{settings.precision}-w{settings.space.width}-{digest}"


def _version(package: str) -> str:
    names = [package, f"{package}-gpu", f"{package}-cu13"]
    for name in names:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def _is_finished(folder: Path) -> bool:
    path = folder / RESULT_FILE
    if not path.exists():
        return False
    try:
        result = read_json(path)
    except ClearerError:
        return False
    return isinstance(result, dict) and result.get("finished") is True
