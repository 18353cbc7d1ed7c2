"""``clearer train``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from clearer.errors import InputError
from clearer.tasks.registry import TASKS
from clearer.terminal import console, live
from clearer.terminal.completion import complete_data, complete_networks
from clearer.terminal.holding import go_on_with_pictures, hold
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
    check_minutes,
    piece_deadline,
)
from clearer.terminal.task_options import with_task_options
from clearer.terminal.trained import fit_minutes, print_trained


@with_task_options
def train(
    context: typer.Context,
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
        from clearer.data.patches import check_patch_size
        from clearer.data.splits import load_splits
        from clearer.planning.training_run import find_origin, make_training_run, plan_training
        from clearer.restoring.evaluate import check_evaluation_size
        from clearer.runs.run import Run
        from clearer.runs.settings import RunSettings
        from clearer.training.loop import Loop
        from clearer.training.processes import launch
        from clearer.training.train import train as train_network

    deadline = piece_deadline(minutes_now)
    check_minutes(minutes, iterations, validate_every)
    if changed_data and (fine_tune or out is not None):
        raise InputError("--changed-data is for a run that goes on: a new one takes what is there")
    changes = {
        "iterations": iterations,
        "batch_size": batch_size,
        "patch_size": patch_size,
        "reduce": reduce,
        "learning_rate": learning_rate,
        "validate_every": validate_every,
    }
    with live.status("reading the run"):
        origin = find_origin(run_path, fine_tune=fine_tune)
    engine = launch(origin.settings.device, devices, nodes)
    if not engine.is_first:
        console.be_quiet()

    same_run = None if origin.run is None or out is not None or fine_tune else origin.run

    def plan() -> dict[str, Any]:
        if same_run is not None:
            hold(context, same_run)
        settings = plan_training(
            origin,
            out,
            preset=preset,
            train=changes,
            compile=compile_,
            data=data,
            task=task,
            task_options=task_options,
            resume=resume,
        )
        engine.share(settings.train.batch_size)
        if not resume:
            settings = replace(settings, minutes=minutes)
        return settings.to_dict()

    with live.status("reading the pictures"):
        settings = RunSettings.from_dict(engine.on_first(plan))
        splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
    console.describe_images(splits, settings.color)

    def make_run() -> str:
        check_evaluation_size(splits.val, settings.task)
        check_patch_size(splits.train, settings.train.patch_size)
        if same_run is not None:
            go_on_with_pictures(same_run, settings, may_change=changed_data)
        with live.status("making the run"):
            run = make_training_run(origin, out, settings, resume=resume)
        if same_run is None:
            hold(context, run)
        return str(run.path)

    run = Run(Path(engine.on_first(make_run)))
    console.say(f"run folder: {run.path}")
    settings = fit_minutes(run, settings, minutes, splits, engine)
    with live.loop_bars(settings) as listener:
        loop = Loop(
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
            engine=engine,
            say=console.say,
            deadline=deadline,
        )
        train_network(run, settings, splits, loop)
    if engine.is_first:
        print_trained(run, splits, as_json)
