"""``clearer train``."""

from __future__ import annotations

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


@with_task_options
def train(
    run_path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|NAME]",
            autocompletion=complete_networks,
            help="Run folder, or with --fine-tune name of clearer zoo; default: the newest in "
            "runs/.",
        ),
    ] = None,
    fine_tune: Annotated[
        bool,
        typer.Option(
            "--fine-tune",
            help="Train the weights of RUN on, in a new folder: --out, or one in runs/. The result "
            "is never worse than they are, on the validation images.",
        ),
    ] = False,
    level_map: Annotated[
        bool,
        typer.Option(
            "--level-map",
            help="With --fine-tune: the network is told the noise level from now on. Give a range "
            "of levels: --sigma 0:75.",
        ),
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_data,
            help="Folder of images, or a set, in place of the run's. This, --task and its options "
            "are for a new run: with --fine-tune or --out.",
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
        typer.Option(help="Training settings of a preset; default: of the run."),
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
        typer.Option(help="Peak; default: the run's, and a quarter of that for --fine-tune."),
    ] = None,
    compile_: CompileOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Train the architecture of RUN in this new folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with RUN's training.")] = False,
    changed_data: ChangedData = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    devices: Devices = None,
    nodes: Nodes = None,
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Train the frozen architecture of a run from scratch, go on, or fine-tune its weights."""
    with live.status("loading"):
        from clearer.api.train import train as run_train
        from clearer.terminal.trained import print_trained
        from clearer.terminal.watch import TerminalWatch

    result = run_train(
        run_path,
        fine_tune=fine_tune,
        level_map=level_map,
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
