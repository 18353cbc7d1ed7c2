"""Options that several commands have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

import typer

from clearer.errors import InputError

__all__ = [
    "DEFAULT_SIZE",
    "AsJson",
    "BatchSize",
    "BudgetGmacs",
    "BudgetMb",
    "BudgetParams",
    "BudgetPrecision",
    "ChangedData",
    "CheckpointSeconds",
    "Columns",
    "CompileOption",
    "Debug",
    "Devices",
    "Gates",
    "LevelMap",
    "Minutes",
    "MinutesNow",
    "Nodes",
    "Operations",
    "PatchSize",
    "Reduce",
    "Size",
    "StemOption",
    "ValidateEvery",
    "backend_option",
    "parse_columns",
    "parse_operations",
    "parse_size",
]

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON on stdout.")]
Debug = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
CheckpointSeconds = Annotated[
    float, typer.Option(help="Seconds between checkpoints, from which --resume continues.", min=0)
]
BatchSize = Annotated[int | None, typer.Option(help="Patches in a batch.", min=1, max=4096)]
BudgetMb = Annotated[float | None, typer.Option(help="Largest ONNX file in MB (10**6 bytes).")]
BudgetGmacs = Annotated[
    float | None,
    typer.Option(help="Limit in 10**9 multiply-accumulates (GMACs) per image of --size."),
]
BudgetParams = Annotated[float | None, typer.Option(help="Limit on trained parameters.")]
BudgetPrecision = Annotated[
    Literal["fp32", "fp16", "int8"],
    typer.Option(
        help="Precision of the file that --budget-mb and --budget-ms limit. Files in fp16 and "
        "int8 are timed with OpenVINO where it is installed."
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="N,N,...",
        help="Columns of each cell; every cell adds a scale. Default: 4,4,4, the paper's.",
    ),
]
Operations = Annotated[
    str | None,
    typer.Option(
        metavar="NAME,NAME,...",
        help="Operations that a column chooses between. Default: parallel,fusion, the paper's.",
    ),
]
StemOption = Annotated[
    Literal["bottlenecks", "conv"] | None,
    typer.Option(
        "--stem",
        help="Layers before the first cell: the paper's two bottlenecks, or one convolution "
        "(faster). Default: the preset's.",
    ),
]
Gates = Annotated[
    bool,
    typer.Option("--gates", help="Each scale of a column may compute, fuse or pass through."),
]
LevelMap = Annotated[
    bool,
    typer.Option(
        "--level-map",
        help="Give the network the noise level as a second input: one network for all levels, "
        "such as --sigma 0:75.",
    ),
]
PatchSize = Annotated[
    int | None,
    typer.Option(help="Side of a training patch; a multiple of 8 (16 with --unshuffle 2)."),
]
ValidateEvery = Annotated[int | None, typer.Option(help="Iterations between validations.", min=1)]
Minutes = Annotated[
    float | None,
    typer.Option(
        help="Train for as many iterations as fit into this time, at the current speed of this "
        "machine."
    ),
]
CompileOption = Annotated[
    Literal["auto", "on", "off"] | None,
    typer.Option(
        "--compile",
        help="Use torch.compile. auto (default): for the training, if that is measured to finish"
        " sooner; on: also for the paper's search.",
    ),
]
Reduce = Annotated[
    float | None,
    typer.Option(
        help="Cut half of the training patches from pictures downscaled by a factor from 1 to "
        "this (at most 4), for JPEG pictures, which store colours coarsely. Default: that "
        "of the preset or the run, 1.",
        min=1,
        max=4,
    ),
]
MinutesNow = Annotated[
    float | None,
    typer.Option(
        help="Work for this many minutes, then stop at a checkpoint with exit code 0; --resume "
        "continues. The schedule stays that of the whole run."
    ),
]
ChangedData = Annotated[
    bool,
    typer.Option(
        "--changed-data",
        help="With --resume: continue although pictures were added, removed or changed.",
    ),
]
Devices = Annotated[
    int | None,
    typer.Option(
        help="Processes on this machine, one per GPU, that share each batch; default: 1, or what"
        " torchrun or srun started.",
        min=1,
    ),
]
Nodes = Annotated[
    int | None, typer.Option(help="Machines; default: 1, or what the launcher says.", min=1)
]
Size = Annotated[str, typer.Option(help="HEIGHTxWIDTH of the image that is timed.")]
DEFAULT_SIZE = "256x256"


def backend_option(names: Sequence[str], text: str) -> Any:
    """An option that takes a backend by name; unknown names are refused when it is looked up."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    return typer.Option(metavar=f"[{'|'.join(names)}]", autocompletion=complete, help=text)


def parse_size(text: str) -> tuple[int, int]:
    """Height and width from text like 321x481.

    Raises:
        InputError: If the text does not have this form, or a side is out of range.
    """
    from clearer.planning.request_checks import check_size

    height, _, width = text.lower().partition("x")
    if not (height.isdecimal() and width.isdecimal()):
        raise InputError(f"--size {text!r} is not HEIGHTxWIDTH, like 321x481")
    size = int(height), int(width)
    check_size(size)
    return size


def parse_columns(text: str | None) -> tuple[int, ...] | None:
    """Columns of each cell from text like 4,2; None for None.

    Raises:
        InputError: If the text does not have this form.
    """
    if text is None:
        return None
    words = text.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise InputError(f"--columns {text!r} is not a list of numbers, like 4,4,4")
    return tuple(int(word) for word in words)


def parse_operations(text: str | None) -> tuple[str, ...] | None:
    """Names of operations from text like parallel,fusion; None for None."""
    return None if text is None else tuple(word.strip() for word in text.split(","))
