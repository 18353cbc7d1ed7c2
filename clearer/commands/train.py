"""``clearer train``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer import console
from clearer.commands.options import (
    AsJson,
    BatchSize,
    CheckpointSeconds,
    CompileOption,
    Debug,
    Devices,
    Minutes,
    Nodes,
    PatchSize,
    RunArgument,
    ValidateEvery,
    check_minutes,
)
from clearer.commands.trained import print_trained


def train(
    run_path: RunArgument = None,
    preset: Annotated[
        Literal["quick", "paper"] | None,
        typer.Option(help="Training settings of a preset; default: of the run."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Iterations of the training.")] = None,
    minutes: Minutes = None,
    validate_every: ValidateEvery = None,
    batch_size: BatchSize = None,
    patch_size: PatchSize = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    compile_: CompileOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Train the architecture of RUN in this new folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with RUN's training.")] = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    devices: Devices = None,
    nodes: Nodes = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train the frozen architecture of a run from scratch, or go on."""
    from clearer.data import load_splits
    from clearer.engine import launch
    from clearer.run import Run
    from clearer.time_budget import fit_training_to_time
    from clearer.train import train as train_network
    from clearer.workflow import prepare_training

    check_minutes(minutes, iterations, validate_every)
    changes = {
        "iterations": iterations,
        "batch_size": batch_size,
        "patch_size": patch_size,
        "learning_rate": learning_rate,
        "validate_every": validate_every,
    }
    source = Run.open(run_path)
    engine = launch(source.settings().device, devices, nodes)
    if not engine.is_first:
        console.be_quiet()

    def make_run() -> str:
        run = prepare_training(source, out, preset, changes, compile_, resume=resume)
        engine.share(run.settings().train.batch_size)
        return str(run.path)

    run = Run(Path(engine.on_first(make_run)))
    settings = run.settings()
    console.say(f"run folder: {run.path}")
    splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
    console.describe_images(splits, settings.color)
    if minutes is not None:
        settings = fit_training_to_time(run, minutes, splits, engine)
        console.say(f"{minutes:g} minutes: {settings.train.iterations:,} iterations")
    with console.loop_bars(settings) as listener:
        train_network(
            run,
            settings,
            splits,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
            engine=engine,
        )
    if engine.is_first:
        print_trained(run, splits, as_json)
