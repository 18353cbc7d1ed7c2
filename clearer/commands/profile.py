"""``clearer profile``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearer.bench.backends import profiling
from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.terminal import live
from clearer.terminal.options import (
    DEFAULT_SIZE,
    AsJson,
    Columns,
    Debug,
    Gates,
    LevelMap,
    Operations,
    Size,
    StemOption,
    backend_option,
    parse_columns,
    parse_operations,
    parse_size,
)

if TYPE_CHECKING:
    from clearer.api.profile import SpaceOptions


def profile(
    backend: Annotated[
        str,
        backend_option(profiling(), "Backend that runs the networks."),
    ] = "onnxruntime",
    precision: Annotated[
        Literal["fp32", "bf16"], typer.Option(help="bf16 works with torch and OpenVINO.")
    ] = "fp32",
    size: Size = DEFAULT_SIZE,
    preset: Annotated[
        Literal["quick", "long", "paper"],
        typer.Option(help="Preset of the search space."),
    ] = "quick",
    width: Annotated[
        int | None, typer.Option(help="Channels of the finest scale; default: the preset's.")
    ] = None,
    unshuffle: Annotated[
        int | None, typer.Option(help="1, or 2 to work at half resolution; default: the preset's.")
    ] = None,
    columns: Columns = None,
    operations: Operations = None,
    stem: StemOption = None,
    gates: Gates = False,
    level_map: LevelMap = False,
    color: Annotated[Literal["gray", "rgb"], typer.Option(help="What to restore.")] = "gray",
    threads: Annotated[
        int | None, typer.Option(help="CPU threads; default: all cores.", min=1)
    ] = None,
    check: Annotated[
        str | None,
        typer.Option(
            help="Compare the table's predictions with N further networks, or with 'all' that it "
            "tells apart."
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(
            help="Time for the measurement in seconds; up to twice that if times are noisy.",
            min=0.1,
        ),
    ] = 60.0,
    out: Annotated[
        Path | None, typer.Option(help="Cost table to write; default: cost-<what>.json.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Measure again, even if a result is cached.")
    ] = False,
    emit: Annotated[
        Path | None,
        typer.Option(
            help="Write the networks and a script into this folder, to measure on another device."
        ),
    ] = None,
    collect: Annotated[
        Path | None, typer.Option(help="Read the results that the script left in such a folder.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure what each module of a search space costs on a device."""
    with live.status("loading"):
        from clearer.api import profile as api
        from clearer.terminal.search_tables import print_cost_table
        from clearer.terminal.watch import TerminalWatch

    checked = _parse_check(check)
    image_size = parse_size(size)
    of_space: SpaceOptions = {
        "preset": preset,
        "color": color,
        "width": width,
        "unshuffle": unshuffle,
        "columns": parse_columns(columns),
        "operations": parse_operations(operations),
        "stem": stem,
        "gates": gates,
        "level_map": level_map,
    }
    if collect is not None:
        result = api.collect_profile(collect, out=out, watch=TerminalWatch())
        source = f"measured {collect}"
    elif emit is not None:
        api.emit_profile(emit, api.space_to_profile(**of_space), image_size, checked)
        print(
            f"written: {emit}; copy it to the device, run there: python device_timer.py "
            f"--backend onnxruntime; copy it back, then: clearer profile --collect {emit}"
        )
        return
    else:
        result = api.profile(
            **of_space,
            backend=backend,
            precision=precision,
            size=image_size,
            threads=threads,
            check=checked,
            seconds=seconds,
            force=force,
            out=out,
            watch=TerminalWatch(),
        )
        source = "cached (--force measures again)" if result.is_cached else "measured"
    report = {
        **json.loads(result.path.read_text()),
        "check": None if result.check is None else result.check.to_dict(),
    }
    if as_json:
        print(to_json(report))
        return
    print_cost_table(result.table, report["check"], source)
    print(f"written: {result.path}; next: clearer search --cost {result.path} --budget-ms ...")


def _parse_check(text: str | None) -> int | Literal["all"] | None:
    if text is None:
        return None
    if text == "all":
        return "all"
    if not (text.isdecimal() and int(text) > 1):
        raise InputError(f"--check {text!r} is neither a number above 1 nor 'all'")
    return int(text)
