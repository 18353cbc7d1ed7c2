"""The ``clearer`` command: parse, call, print."""

from __future__ import annotations

import functools
import json
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from clearer import __version__, console
from clearer.errors import InputError, explain

if TYPE_CHECKING:
    from clearer.data import Splits
    from clearer.run import Run

__all__ = ["app", "main"]

app = typer.Typer(
    name="clearer",
    help="Find, train and ship an image restoration network that fits a budget.",
    epilog="\b\nStart with:\n  clearer search --budget-mb 5\n  clearer export\n  clearer bench",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

RunArgument = Annotated[
    Path | None, typer.Argument(metavar="[RUN]", help="Run folder; default: the newest in runs/.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
CheckpointSeconds = Annotated[
    float, typer.Option(help="Seconds between checkpoints, from which --resume goes on.", min=0)
]


BatchSize = Annotated[int | None, typer.Option(help="Patches in a batch.", max=4096)]
PatchSize = Annotated[
    int | None, typer.Option(help="Side of a training patch; a multiple of 8 (16 for a stem of 2).")
]
ValidateEvery = Annotated[int | None, typer.Option(help="Iterations between validations.", min=1)]


def _examples(*commands: str) -> str:
    """Epilog of a help page; the mark keeps the lines apart."""
    return "\n".join(["\b", "Examples:", *(f"  {command}" for command in commands)])


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors into one line and an exit code, or a traceback where --debug is given."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except typer.Exit:
            raise
        except (Exception, KeyboardInterrupt) as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            message, code = explain(error)
            console.warn(message)
            raise typer.Exit(code) from error

    return wrapper


def _version(value: bool) -> None:
    if value:
        print(f"clearer {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


@app.command(
    epilog=_examples(
        "clearer search --budget-mb 5",
        "clearer search --data photos --sigma 50 --budget-params 1e6",
        "clearer search --resume --out runs/20261123-195507",
    )
)
@_reported
def search(
    context: typer.Context,
    budget_mb: Annotated[
        float | None, typer.Option(help="Largest ONNX file in MB (10**6 bytes), fp32.")
    ] = None,
    budget_params: Annotated[float | None, typer.Option(help="Most trained parameters.")] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images: with train/ and, optionally, val/ and test/, or flat. "
            "Default: built-in photographs and synthetic images."
        ),
    ] = None,
    sigma: Annotated[float, typer.Option(help="Noise level on the scale 0 to 255.")] = 25.0,
    color: Annotated[Literal["gray", "rgb"], typer.Option(help="What to restore.")] = "gray",
    preset: Annotated[
        Literal["quick", "paper"],
        typer.Option(help="quick: about five minutes on two cores; paper: days there."),
    ] = "quick",
    width: Annotated[
        int | None, typer.Option(help="Channels of the finest scale; default: by the budget.")
    ] = None,
    stem: Annotated[
        int | None, typer.Option(help="1, or 2 to work at half resolution: faster, less exact.")
    ] = None,
    search_iterations: Annotated[
        int | None, typer.Option(help="Iterations of the search; default: the preset's.")
    ] = None,
    iterations: Annotated[
        int | None, typer.Option(help="Iterations of the training; default: the preset's.")
    ] = None,
    validate_every: ValidateEvery = None,
    batch_size: BatchSize = None,
    patch_size: PatchSize = None,
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
    train: Annotated[bool, typer.Option(help="Train the network after the search.")] = True,
    out: Annotated[
        Path | None, typer.Option(help="Run folder to make (or to resume); default: runs/<time>.")
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with an interrupted run (--out, or the newest).")
    ] = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Search under a hard budget, freeze the architecture, train it."""
    from clearer.budget import Budget
    from clearer.data import load_splits
    from clearer.export.to_onnx import file_mb
    from clearer.files import read_json
    from clearer.run import Run
    from clearer.train import train as train_network
    from clearer.workflow import check_inputs, make_settings, search_run

    limits = {"mb": budget_mb, "params": budget_params}
    if resume:
        _refuse_other_options(context)
        run = Run.open(out)
        settings = run.settings()
    else:
        run = None
        if lambda_comp is not None and any(limits.values()):
            raise InputError("--lambda-comp is for a search without budget: a budget sets its own")
        sizes = {"batch_size": batch_size, "patch_size": patch_size}
        settings = make_settings(
            preset=preset,
            sigma_255=sigma,
            color=color,
            data=data,
            budgets=tuple(
                Budget(metric=metric, limit=limit)  # type: ignore[arg-type]
                for metric, limit in limits.items()
                if limit is not None
            ),
            seed=seed,
            device=device,
            precision=precision,
            space={"width": width, "stem": stem},
            search={
                **sizes,
                "iterations": search_iterations,
                "learning_rate": search_learning_rate,
                "lambda_arch": lambda_arch,
                "lambda_comp": lambda_comp,
            },
            train={
                **sizes,
                "iterations": iterations,
                "learning_rate": learning_rate,
                "validate_every": validate_every,
            },
        )
    console.describe_settings(settings)
    splits = load_splits(settings.data, settings.color, settings.seed)
    console.describe_images(splits, settings.color)
    if run is None:
        console.say("checking the images and the smallest file against the budget")
        check_inputs(settings, splits, file_mb)
        run = Run.create(out, settings)
    console.say(f"run folder: {run.path}")
    with console.loop_bars(settings) as listener:
        search_run(
            run,
            splits,
            file_mb,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
        )
        console.describe_decision(read_json(run.architecture))
        if train:
            train_network(
                run,
                settings,
                splits,
                resume=resume,
                checkpoint_seconds=checkpoint_seconds,
                listener=listener,
            )
    if train:
        _print_trained(run, splits, as_json)
    elif as_json:
        print(run.architecture.read_text(), end="")


@app.command(
    epilog=_examples(
        "clearer train",
        "clearer train --resume",
        "clearer train runs/20261123-195507 --iterations 20000 --out runs/longer",
    )
)
@_reported
def train(
    run_path: RunArgument = None,
    preset: Annotated[
        Literal["quick", "paper"] | None,
        typer.Option(help="Training settings of a preset; default: of the run."),
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Iterations of the training.")] = None,
    validate_every: ValidateEvery = None,
    batch_size: BatchSize = None,
    patch_size: PatchSize = None,
    learning_rate: Annotated[float | None, typer.Option(help="Peak learning rate.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Train the architecture of RUN in this new folder.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with RUN's training.")] = False,
    checkpoint_seconds: CheckpointSeconds = 60.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Train the frozen architecture of a run from scratch, or go on."""
    from clearer.data import load_splits
    from clearer.run import Run
    from clearer.train import train as train_network
    from clearer.workflow import prepare_training

    changes = {
        "iterations": iterations,
        "batch_size": batch_size,
        "patch_size": patch_size,
        "learning_rate": learning_rate,
        "validate_every": validate_every,
    }
    run = prepare_training(Run.open(run_path), out, preset, changes, resume=resume)
    settings = run.settings()
    console.say(f"run folder: {run.path}")
    splits = load_splits(settings.data, settings.color, settings.seed)
    console.describe_images(splits, settings.color)
    with console.loop_bars(settings) as listener:
        train_network(
            run,
            settings,
            splits,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
        )
    _print_trained(run, splits, as_json)


@app.command(
    epilog=_examples(
        "clearer export",
        "clearer export runs/20261123-195507 --json",
    )
)
@_reported
def export(run_path: RunArgument = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Write the trained network as ONNX, checked against torch."""
    from clearer.export.export import export_run
    from clearer.run import Run

    run = Run.open(run_path)
    with console.status("exporting and comparing with torch"):
        report = export_run(run)
    if as_json:
        print(json.dumps(report, indent=2))
        return
    console.print_export(run, report)


@app.command(
    epilog=_examples(
        "clearer bench",
        "clearer bench --data photos/test --against other.onnx --size 321x481",
    )
)
@_reported
def bench(
    run_path: RunArgument = None,
    data: Annotated[
        Path | None,
        typer.Option(help="Folder of images (its test/ or val/, or itself); default: the run's."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another image-to-image ONNX file to measure; may be repeated."),
    ] = None,
    size: Annotated[
        str, typer.Option(help="HEIGHTxWIDTH of the images that are timed.")
    ] = "256x256",
    runs: Annotated[int, typer.Option(help="Timed calls per row.", min=3)] = 100,
    max_seconds: Annotated[
        float, typer.Option(help="Time per row, after which it is timed no more.", min=0.1)
    ] = 10.0,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Measure PSNR against milliseconds per image.

    Beside the network in torch and as ONNX stand non-local means and the files of --against.
    """
    from clearer.bench.bench import BenchSettings, bench_run
    from clearer.run import Run

    height, width = _parse_size(size)
    settings = BenchSettings(
        data=data,
        against=tuple(against or ()),
        height=height,
        width=width,
        num_runs=runs,
        max_seconds=max_seconds,
    )
    run = Run.open(run_path)
    with console.progress_bar() as progress:
        task = progress.add_task("loading", total=None, note="")

        def listener(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        report = bench_run(run, settings, listener)
    for line in report["skipped"]:
        console.say(line)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        console.print_bench(run, report)


_RESUMABLE = {"out", "resume", "train", "checkpoint_seconds", "as_json", "debug"}


def _refuse_other_options(context: typer.Context) -> None:
    """A resumed run keeps its settings: an option that would change one is an error."""
    for name in context.params:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE" and name not in _RESUMABLE:
            option = name.replace("_", "-")
            raise InputError(f"--resume goes on with the settings of the run: leave out --{option}")


_MAX_SIDE = 8192


def _parse_size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--size {text!r} is not HEIGHTxWIDTH, like 321x481")
    if not (0 < int(height) <= _MAX_SIDE and 0 < int(width) <= _MAX_SIDE):
        raise InputError(f"--size {text!r}: both sides must lie in 1..{_MAX_SIDE}")
    return int(height), int(width)


def _print_trained(run: Run, splits: Splits, as_json: bool) -> None:
    """Validation figures of a trained run, beside the input and classical denoising."""
    from clearer.bench.bench import reference_qualities
    from clearer.estimate import preset_hours
    from clearer.network import load_network

    _, info = load_network(run.weights)
    settings = run.settings()
    with console.status("non-local means on the same images"):
        rows = reference_qualities(splits.val, settings.task)
    rows["this network"] = {"psnr_db": info["val_psnr_db"], "ssim": info["val_ssim"]}
    if as_json:
        text = run.read_architecture().text
        result = {"run": str(run.path), "architecture": text, "validation": rows, "info": info}
        print(json.dumps(result, indent=2))
        return
    title = f"{settings.task.text}; {len(splits.val)} validation images of {splits.source}"
    console.print_quality(title, rows)
    print(f"written: {run.weights}; next: clearer export {run.path}")
    if settings.preset != "paper":
        hours = preset_hours(run, "paper")
        console.say(f"the paper preset would take about {hours:,.0f} hours here, judged by MACs")


def main() -> None:
    """Run the command line."""
    app()


if __name__ == "__main__":
    main()
