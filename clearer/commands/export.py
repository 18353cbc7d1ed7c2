"""``clearer export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.terminal import console, live, tables
from clearer.terminal.completion import complete_networks
from clearer.terminal.engines import (
    ProfileText,
    TensorRt,
    TensorRtRtx,
    engine_settings,
    make_engines,
)
from clearer.terminal.holding import hold
from clearer.terminal.options import AsJson, Debug

_MAX_SHAPES: Final = 16
# The check runs torch on it, which takes some gigabytes for one picture of 4K.
_MAX_PIXELS: Final = 2**23


def export(
    context: typer.Context,
    run_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|NAME]",
            autocompletion=complete_networks,
            help="Run folder, or name of clearer zoo; default: the newest in runs/.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a network of clearer zoo, which becomes a run folder; default: its "
            "name. A run keeps its files with it."
        ),
    ] = None,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Add model.fp16.onnx: half the size, computes in fp16.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Add model.int8.onnx for CPUs (OpenVINO) and model.int8.trt.onnx for TensorRT.",
        ),
    ] = False,
    openvino: Annotated[
        bool,
        typer.Option(
            "--openvino", help="Add OpenVINO IR, model.xml; with --int8 that of int8 too."
        ),
    ] = False,
    io: Annotated[
        Literal["tensor", "image"],
        typer.Option(
            help="image: beside each ONNX file one for 8-bit pictures, N x H x W x C in and out."
        ),
    ] = "tensor",
    shapes: Annotated[
        str | None,
        typer.Option(
            metavar="NxHxW,...", help="Beside each ONNX file one for each fixed size: 1x256x256."
        ),
    ] = None,
    torch_program: Annotated[
        bool, typer.Option("--torch", help="Add model.pt2, which torch alone loads and runs.")
    ] = False,
    opset: Annotated[
        int | None, typer.Option(help="ONNX operator set; default: 20, which most runtimes know.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Put this noise level into the files of a network with a level map, which then "
            "take the picture alone; scale 0 to 255."
        ),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Export a network that was never trained.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Keep files that fail the check, named *.failed.*.")
    ] = False,
    trt: TensorRt = False,
    trt_rtx: TensorRtRtx = False,
    profile: ProfileText = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the trained network as ONNX and more, each file checked against torch.

    Where an engine cannot be built, the ONNX files are written all the same; the command then
    says what is missing, and exits with 1.
    """
    wanted = engine_settings(trt, trt_rtx, profile)
    fixed = parse_shapes(shapes) if shapes is not None else ()
    with live.status("loading"):
        from clearer.export.artefacts import ExportSettings
        from clearer.export.export import ExportFailed, export_run
        from clearer.export.file_budgets import budget_notes
        from clearer.export.graph_nodes import OPSET
        from clearer.runs.run import Run
        from clearer.zoo.catalogue import find_in_zoo

    settings = ExportSettings(
        fp16=fp16,
        int8=int8,
        openvino=openvino,
        with_images=io == "image",
        shapes=fixed,
        torch_program=torch_program,
        opset=OPSET if opset is None else opset,
        sigma=sigma,
        is_untrained=untrained,
        keeps_failed=force,
    )
    network = find_in_zoo(run_path)
    if network is None and out is not None:
        raise InputError("--out is for a network of clearer zoo: a run keeps its files with it")
    run = Run.open(run_path) if network is None else network.unpack(out or Path(network.name))
    hold(context, run)
    if untrained:
        console.say("warning: these weights have never been trained; the files say so")
    failure = None
    with live.status("reading the run") as shown:
        try:
            report = export_run(run, settings, shown)
        except ExportFailed as error:
            report, failure = error.report, error
    engines, unbuilt = make_engines(
        [run.path / row["file"] for row in report["files"] if row["check"]["passed"]], wanted
    )
    if as_json:
        print(to_json({**report, "engines": engines}))
    else:
        tables.print_export(run.path, report)
        tables.print_engines(engines)
    if report["outdated"]:
        names = ", ".join(report["outdated"])
        console.say(f"warning: of earlier weights, export them again or delete them: {names}")
    for note in budget_notes(report):
        console.say(note)
    if failure is not None:
        raise failure
    if unbuilt is not None:
        raise unbuilt


def parse_shapes(text: str) -> tuple[tuple[int, int, int], ...]:
    """Batch, height and width of each of ``1x256x256,4x128x128``.

    Raises:
        InputError: If the text is not that, or a size is absurd.
    """
    words = text.lower().split(",")
    if len(words) > _MAX_SHAPES:
        raise InputError(f"--shapes takes at most {_MAX_SHAPES} sizes, not {len(words)}")
    shapes = []
    for word in words:
        sides = word.strip().split("x")
        if len(sides) != 3 or not all(s.isascii() and s.isdecimal() and len(s) < 9 for s in sides):
            raise InputError(
                f"--shapes {word[:40]!r} is not BATCHxHEIGHTxWIDTH, like 1x256x256; put commas "
                "between several"
            )
        batch, height, width = map(int, sides)
        if not 0 < batch * height * width <= _MAX_PIXELS:
            raise InputError(
                f"--shapes {word[:40]}: each side must be above 0, and all pixels together at most "
                f"{_MAX_PIXELS} (a picture of 4K)"
            )
        shapes.append((batch, height, width))
    return tuple(dict.fromkeys(shapes))
