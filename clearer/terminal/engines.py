"""The engines of ``clearer export``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from clearer.errors import ClearerError, InputError
from clearer.terminal import console, live

if TYPE_CHECKING:
    from clearer.export.engine import EngineSettings

__all__ = ["ProfileText", "TensorRt", "TensorRtRtx", "engine_settings", "make_engines"]

TensorRt = Annotated[
    bool, typer.Option("--trt", help="Also build TensorRT engines, for the GPU of this machine.")
]
TensorRtRtx = Annotated[
    bool,
    typer.Option(
        "--trt-rtx", help="Also build TensorRT-RTX engines, for any RTX card; needs no GPU."
    ),
]
ProfileText = Annotated[
    str | None,
    typer.Option(
        "--profile",
        help="Sizes that engines take: MIN,OPT,MAX, each NxHxW; default: "
        "1x16x16,1x512x512,1x1088x1920.",
    ),
]


def engine_settings(trt: bool, trt_rtx: bool, profile: str | None) -> list[EngineSettings]:
    """What to build, by the options of the command: nothing, one or both flavours.

    Raises:
        InputError: If the profile cannot be understood, or is given for nothing.
    """
    if not (trt or trt_rtx):
        if profile is not None:
            raise InputError("--profile is for engines: give --trt or --trt-rtx too")
        return []
    from clearer.export.engine import EngineSettings
    from clearer.export.engine_library import Flavour
    from clearer.export.engine_profile import DEFAULT_PROFILE, EngineProfile

    sizes = EngineProfile.from_text(profile or DEFAULT_PROFILE)
    flavours: dict[Flavour, bool] = {"tensorrt": trt, "tensorrt-rtx": trt_rtx}
    return [EngineSettings(flavour=f, profile=sizes) for f, wanted in flavours.items() if wanted]


def make_engines(
    files: list[Path], wanted: list[EngineSettings]
) -> tuple[list[dict[str, Any]], ClearerError | None]:
    """Build all that can be built.

    Args:
        files: What was exported; the ONNX files among it are taken.
        wanted: From :func:`engine_settings`.

    Returns:
        The records of the engines, and the error that kept others from being built.
    """
    from clearer.export.engine import build_engines

    onnx_files = [path for path in files if path.suffix == ".onnx"]
    rows: list[dict[str, Any]] = []
    problems = []
    for settings in wanted:
        with live.status(f"building with {settings.flavour}"):
            try:
                built, failed = build_engines(onnx_files, settings, console.say)
            except ClearerError as error:
                built, failed = [], [str(error)]
        rows += built
        problems += [f"no {settings.flavour} engine: {reason}" for reason in failed]
    return rows, ClearerError("; ".join(problems)) if problems else None
