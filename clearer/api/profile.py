"""Measures what each module of a search space costs on a device."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Literal, TypedDict, Unpack

from clearer.api.watch import SILENT, Watch
from clearer.bench.cost_fit import Check
from clearer.bench.cost_fit import collect as collect_folder
from clearer.bench.plan import check_architectures
from clearer.bench.plots import plot_check, require_matplotlib
from clearer.bench.profile import ProfileSettings, emit_plan, profile_space
from clearer.costs.cost import CostTable
from clearer.costs.cost_file import cost_file_name, write_cost_table
from clearer.errors import InputError
from clearer.pictures.images import Color
from clearer.planning.request_checks import check_size
from clearer.planning.workflow import gate_fields, preset_space
from clearer.space.space import Architecture, SearchSpace
from clearer.support.device import num_cores
from clearer.support.files import as_path, write_json

__all__ = [
    "Profiled",
    "SpaceOptions",
    "collect_profile",
    "emit_profile",
    "profile",
    "space_to_profile",
]

NumChecked = int | Literal["all"] | None
"""Number of further networks to measure, to see how well the table predicts them."""


class SpaceOptions(TypedDict, total=False):
    """A search space; fields that are left out are those of the preset."""

    preset: str
    """``quick`` by default."""
    color: Color
    """``gray`` or ``rgb``; ``gray`` by default."""
    width: int | None
    """Channels of the finest scale."""
    unshuffle: int | None
    """1, or 2 to work at half resolution."""
    columns: tuple[int, ...] | None
    """Columns of each cell."""
    operations: tuple[str, ...] | None
    """Names of the operations that a column chooses between."""
    stem: Literal["bottlenecks", "conv"] | None
    """Layers before the first cell."""
    gates: bool
    """Whether each scale of a column may compute, fuse or pass through."""
    level_map: bool
    """Whether the network takes the noise level as a second input."""


@dataclass(frozen=True, slots=True)
class Profiled:
    """A cost table in milliseconds, and its file."""

    table: CostTable
    check: Check | None
    """How well it predicts further networks, if that was asked for."""
    path: Path
    """The file, for ``cost`` of a :class:`clearer.SearchRequest`."""
    is_cached: bool
    """Whether it is an earlier measurement with the same device, versions and settings."""


def profile(
    *,
    backend: str = "onnxruntime",
    precision: Literal["fp32", "bf16"] = "fp32",
    size: tuple[int, int] = (256, 256),
    threads: int | None = None,
    check: NumChecked = None,
    seconds: float = 60.0,
    force: bool = False,
    out: str | PathLike[str] | None = None,
    watch: Watch = SILENT,
    **space: Unpack[SpaceOptions],
) -> Profiled:
    """Measure the modules of a search space on this device: ``clearer profile``.

    Args:
        backend: Backend that runs the networks, by name.
        precision: ``fp32``, or ``bf16`` with torch and OpenVINO.
        size: (height, width) of the timed image, in pixels.
        threads: CPU threads; None: all cores.
        check: Number of further networks to compare the table's predictions with; ``"all"``: all
            for which its predictions differ.
        seconds: Time for the measurement in seconds; up to twice that if times are noisy.
        force: Measure again, even if a result is cached.
        out: File to write; None: ``cost-<what>.json``.
        watch: Receives messages and progress.
        space: The space to measure: ``width=16``, and the other fields of :class:`SpaceOptions`.

    Raises:
        InputError: If a value is unknown or out of range.
        ClearerError: If the backend is missing or fails.
    """
    if check is not None:
        require_matplotlib()
    check_size(size)
    measured = space_to_profile(**space)
    networks = _to_check(measured, check)
    settings = ProfileSettings(
        space=measured,
        height=size[0],
        width=size[1],
        backend=backend,
        precision=precision,
        threads=threads or num_cores(),
    )
    with watch.timing_rounds() as listener:
        found = profile_space(settings, listener, check=networks, force=force, max_seconds=seconds)
    path = _write(as_path(out), found.table, found.check, watch)
    return Profiled(found.table, found.check, path, found.is_cached)


def space_to_profile(**options: Unpack[SpaceOptions]) -> SearchSpace:
    """The space of a preset, with changes.

    Raises:
        InputError: If a value is unknown or out of range.
    """
    stem = options.get("stem")
    return preset_space(
        options.get("preset", "quick"),
        options.get("color", "gray"),
        width=options.get("width"),
        unshuffle=options.get("unshuffle"),
        columns=options.get("columns"),
        operations=options.get("operations"),
        level_map=options.get("level_map") or None,
        **{"stem": stem, **gate_fields(options.get("gates", False), stem)},
    )


def emit_profile(
    folder: str | PathLike[str],
    space: SearchSpace,
    size: tuple[int, int] = (256, 256),
    check: NumChecked = None,
) -> None:
    """Write the networks and a script into a new folder, to be measured on another device.

    Raises:
        InputError: If the folder exists and is not empty, or the size is out of range.
    """
    check_size(size)
    emit_plan(Path(folder), space, *size, _to_check(space, check))


def collect_profile(
    folder: str | PathLike[str],
    *,
    out: str | PathLike[str] | None = None,
    watch: Watch = SILENT,
) -> Profiled:
    """Make a table from the results in such a folder; the rest is as for :func:`profile`.

    Raises:
        InputError: If the folder holds no measurement, or a damaged one.
    """
    table, checked = collect_folder(Path(folder))
    return Profiled(table, checked, _write(as_path(out), table, checked, watch), is_cached=False)


def _to_check(space: SearchSpace, check: NumChecked) -> list[Architecture]:
    if check is None:
        return []
    if check != "all" and check < 2:
        raise InputError(f"--check '{check}' is neither a number above 1 nor 'all'")
    return check_architectures(space, None if check == "all" else check)


def _write(out: Path | None, table: CostTable, check: Check | None, watch: Watch) -> Path:
    path = out or Path(cost_file_name(table))
    write_cost_table(path, table)
    if check is not None:
        write_json(path.with_suffix(".check.json"), check.to_dict())
        with watch.status("drawing"):
            plot_check(path.with_suffix(".check.png"), table, check)
    return path
