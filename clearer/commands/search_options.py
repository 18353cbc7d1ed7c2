"""The options that only ``clearer search`` has, and which of them were typed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer.errors import InputError
from clearer.tasks.registry import TASKS
from clearer.terminal.completion import complete_data, complete_runs

__all__ = [
    "BudgetMs",
    "ColorOption",
    "Contenders",
    "Cost",
    "Data",
    "DeviceOption",
    "Iterations",
    "LambdaArch",
    "LambdaComp",
    "LearningRate",
    "Out",
    "PrecisionOption",
    "PresetName",
    "Resume",
    "SearchIterations",
    "SearchLearningRate",
    "Seed",
    "Seeds",
    "Source",
    "StrategyOption",
    "TaskName",
    "TensorboardOption",
    "Train",
    "Unshuffle",
    "Width",
    "is_given",
    "refuse_other_options",
]

BudgetMs = Annotated[
    float | None,
    typer.Option(help="Limit in milliseconds per image of --size, measured here or by --cost."),
]
Cost = Annotated[
    Path | None,
    typer.Option(
        help="Cost table of clearer profile for --budget-ms; it sets the space. "
        "Default: this machine is measured, ONNX Runtime on its CPU."
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        autocompletion=complete_data,
        help="Folder of images: flat, or with train/ and, optionally, val/ and test/; or the "
        "name of a data set (clearer data list). Default: built-in photographs and "
        "synthetic images.",
    ),
]
TaskName = Annotated[
    str, typer.Option(help=f"What to undo: {', '.join(TASKS)}; see clearer tasks.")
]
ColorOption = Annotated[Literal["gray", "rgb"], typer.Option(help="What to restore.")]
PresetName = Annotated[
    Literal["quick", "long", "paper"],
    typer.Option(
        help="quick: about ten minutes on two CPU cores; long: the time given by --minutes, a "
        "quarter of it for the race; paper: days."
    ),
]
Width = Annotated[
    int | None, typer.Option(help="Channels of the finest scale; default: by the budget.")
]
Unshuffle = Annotated[
    int | None, typer.Option(help="1, or 2 to work at half resolution: faster, less accurate.")
]
StrategyOption = Annotated[
    Literal["race", "gradient", "random"] | None,
    typer.Option(
        help="race: U-shaped networks within the budgets compete; gradient: the paper's "
        "search, in one space; random: drawn at random from that space. Default: race, or "
        "gradient with --preset paper, --cost, --columns, --operations, --stem or --gates."
    ),
]
Contenders = Annotated[
    int | None, typer.Option(help="Networks in the race; default: the preset's.", min=2, max=64)
]
Seeds = Annotated[
    int,
    typer.Option(
        help="Number of searches, with seeds from --seed on, whose op weights are averaged.", min=1
    ),
]
Source = Annotated[
    Path | None,
    typer.Option(
        "--from",
        autocompletion=complete_runs,
        help="Reuse the search of this run: freeze another architecture, under other budgets.",
    ),
]
SearchIterations = Annotated[
    int | None,
    typer.Option(
        help="Iterations of the search (of a race: of all its networks in total); default: the "
        "preset's."
    ),
]
Iterations = Annotated[
    int | None, typer.Option(help="Iterations of the training; default: the preset's.")
]
LearningRate = Annotated[float | None, typer.Option(help="Peak learning rate of the training.")]
SearchLearningRate = Annotated[
    float | None, typer.Option(help="Peak learning rate of the network weights in the search.")
]
LambdaArch = Annotated[
    float | None, typer.Option(help="Weight of the entropy loss of the choices.")
]
LambdaComp = Annotated[
    float | None,
    typer.Option(help="Weight of the cost, in millions of parameters; only without a budget."),
]
Seed = Annotated[int, typer.Option(help="Seed of all randomness.", min=0, max=2**31)]
DeviceOption = Annotated[Literal["auto", "cpu", "cuda"], typer.Option(help="Where to compute.")]
PrecisionOption = Annotated[
    Literal["auto", "fp32", "bf16"],
    typer.Option(
        help="Precision of the forward and backward pass; auto: whichever is faster here."
    ),
]
TensorboardOption = Annotated[
    bool, typer.Option("--tensorboard", help="Write logs for TensorBoard, in the run folder.")
]
Train = Annotated[
    bool | None,
    typer.Option(
        "--train/--no-train",
        help="Train the network after the search. Default: yes; with --resume, as the run was "
        "started.",
    ),
]
Out = Annotated[
    Path | None,
    typer.Option(
        help="Run folder to create (or to resume); default: in runs/, named by task and budgets,"
        " such as runs/denoise-s25-5mb-0."
    ),
]
Resume = Annotated[
    bool, typer.Option("--resume", help="Resume an interrupted run (--out, or the newest).")
]


def is_given(context: typer.Context, name: str) -> bool:
    """Whether the user typed the option of a parameter, even with its default value."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def refuse_other_options(context: typer.Context, *, resume: bool, refreezes: bool) -> None:
    """Refuse options that a resumed run or a reused search does not take.

    The request refuses what differs from a default; on the command line, a typed default is refused
    as well.

    Raises:
        InputError: For the first such option.
    """
    from clearer.api.search_request import REFREEZABLE, RESUMABLE

    if resume:
        allowed, reason = RESUMABLE, "--resume continues with the settings of the run"
    elif refreezes:
        allowed, reason = REFREEZABLE, "--from keeps the search of that run"
    else:
        return
    names = {parameter.name: parameter.opts[0] for parameter in context.command.params}
    for name in context.params:
        if is_given(context, name) and name not in {*allowed, "as_json", "debug"}:
            raise InputError(f"{reason}: leave out {names[name]}")
