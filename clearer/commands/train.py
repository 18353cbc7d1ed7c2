"""``clearer train``."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer.tasks.registry import TASKS
from clearer.terminal import live
from clearer.terminal.completion import complete_data, complete_networks
from clearer.terminal.options import (
    AsJson,
    BatchSize,
    ChangedData,
    CheckpointSeconds,
    CompileOption,
    Debug,
    Devices,
    Minutes,
    MinutesNow,
    Nodes,
    PatchSize,
    Reduce,
    ValidateEvery,
)
from clearer.terminal.task_options import with_task_options

WarmStart = Annotated[
    Path | None,
    typer.Option(
        "--warm-start",
        metavar="RUN|NAME",
        autocompletion=complete_networks,
        help="Start from the weights of a smaller network that RUN contains, in a new folder. "
        "Further layers and channels add nothing at first.",
    ),
]
Teacher = Annotated[
    Path | None,
    typer.Option(
        metavar="RUN|NAME",
        autocompletion=complete_networks,
        help="Learn what this better network restores, in place of the clean images: a small "
        "network gets further in as many iterations. For a new run.",
    ),
]


@with_task_options
def train(
    run_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|NAME]",
            autocompletion=complete_networks,
            help="Run folder, or with --fine-tune a name from clearer zoo; default: the newest "
            "in runs/.",
        ),
    ] = None,
    fine_tune: Annotated[
        bool,
        typer.Option(
            "--fine-tune",
            help="Start from the weights of RUN, in a new folder: --out, or one in runs/. On the"
            " validation images the result is never worse than RUN.",
        ),
    ] = False,
    level_map: Annotated[
        bool,
        typer.Option(
            "--level-map",
            help="With --fine-tune: add the noise level as a second input. Give a range of levels: "
            "--sigma 0:75.",
        ),
    ] = False,
    warm_start: WarmStart = None,
    teacher: Teacher = None,
    data: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_data,
            help="Folder of images, or a data set, in place of the run's. This, --task and its "
            "options are for a new run: with --fine-tune, --warm-start or --out.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help=f"{', '.join(TASKS)}; default: the run's, with those of its options that are not "
            "given."
        ),
    ] = None,
    preset: Annotated[
        Literal["quick", "long", "paper"] | None,
        typer.Option(help="Use the training settings of a preset; default: those of the run."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Iterations of the training.")] = None,
    minutes: Minutes = None,
    minutes_now: MinutesNow = None,
    validate_every: ValidateEvery = None,
    batch_size: BatchSize = None,
    patch_size: PatchSize = None,
    reduce: Reduce = None,
    learning_rate: Annotated[
        float | None,
        typer.Option(
            help="Peak learning rate; default: the run's, and a quarter of that for --fine-tune "
            "and --warm-start."
        ),
    ] = None,
    compile_: CompileOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Train the architecture of RUN in this new folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume the training of RUN.")] = False,
    changed_data: ChangedData = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    devices: Devices = None,
    nodes: Nodes = None,
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Train the architecture of a run, resume, or fine-tune."""
    with live.status("loading"):
        from clearer.api.train import train as run_train
        from clearer.terminal.trained import print_trained
        from clearer.terminal.watch import TerminalWatch

    result = run_train(
        run_path,
        fine_tune=fine_tune,
        level_map=level_map,
        warm_start=warm_start,
        teacher=teacher,
        data=data,
        task=task,
        task_options=task_options,
        preset=preset,
        iterations=iterations,
        minutes=minutes,
        minutes_now=minutes_now,
        validate_every=validate_every,
        batch_size=batch_size,
        patch_size=patch_size,
        reduce=reduce,
        learning_rate=learning_rate,
        compile=compile_,
        out=out,
        resume=resume,
        changed_data=changed_data,
        checkpoint_seconds=checkpoint_seconds,
        devices=devices,
        nodes=nodes,
        watch=TerminalWatch(),
    )
    if result.is_first:
        print_trained(result.run, result.splits, as_json)
