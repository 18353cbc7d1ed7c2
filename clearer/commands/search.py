"""``clearer search``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer.commands.search_options import is_given, refuse_other_options
from clearer.tasks.registry import TASKS
from clearer.terminal import live
from clearer.terminal.completion import complete_data, complete_runs
from clearer.terminal.options import (
    DEFAULT_SIZE,
    AsJson,
    BatchSize,
    BudgetPrecision,
    ChangedData,
    CheckpointSeconds,
    Columns,
    CompileOption,
    Debug,
    Devices,
    Gates,
    LevelMap,
    Minutes,
    MinutesNow,
    Nodes,
    Operations,
    PatchSize,
    Reduce,
    Size,
    StemOption,
    ValidateEvery,
    parse_columns,
    parse_operations,
    parse_size,
)
from clearer.terminal.task_options import with_task_options


@with_task_options
def search(
    context: typer.Context,
    budget_mb: Annotated[
        float | None, typer.Option(help="Largest ONNX file in MB (10**6 bytes).")
    ] = None,
    budget_ms: Annotated[
        float | None,
        typer.Option(help="Most milliseconds per image of --size, measured (or by --cost)."),
    ] = None,
    budget_gmacs: Annotated[
        float | None, typer.Option(help="Most 10**9 multiply-accumulates per image of --size.")
    ] = None,
    budget_params: Annotated[float | None, typer.Option(help="Most trained parameters.")] = None,
    budget_precision: BudgetPrecision = "fp32",
    cost: Annotated[
        Path | None,
        typer.Option(
            help="Cost table of clearer profile for --budget-ms; it sets the space. "
            "Default: this machine is measured, ONNX Runtime on its CPU."
        ),
    ] = None,
    size: Size = DEFAULT_SIZE,
    data: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_data,
            help="Folder of images: with train/ and, optionally, val/ and test/, or flat; or the "
            "name of a set (clearer data list). "
            "Default: built-in photographs and synthetic images.",
        ),
    ] = None,
    task: Annotated[
        str, typer.Option(help=f"What to undo: {', '.join(TASKS)}; see clearer tasks.")
    ] = "denoise",
    color: Annotated[Literal["gray", "rgb"], typer.Option(help="What to restore.")] = "gray",
    preset: Annotated[
        Literal["quick", "long", "paper"],
        typer.Option(
            help="quick: about ten minutes on two cores; long: what --minutes gives it, a "
            "quarter for the race; paper: days there."
        ),
    ] = "quick",
    width: Annotated[
        int | None, typer.Option(help="Channels of the finest scale; default: by the budget.")
    ] = None,
    unshuffle: Annotated[
        int | None, typer.Option(help="1, or 2 to work at half resolution: faster, less exact.")
    ] = None,
    columns: Columns = None,
    operations: Operations = None,
    stem: StemOption = None,
    strategy: Annotated[
        Literal["race", "gradient", "random"] | None,
        typer.Option(
            help="race: U shapes that use the budgets train against each other; gradient: the "
            "paper's search, in one space; random: drawn evenly from that. Default: race, or "
            "gradient with --preset paper, --cost, --columns, --operations, "
            "--stem or --gates."
        ),
    ] = None,
    gates: Gates = False,
    level_map: LevelMap = False,
    contenders: Annotated[
        int | None, typer.Option(help="Networks in the race; default: the preset's.", min=2, max=64)
    ] = None,
    seeds: Annotated[
        int, typer.Option(help="Searches from --seed on, whose op weights are averaged.", min=1)
    ] = 1,
    source: Annotated[
        Path | None,
        typer.Option(
            "--from",
            autocompletion=complete_runs,
            help="Freeze again, under other budgets, what this run searched.",
        ),
    ] = None,
    search_iterations: Annotated[
        int | None,
        typer.Option(
            help="Iterations of the search (of a race: of all its networks together); default: "
            "the preset's."
        ),
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Iterations of the training; default: the preset's.")
    ] = None,
    minutes: Minutes = None,
    minutes_now: MinutesNow = None,
    validate_every: ValidateEvery = None,
    batch_size: BatchSize = None,
    patch_size: PatchSize = None,
    reduce: Reduce = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak, of the training.")] = None,
    search_learning_rate: Annotated[
        float | None, typer.Option(help="Peak, of the weights in the search.")
    ] = None,
    lambda_arch: Annotated[
        float | None, typer.Option(help="Weight of the entropy of the choices.")
    ] = None,
    lambda_comp: Annotated[
        float | None,
        typer.Option(help="Weight of the cost, in millions of parameters; for no budget."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all randomness.", min=0, max=2**31)] = 0,
    device: Annotated[
        Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")
    ] = "auto",
    precision: Annotated[
        Literal["auto", "fp32", "bf16"],
        typer.Option(help="Of the forward and backward pass; auto: what is faster here."),
    ] = "auto",
    compile_: CompileOption = None,
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write logs for TensorBoard, in the run folder.")
    ] = False,
    train: Annotated[
        bool | None,
        typer.Option(
            "--train/--no-train",
            help="Train the network after the search. Default: yes; with --resume, as the run was "
            "begun.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Run folder to make (or to resume); default: in runs/, named by task and budgets, "
            "such as runs/denoise-s25-5mb-0."
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run (--out, or the newest).")
    ] = False,
    changed_data: ChangedData = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    devices: Devices = None,
    nodes: Nodes = None,
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Search under hard budgets, freeze the architecture, train it."""
    with live.status("loading"):
        from clearer.api.search import search as run_search
        from clearer.api.search_request import SearchRequest
        from clearer.terminal.trained import print_trained
        from clearer.terminal.watch import TerminalWatch

    refuse_other_options(context, resume=resume, refreezes=source is not None)
    request = SearchRequest(
        budget_mb=budget_mb,
        budget_ms=budget_ms,
        budget_gmacs=budget_gmacs,
        budget_params=budget_params,
        budget_precision=budget_precision,
        cost=cost,
        size=parse_size(size) if is_given(context, "size") else None,
        data=data,
        task=task,
        task_options=task_options,
        color=color,
        preset=preset,
        width=width,
        unshuffle=unshuffle,
        columns=parse_columns(columns),
        operations=parse_operations(operations),
        stem=stem,
        strategy=strategy,
        gates=gates,
        level_map=level_map,
        contenders=contenders,
        seeds=seeds,
        source=source,
        search_iterations=search_iterations,
        iterations=iterations,
        minutes=minutes,
        minutes_now=minutes_now,
        validate_every=validate_every,
        batch_size=batch_size,
        patch_size=patch_size,
        reduce=reduce,
        learning_rate=learning_rate,
        search_learning_rate=search_learning_rate,
        lambda_arch=lambda_arch,
        lambda_comp=lambda_comp,
        seed=seed,
        device=device,
        precision=precision,
        compile=compile_ or "auto",
        tensorboard=tensorboard,
        train=train,
        out=out,
        resume=resume,
        changed_data=changed_data,
        checkpoint_seconds=checkpoint_seconds,
        devices=devices,
        nodes=nodes,
    )
    result = run_search(request, TerminalWatch())
    if result.is_first and result.is_trained:
        print_trained(result.run, result.splits, as_json)
    elif result.is_first and as_json:
        print(result.run.architecture.read_text(), end="")
