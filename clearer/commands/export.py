"""``clearer export``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Literal

import typer

from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.terminal import console, live
from clearer.terminal.completion import complete_networks
from clearer.terminal.options import AsJson, Debug

if TYPE_CHECKING:
    from clearer.api.export import Exported
    from clearer.export.engine_library import Flavour

_MAX_SHAPES: Final = 16

_TrtProfile = Annotated[
    str | None,
    typer.Option(
        "--trt-profile",
        help="Sizes that engines accept: MIN,OPT,MAX, each NxHxW; default: "
        "1x16x16,1x512x512,1x1088x1920.",
    ),
]


def export(
    run_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|NAME]",
            autocompletion=complete_networks,
            help="Run folder, or a name from clearer zoo; default: the newest in runs/.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for a network from clearer zoo, which becomes a run folder; default: "
            "its name. The files of a run go into its folder."
        ),
    ] = None,
    fp16: Annotated[
        bool, typer.Option("--fp16", help="Add model.fp16.onnx: half the size, computed in fp16.")
    ] = False,
    int8: Annotated[
        bool,
        typer.Option(
            "--int8",
            help="Add model.int8.onnx for CPUs and model.int8.trt.onnx for TensorRT.",
        ),
    ] = False,
    openvino: Annotated[
        bool,
        typer.Option("--openvino", help="Add OpenVINO IR, model.xml; with --int8 also in int8."),
    ] = False,
    io: Annotated[
        Literal["tensor", "image"],
        typer.Option(
            help="image: add to each ONNX file one for 8-bit pictures, N x H x W x C in and out."
        ),
    ] = "tensor",
    shapes: Annotated[
        str | None,
        typer.Option(
            metavar="NxHxW,...",
            help="Add to each ONNX file one for each fixed size, such as 1x256x256.",
        ),
    ] = None,
    torch_program: Annotated[
        bool, typer.Option("--torch", help="Add model.pt2, which needs only torch to run.")
    ] = False,
    opset: Annotated[
        int | None, typer.Option(help="ONNX operator set; default: 20, which most runtimes know.")
    ] = None,
    sigma: Annotated[
        float | None,
        typer.Option(
            help="Fix this noise level (scale 0 to 255) in the files of a network with a level "
            "map: the picture is then their only input."
        ),
    ] = None,
    untrained: Annotated[
        bool, typer.Option("--untrained", help="Export a network that was never trained.")
    ] = False,
    force: Annotated[
        bool, typer.Option("--force", help="Keep files that fail the check, named *.failed.*.")
    ] = False,
    trt: Annotated[
        bool,
        typer.Option("--trt", help="Also build TensorRT engines, for the GPU of this machine."),
    ] = False,
    trt_rtx: Annotated[
        bool,
        typer.Option(
            "--trt-rtx", help="Also build TensorRT-RTX engines, for any RTX card; no GPU is needed."
        ),
    ] = False,
    profile: _TrtProfile = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Export to ONNX and more, each file checked against torch.

    If an engine cannot be built, the ONNX files are still written; the command then says what is
    missing, and exits with 1.
    """
    fixed = parse_shapes(shapes) if shapes is not None else ()
    with live.status("loading"):
        from clearer.api.export import ExportIncomplete, export_network
        from clearer.export.file_budgets import budget_notes
        from clearer.export.graph_nodes import OPSET
        from clearer.terminal.watch import TerminalWatch

    flavours: dict[Flavour, bool] = {"tensorrt": trt, "tensorrt-rtx": trt_rtx}
    incomplete = None
    try:
        exported = export_network(
            run_path,
            out=out,
            fp16=fp16,
            int8=int8,
            openvino=openvino,
            images=io == "image",
            shapes=fixed,
            torch_program=torch_program,
            opset=OPSET if opset is None else opset,
            sigma=sigma,
            untrained=untrained,
            force=force,
            engines=[flavour for flavour, is_wanted in flavours.items() if is_wanted],
            profile=profile,
            watch=TerminalWatch(),
        )
    except ExportIncomplete as error:
        exported, incomplete = error.exported, error
    _show(exported, as_json)
    for note in budget_notes(exported.report):
        console.say(note)
    if incomplete is not None:
        raise incomplete


def _show(exported: "Exported", as_json: bool) -> None:
    from clearer.terminal import tables

    report, engines = exported.report, exported.engines
    if as_json:
        print(to_json({**report, "engines": engines}))
    else:
        tables.print_export(exported.run.path, report)
        tables.print_engines(engines)
    if report["outdated"]:
        names = ", ".join(report["outdated"])
        console.say(f"warning: files of earlier weights; export them again or delete them: {names}")


def parse_shapes(text: str) -> tuple[tuple[int, int, int], ...]:
    """Parse batch, height and width from text like ``1x256x256,4x128x128``.

    Raises:
        InputError: If the text does not have this form.
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
        shapes.append((batch, height, width))
    return tuple(shapes)
