"""``clearer search``."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer.commands.search_folder import make_search_run
from clearer.commands.search_options import (
    REFREEZABLE,
    RESUMABLE,
    choose_strategy,
    given_budgets,
    image_size_of,
    refuse_options_of_others,
    refuse_other_options,
)
from clearer.errors import InputError
from clearer.tasks.registry import TASKS, make_task
from clearer.terminal import console, live
from clearer.terminal.completion import complete_data, complete_runs
from clearer.terminal.holding import go_on_with_pictures, hold
from clearer.terminal.measuring import costs_here
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
    EntryOption,
    Gates,
    LevelMap,
    Minutes,
    MinutesNow,
    Nodes,
    PatchSize,
    Reduce,
    Size,
    ValidateEvery,
    check_minutes,
    gate_fields,
    parse_columns,
    piece_deadline,
)
from clearer.terminal.task_options import with_task_options
from clearer.terminal.trained import fit_minutes, print_trained


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
    stem: Annotated[
        int | None, typer.Option(help="1, or 2 to work at half resolution: faster, less exact.")
    ] = None,
    columns: Columns = None,
    entry: EntryOption = None,
    strategy: Annotated[
        Literal["race", "gradient", "random"] | None,
        typer.Option(
            help="race: U shapes that use the budgets train against each other; gradient: the "
            "paper's search, in one space; random: drawn evenly from that. Default: race, or "
            "gradient with --preset paper, --cost, --columns, --entry or --gates."
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
            help="Freeze anew, under other budgets, what this run searched.",
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
        from clearer.costs.cost_file import read_cost_table
        from clearer.data.datasets import resolve_data
        from clearer.data.splits import load_splits
        from clearer.planning.workflow import make_settings, refreeze_settings
        from clearer.runs.run import Run
        from clearer.runs.settings import RunSettings
        from clearer.searching.search_run import freeze_again
        from clearer.searching.search_run import search_run as run_search
        from clearer.support.device import resolve_device
        from clearer.training.loop import Loop
        from clearer.training.processes import launch
        from clearer.training.train import train as train_network

    deadline = piece_deadline(minutes_now)
    check_minutes(minutes, iterations, validate_every)
    if changed_data and not resume:
        raise InputError("--changed-data is for --resume: a new run takes the pictures as they are")
    budgets = given_budgets(mb=budget_mb, ms=budget_ms, gmacs=budget_gmacs, params=budget_params)
    if resume:
        refuse_other_options(context, RESUMABLE, "--resume goes on with the settings of the run")
    elif source is not None:
        refuse_other_options(context, REFREEZABLE, "--from keeps the search of that run")
    if resume or source is not None:  # the device is that of the run
        where = Run.open(out if resume else source).settings().device
    else:
        where = resolve_device(device)
    engine = launch(where, devices, nodes)
    if not engine.is_first:
        console.be_quiet()
    run = old = table = None
    if resume:
        run = resumed = Run.open(out)
        engine.on_first(lambda: hold(context, resumed))
        settings = run.settings()
        if train is None:
            train = settings.trains or minutes is not None
        table = read_cost_table(run.cost) if run.cost.exists() else None
        costs = costs_here(settings.image_size, table, settings.budget_precision)
    else:
        train = train is not False
        if lambda_comp is not None and budgets:
            raise InputError("--lambda-comp is for a search without budget: a budget sets its own")
        if cost is not None:
            if budget_ms is None:
                raise InputError("--cost is for --budget-ms: give a limit in milliseconds")
            table = read_cost_table(cost)
        image_size = image_size_of(context, size, table)
        costs = costs_here(image_size, table, budget_precision)
        if source is not None:
            old = Run.open(source)
            settings = refreeze_settings(old, budgets, image_size, budget_precision)
        else:
            sizes = {"batch_size": batch_size, "patch_size": patch_size}
            given = {
                "width": width,
                "stem": stem,
                "columns": parse_columns(columns),
                "entry": entry,
                **gate_fields(gates, entry),
                "level_map": level_map or None,
            }
            fixes = [cost, columns, entry, gates or None]
            strategy = choose_strategy(strategy, preset, is_fixed=any(x is not None for x in fixes))
            of_gradient = {
                "--seeds": seeds if seeds > 1 else None,
                "--search-learning-rate": search_learning_rate,
                "--lambda-arch": lambda_arch,
                "--lambda-comp": lambda_comp,
            }
            refuse_options_of_others(strategy, {"--contenders": contenders}, of_gradient)
            if table is not None and table.measurement is not None:
                measured = table.measurement.space
                given = {
                    name: getattr(measured, name) if value is None else value
                    for name, value in given.items()
                }
            asked = partial(
                make_settings,
                preset=preset,
                task=make_task(task, task_options),
                color=color,
                data=resolve_data(data),
                budgets=budgets,
                image_size=image_size,
                costs=costs,
                strategy=strategy,
                num_seeds=seeds,
                seed=seed,
                device=device,
                precision=precision,
                compile=compile_ or "auto",
                tensorboard=tensorboard,
                space=given,
                race={"iterations": search_iterations, "contenders": contenders},
                search={
                    **sizes,
                    "iterations": search_iterations,
                    "learning_rate": search_learning_rate,
                    "lambda_arch": lambda_arch,
                    "lambda_comp": lambda_comp,
                },
                train={
                    **sizes,
                    "reduce": reduce,
                    "iterations": iterations,
                    "learning_rate": learning_rate,
                    "validate_every": validate_every,
                },
            )
            # The first process alone measures what is faster, and what fits.
            with live.status("finding out what is fastest here, and what fits"):
                plain = engine.on_first(lambda: asked().to_dict())
            settings = RunSettings.from_dict(plain)
        settings = replace(settings, minutes=minutes if train else None, trains=train)
    console.describe_settings(settings)
    with live.status("reading the pictures"):
        splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
    console.describe_images(splits, settings.color)
    if resume:
        engine.on_first(lambda: go_on_with_pictures(resumed, settings, may_change=changed_data))
    if run is None:

        def make_run() -> str:
            console.say("checking the images and the budgets")
            for loop in (settings.search, settings.train):
                engine.share(loop.batch_size)
            fits = search_iterations is None
            with live.status("checking"):
                run = make_search_run(out, settings, splits, costs, width, stem, fits_race=fits)
            hold(context, run)
            return str(run.path)

        run = Run(Path(engine.on_first(make_run)))
        settings = run.settings()  # a race has had its share of a time that was given
        if not engine.is_first and run.cost.exists():
            costs = costs_here(settings.image_size, read_cost_table(run.cost))
    console.say(f"run folder: {run.path}")
    with live.loop_bars(settings) as listener:
        loop = Loop(
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
            engine=engine,
            say=console.say,
            deadline=deadline,
        )
        if old is not None:
            freeze_again(run, old, costs, engine)
        else:
            run_search(run, splits, costs, loop)
            settings = run.settings()  # a race chooses the space
        console.describe_decision(run.read_decision())
        if train:
            left = minutes if resume else settings.minutes
            settings = fit_minutes(run, settings, left, splits, engine)
            train_network(run, settings, splits, loop)
    if train and engine.is_first:
        print_trained(run, splits, as_json)
    elif as_json and engine.is_first:
        print(run.architecture.read_text(), end="")
