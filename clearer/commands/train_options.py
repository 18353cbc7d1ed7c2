"""The options that only ``clearer train`` has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from clearer.tasks.registry import TASKS
from clearer.terminal.completion import complete_data, complete_networks

__all__ = [
    "BudgetMs",
    "Data",
    "FineTune",
    "Iterations",
    "LearningRate",
    "LevelMap",
    "Out",
    "PresetName",
    "Resume",
    "RunPath",
    "Size",
    "TaskName",
    "Teacher",
    "WarmStart",
]

RunPath = Annotated[
    Path | None,
    typer.Argument(
        metavar="[RUN|NAME]",
        autocompletion=complete_networks,
        help="Run folder, or with --fine-tune a name from clearer zoo; default: the newest "
        "in runs/.",
    ),
]
FineTune = Annotated[
    bool,
    typer.Option(
        "--fine-tune",
        help="Start from the weights of RUN, in a new folder: --out, or one in runs/. On the"
        " validation images the result is never worse than RUN, unless a budget cuts it.",
    ),
]
LevelMap = Annotated[
    bool,
    typer.Option(
        "--level-map",
        help="With --fine-tune: add the noise level as a second input. Give a range of levels: "
        "--sigma 0:75.",
    ),
]
Data = Annotated[
    Path | None,
    typer.Option(
        autocompletion=complete_data,
        help="Folder of images, or a data set, in place of the run's. This, --task and its "
        "options are for a new run: with --fine-tune, --warm-start or --out.",
    ),
]
TaskName = Annotated[
    str | None,
    typer.Option(
        help=f"{', '.join(TASKS)}; default: the run's, with those of its options that are not "
        "given."
    ),
]
PresetName = Annotated[
    Literal["quick", "long", "paper"] | None,
    typer.Option(help="Use the training settings of a preset; default: those of the run."),
]
Iterations = Annotated[int | None, typer.Option(help="Iterations of the training.")]
LearningRate = Annotated[
    float | None,
    typer.Option(
        help="Peak learning rate; default: the run's, and a quarter of that for --fine-tune "
        "and --warm-start, unless a budget cuts the network."
    ),
]
Out = Annotated[Path | None, typer.Option(help="Train the architecture of RUN in this new folder.")]
Resume = Annotated[bool, typer.Option("--resume", help="Resume the training of RUN.")]
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
BudgetMs = Annotated[
    float | None,
    typer.Option(help="Limit in milliseconds per image of --size, measured here."),
]
Size = Annotated[
    str | None,
    typer.Option(
        help="HEIGHTxWIDTH of the image for --budget-ms and --budget-gmacs; default: 256x256."
    ),
]
