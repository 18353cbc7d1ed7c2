"""``clearer profile``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.options import (
    DEFAULT_SIZE,
    AsJson,
    Columns,
    Debug,
    EntryOption,
    Gates,
    LevelMap,
    Size,
    gate_fields,
    parse_columns,
    parse_size,
)

if TYPE_CHECKING:
    from clearer.space.space import Architecture, SearchSpace


def profile(
    backend: Annotated[
        Literal["torch", "torch-cuda", "onnxruntime", "onnxruntime-cuda", "openvino", "tensorrt"],
        typer.Option(help="What runs the networks."),
    ] = "onnxruntime",
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="bf16: with torch and OpenVINO.")
    ] = "fp32",
    size: Size = DEFAULT_SIZE,
    preset: Annotated[
        Literal["quick", "long", "paper"], typer.Option(help="Whose search space.")
    ] = "quick",
    width: Annotated[
        int | None, typer.Option(help="Channels of the finest scale; default: the space's.")
    ] = None,
    stem: Annotated[int | None, typer.Option(help="1 or 2; default: the space's.")] = None,
    columns: Columns = None,
    entry: EntryOption = None,
    gates: Gates = False,
    level_map: LevelMap = False,
    color: Annotated[Literal["gray", "rgb"], typer.Option(help="What is restored.")] = "gray",
    threads: Annotated[
        int | None, typer.Option(help="Of the CPU; default: all cores.", min=1)
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(help="Measure N further networks, or 'all' that a table tells apart."),
    ] = None,
    seconds: Annotated[
        float, typer.Option(help="Time for the table; noisy times get twice as much.", min=0.1)
    ] = 60.0,
    out: Annotated[
        Path | None, typer.Option(help="Cost table to write; default: cost-<what>.json.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Measure anew.")] = False,
    emit: Annotated[
        Path | None,
        typer.Option(help="Write the networks and a script into this folder, for another device."),
    ] = None,
    collect: Annotated[
        Path | None, typer.Option(help="Read what the script of such a folder measured.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure what each module of a search space costs on a device."""
    with live.status("loading"):
        from clearer.bench.cost_fit import collect as collect_folder
        from clearer.bench.plots import plot_check, require_matplotlib
        from clearer.bench.profile import ProfileSettings, emit_plan, profile_space
        from clearer.costs.cost_file import write_cost_table
        from clearer.planning.workflow import preset_space
        from clearer.support.files import write_json

    if check is not None and emit is None:
        require_matplotlib()
    if collect is not None:
        table, checked = collect_folder(collect)
        source = f"measured {collect}"
    else:
        height, image_width = parse_size(size)
        space = preset_space(
            preset,
            color,
            width=width,
            stem=stem,
            columns=parse_columns(columns),
            level_map=level_map or None,
            **{"entry": entry, **gate_fields(gates, entry)},
        )
        architectures = _to_check(space, check)
        if emit is not None:
            emit_plan(emit, space, height, image_width, architectures)
            print(
                f"written: {emit}; copy it to the device, run there: python device_timer.py "
                f"--backend onnxruntime; copy it back, then: clearer profile --collect {emit}"
            )
            return
        settings = ProfileSettings(
            space=space,
            height=height,
            width=image_width,
            backend=backend,
            precision=precision,
            threads=threads or console.num_cores(),
        )
        with live.round_bars() as listener:
            result = profile_space(
                settings, listener, check=architectures, force=force, max_seconds=seconds
            )
        table, checked = result.table, result.check
        source = "known from before (--force measures anew)" if result.is_cached else "measured"
    out = out or Path(console.cost_file_name(table))
    write_cost_table(out, table)
    if checked is not None:
        write_json(out.with_suffix(".check.json"), checked.to_dict())
        with live.status("drawing"):
            plot_check(out.with_suffix(".check.png"), table, checked)
    report = {**json.loads(out.read_text()), "check": checked.to_dict() if checked else None}
    if as_json:
        print(to_json(report))
        return
    console.print_cost_table(table, report["check"], source)
    print(f"written: {out}; next: clearer search --cost {out} --budget-ms ...")


def _to_check(space: SearchSpace, check: str | None) -> list[Architecture]:
    from clearer.bench.plan import check_architectures

    if check is None:
        return []
    if check != "all" and not (check.isdecimal() and int(check) > 1):
        raise InputError(f"--check {check!r} is neither a number above 1 nor 'all'")
    return check_architectures(space, None if check == "all" else int(check))
