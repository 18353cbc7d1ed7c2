"""The ``clearer`` command: parse, call, print."""

from __future__ import annotations

import contextlib
import functools
import json
import math
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from clearer import __version__
from clearer.errors import ClearerError, InputError, describe_os_error

if TYPE_CHECKING:
    from clearer.data import Splits
    from clearer.images import ImageSet
    from clearer.progress import Listener
    from clearer.progress import Progress as LoopProgress
    from clearer.run import Run
    from clearer.settings import RunSettings

__all__ = ["app", "main"]

app = typer.Typer(
    name="clearer",
    help="Find, train and ship an image restoration network that fits a budget.",
    epilog="Start with: clearer search --budget-mb 5, then clearer export, then clearer bench.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
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


_DECIDED = 0.5
"""Gap between the op weights of a column from which on it is shown as decided."""

ValidateEvery = Annotated[
    int | None, typer.Option(help="Iterations between validations.", min=1)
]


def _stderr() -> Console:
    return Console(stderr=True)


def _fail(message: str, code: int) -> NoReturn:
    _stderr().print(f"[bold red]error:[/] {_plain(message)}", soft_wrap=True, highlight=False)
    raise typer.Exit(code)


def _plain(text: str) -> str:
    """Text without rich's markup: names of files may hold brackets."""
    return text.replace("[", "\\[")


def _reported(command: Callable[..., None]) -> Callable[..., None]:
    """Turn errors into one line and an exit code, or a traceback where --debug is given."""

    @functools.wraps(command)
    def wrapper(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except (ClearerError, OSError, MemoryError, KeyboardInterrupt) as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            if isinstance(error, ClearerError):
                _fail(str(error), error.exit_code)
            if isinstance(error, KeyboardInterrupt):
                _fail("interrupted; a run goes on from its last checkpoint by --resume", 130)
            if isinstance(error, MemoryError):
                _fail("out of memory: lower --batch-size or the size of the images", 1)
            _fail(describe_os_error(error), 1)

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
    epilog="Examples: clearer search --budget-mb 5 | clearer search --data photos --sigma 50 "
    "--budget-params 1e6 | clearer search --resume --out runs/20261123-195507"
)
@_reported
def search(
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
    color: Annotated[str, typer.Option(help="gray or rgb.")] = "gray",
    preset: Annotated[
        str, typer.Option(help="quick (about five minutes on two cores) or paper.")
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
    batch_size: Annotated[int | None, typer.Option(help="Patches in a batch.")] = None,
    patch_size: Annotated[int | None, typer.Option(help="Side of a training patch.")] = None,
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
    seed: Annotated[int, typer.Option(help="Of all randomness.", min=0)] = 0,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    precision: Annotated[
        str, typer.Option(help="fp32, bf16, or auto: what is faster here.")
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
    """Search under a hard budget, freeze the best architecture, train it."""
    from clearer.budget import Budget
    from clearer.export.to_onnx import file_mb
    from clearer.run import Run
    from clearer.train import train as train_network
    from clearer.workflow import check_inputs, make_settings, search_run

    limits = {"mb": budget_mb, "params": budget_params}
    if resume:
        run = Run.open(out)
        settings = run.settings()
    else:
        run = None
        if color not in ("gray", "rgb"):
            raise InputError(f"unknown color {color!r}: use gray or rgb")
        if lambda_comp is not None and any(limits.values()):
            raise InputError("--lambda-comp is for a search without budget: a budget sets its own")
        sizes = {"batch_size": batch_size, "patch_size": patch_size}
        settings = make_settings(
            preset=preset,
            sigma_255=sigma,
            color=color,  # type: ignore[arg-type]
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
    _describe(settings)
    splits = _load_images(settings)
    if run is None:
        check_inputs(settings, splits, file_mb)
        run = Run.create(out, settings)
    _say(f"run folder: {run.path}")
    with _bars(settings) as listener:
        architecture = search_run(
            run,
            splits,
            file_mb,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
        )
        _say(f"architecture {architecture.text}, {_met(run)}")
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
        _print_trained(run, splits.val, as_json)
    elif as_json:
        print(run.architecture.read_text(), end="")


@app.command(
    epilog="Examples: clearer train | clearer train --resume | clearer train runs/20261123-195507 "
    "--iterations 20000 --out runs/longer"
)
@_reported
def train(
    run_path: RunArgument = None,
    preset: Annotated[
        str | None, typer.Option(help="Training settings of a preset; default: of the run.")
    ] = None,
    iterations: Annotated[int | None, typer.Option(help="Iterations of the training.")] = None,
    validate_every: ValidateEvery = None,
    batch_size: Annotated[int | None, typer.Option(help="Patches in a batch.")] = None,
    patch_size: Annotated[int | None, typer.Option(help="Side of a training patch.")] = None,
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
    _say(f"run folder: {run.path}")
    splits = _load_images(settings)
    with _bars(settings) as listener:
        train_network(
            run,
            settings,
            splits,
            resume=resume,
            checkpoint_seconds=checkpoint_seconds,
            listener=listener,
        )
    _print_trained(run, splits.val, as_json)


@app.command(epilog="Examples: clearer export | clearer export runs/20261123-195507 --json")
@_reported
def export(run_path: RunArgument = None, as_json: AsJson = False, debug: Debug = False) -> None:
    """Write the trained network as ONNX, checked against torch."""
    from clearer.export.export import export_run
    from clearer.run import Run

    run = Run.open(run_path)
    with _stderr().status("exporting and comparing with torch"):
        report = export_run(run)
    if as_json:
        print(json.dumps(report, indent=2))
        return
    for file in report["files"]:
        table = Table(title=f"{run.path / file['file']}: {file['bytes'] / 1e6:.3f} MB")
        for column in ("input", "largest difference to torch", "mean difference"):
            table.add_column(column, justify="right")
        for row in file["parity"]:
            shape = "x".join(map(str, row["shape"]))
            table.add_row(shape, f"{row['max_abs']:.1e}", f"{row['mean_abs']:.1e}")
        Console().print(table)


@app.command(
    epilog="Examples: clearer bench | clearer bench --data photos/test --against other.onnx "
    "--size 321x481"
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
    """Measure PSNR against milliseconds per image, beside non-local means and other models."""
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
    with _progress() as progress:
        task = progress.add_task("loading", total=None, note="")

        def listener(what: str, done: int, total: int) -> None:
            progress.update(task, description=what, completed=done, total=total)

        report = bench_run(run, settings, listener)
    for line in report["skipped"]:
        _say(line)
    if as_json:
        print(json.dumps(report, indent=2))
    else:
        _print_bench(run, report)


def _parse_size(text: str) -> tuple[int, int]:
    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal() and int(height) and int(width)):
        raise InputError(f"--size {text!r} is not HEIGHTxWIDTH, like 321x481")
    return int(height), int(width)


def _say(line: str) -> None:
    _stderr().print(_plain(line), soft_wrap=True, highlight=False)


def _describe(settings: RunSettings) -> None:
    from clearer.settings import PRESETS

    search_, train_ = settings.search, settings.train
    _say(
        f"{settings.task.text}, {settings.color}; preset {settings.preset} "
        f"({PRESETS[settings.preset].time}): {search_.iterations} search and {train_.iterations} "
        f"training iterations; {settings.device}, {settings.precision}, seed {settings.seed}"
    )
    limits = ", ".join(f"at most {b.text(b.limit)}" for b in settings.budgets)
    space = settings.space
    _say(
        f"space: width {space.width}, stem {space.stem}, {space.num_scales} scales, "
        f"2^{space.num_columns} architectures; {limits or 'no budget'}"
    )


def _load_images(settings: RunSettings) -> Splits:
    from clearer.data import load_splits

    splits = load_splits(settings.data, settings.color, settings.seed)
    _say(
        f"images, {settings.color}: {splits.source}: {len(splits.train)} to train on, "
        f"{len(splits.val)} to validate, {len(splits.test)} to test"
    )
    return splits


def _met(run: Run) -> str:
    from clearer.files import read_json

    decision = read_json(run.architecture)
    met = [f"{b['measured']:,.6g} of {b['limit']:,.6g} {b['metric']}" for b in decision["budgets"]]
    return ", ".join([f"{decision['params']:,.0f} parameters", *met])


def _progress() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
        console=_stderr(),
    )


@contextlib.contextmanager
def _bars(settings: RunSettings) -> Iterator[Listener]:
    """A progress bar per loop; where no terminal listens, a line now and then."""
    tasks: dict[str, TaskID] = {}
    with _progress() as progress:

        def listener(state: LoopProgress) -> None:
            note = _note(settings, state.record)
            if progress.console.is_terminal:
                if state.stage not in tasks:
                    tasks[state.stage] = progress.add_task(state.stage, total=state.total, note="")
                    progress.reset(tasks[state.stage], completed=state.iteration - 1)
                progress.update(tasks[state.stage], completed=state.iteration, note=note)
            elif state.iteration % max(1, state.total // 10) == 0:
                _say(f"{state.stage} {state.iteration}/{state.total}  {note}")

        yield listener


def _note(settings: RunSettings, record: dict[str, Any]) -> str:
    """The newest line of a log in a few words."""
    if "val_psnr_db" in record:
        return f"validation {record['val_psnr_db']:.2f} dB, SSIM {record['val_ssim']:.4f}"
    if "loss" in record:
        return f"PSNR of training patches {-10 * math.log10(record['loss']):.2f} dB"
    if "op_weights" not in record:
        return ""
    pairs = zip(settings.budgets, record["expected_cost"], strict=False)
    costs = [f"expected {b.text(cost)} of {b.text(b.limit)}" for b, cost in pairs]
    return "  ".join([f"loss {record['loss_res']:.2e}", *costs, _leaning(record["op_weights"])])


def _leaning(op_weights: list[list[float]]) -> str:
    """A letter per column, P or F; small while it is undecided."""
    letters = []
    for parallel, fusion in op_weights:
        letter = "p" if parallel >= fusion else "f"
        letters.append(letter.upper() if abs(parallel - fusion) > _DECIDED else letter)
    return "".join(letters)


def _print_trained(run: Run, images: ImageSet, as_json: bool) -> None:
    """Validation figures of a trained run, beside the input and classical denoising."""
    from clearer.bench.bench import reference_qualities
    from clearer.estimate import preset_hours
    from clearer.network import load_network

    _, info = load_network(run.weights)
    task = run.settings().task
    with _stderr().status("non-local means on the same images"):
        rows = reference_qualities(images, task)
    rows["this network"] = {"psnr_db": info["val_psnr_db"], "ssim": info["val_ssim"]}
    if as_json:
        result = {"run": str(run.path), "validation": rows, "info": info}
        print(json.dumps({**result, "architecture": run.read_architecture().text}, indent=2))
        return
    table = Table(title=f"{task.text}; {len(images)} validation images of {info['data']}")
    for column in ("", "PSNR, dB", "SSIM"):
        table.add_column(column, justify="right" if column else "left")
    for name, row in rows.items():
        table.add_row(name, f"{row['psnr_db']:.2f}", f"{row['ssim']:.4f}")
    Console().print(table)
    print(f"trained: {run.weights}; next: clearer export {run.path}")
    if run.settings().preset != "paper":
        hours = preset_hours(run, "paper")
        _say(f"the paper preset would take about {hours:,.0f} hours here (estimated by MACs)")


def _print_bench(run: Run, report: dict[str, Any]) -> None:
    height, width = report["timed_shape"][2:]
    title = f"{report['task']}; {report['data']}, {report['num_images']} images"
    device = f"{report['device']}; times of one {width}x{height} image"
    table = Table(title=title, caption=device)
    headers = ("", "backend", "PSNR, dB", "SSIM", "median ms", "p95 ms", "n", "threads", "MB")
    for index, header in enumerate(headers):
        table.add_column(header, justify="left" if index < 2 else "right")
    given = report["input"]
    table.add_row("input", "", f"{given['psnr_db']:.2f}", f"{given['ssim']:.4f}")
    for row in report["rows"]:
        megabytes = "" if row["file_bytes"] is None else f"{row['file_bytes'] / 1e6:.2f}"
        table.add_row(
            row["name"],
            f"{row['backend']}, {row['precision']}",
            f"{row['psnr_db']:.2f}",
            f"{row['ssim']:.4f}",
            f"{row['median_ms']:.1f}",
            f"{row['p95_ms']:.1f}",
            str(row["n"]),
            str(row["threads"]),
            megabytes,
        )
    Console().print(table)
    print(f"written: {run.bench_report}, {run.path / 'bench.png'}, {run.path / 'restored.png'}")


def main() -> None:
    """Run the command line."""
    app()
