"""``clearer eval``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.tasks.registry import TASKS, change_task
from clearer.terminal import console, live
from clearer.terminal.completion import complete_data, complete_networks
from clearer.terminal.options import AsJson, Debug
from clearer.terminal.task_options import with_task_options

_LEAST_OF_PAIRS_DB = 14.0
"""Mean over a set: halves of Kodak24's pictures are at 13 dB, pairs of Rain800 at 21."""


@with_task_options
def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]",
            autocompletion=complete_networks,
            help="Run folder, .safetensors or .onnx file, name from clearer zoo, nlm or bm3d; "
            "default: the newest run in runs/.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_data,
            help="Folder of images (its test/ or val/, or itself), or a data set, such as set12.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(TASKS)}; default: the task of the model."),
    ] = None,
    color: Annotated[
        Literal["gray", "rgb"], typer.Option(help="For nlm and bm3d; networks know their own.")
    ] = "gray",
    ensemble: Annotated[
        bool,
        typer.Option(
            "--self-ensemble",
            help="Average over 8 flips and rotations; for rain, over 2 mirror images.",
        ),
    ] = False,
    patches: Annotated[
        bool, typer.Option("--patches", help="Restore and measure patches of 64x64 separately.")
    ] = False,
    save_images: Annotated[
        bool,
        typer.Option(
            "--save-images", help="Save degraded | restored | clean side by side, and zoomed crops."
        ),
    ] = False,
    channel: Annotated[
        Literal["all", "y"],
        typer.Option(
            help="y: also PSNR and SSIM of the luma (BT.601, 16 to 235), as is usual for "
            "deraining; --task derain in RGB always gives both."
        ),
    ] = "all",
    out: Annotated[Path, typer.Option(help="Folder for the report and the pictures.")] = Path(
        "eval"
    ),
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Measure PSNR and SSIM per picture. Every model gets the same noise."""
    with live.status("loading"):
        from clearer.bench.evaluation import (
            EvaluationSettings,
            evaluate_model,
            evaluation_images,
            find_evaluated,
        )
        from clearer.data.datasets import resolve_data
        from clearer.terminal import tables

    if data is None:
        raise InputError("give a folder of clean images, or of pairs, with --data")
    with live.status("loading the network"):
        found = find_evaluated(model, color)
    for note in found.notes:
        console.say(note)
    what = change_task(found.task, task, task_options)
    images, name = evaluation_images(resolve_data(data) or data, what, found.color)
    with live.counting_bar("restoring") as listener:
        report = evaluate_model(
            found,
            what,
            images,
            name,
            EvaluationSettings(
                self_ensemble=ensemble,
                patches=patches,
                save_images=save_images,
                with_luma=channel == "y",
            ),
            out,
            listener,
        )
    given_db = report["mean"]["input_psnr_db"]
    if what.pairs is not None and given_db < _LEAST_OF_PAIRS_DB:
        console.say(
            f"warning: the degraded pictures are at {given_db:.1f} dB from the clean ones, as two "
            "unrelated pictures are: say with --pairs how yours are stored, if these are pairs"
        )
    if as_json:
        print(to_json(report))
    else:
        tables.print_evaluation(report, what.text)
        print(f"written: {report['file']}")
