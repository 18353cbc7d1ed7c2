"""Write a trained network as files that run elsewhere, each checked against torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Final

from clearer.api.watch import SILENT, Watch
from clearer.errors import ClearerError, InputError
from clearer.export.artefacts import ExportSettings
from clearer.export.engine import EngineSettings, build_engines
from clearer.export.engine_library import Flavour
from clearer.export.engine_profile import DEFAULT_PROFILE, EngineProfile
from clearer.export.engine_record import BuiltEngine
from clearer.export.export import ExportFailed, check_level, export_run
from clearer.export.export_record import ExportRecord
from clearer.export.graph_nodes import OPSET
from clearer.runs.run import Run
from clearer.runs.run_lock import lock_run
from clearer.support.files import as_path
from clearer.zoo.catalogue import ZooNetwork
from clearer.zoo.found import OnnxFile, WeightsFile, find_model

__all__ = ["ExportIncomplete", "Exported", "export_network"]

# The check runs torch on it, which takes some gigabytes for a 4K picture.
_MAX_PIXELS: Final = 2**23


@dataclass(frozen=True, slots=True)
class Exported:
    """What an export wrote."""

    run: Run
    """The run; the files are in its folder."""
    report: ExportRecord
    """The content of ``export.json``."""
    engines: list[BuiltEngine]
    """Engines that were built, or reused."""

    @property
    def files(self) -> list[Path]:
        """The files that agree with torch, the fp32 ONNX file first."""
        return [
            self.run.path / row["file"] for row in self.report["files"] if row["check"]["passed"]
        ]


class ExportIncomplete(ClearerError):  # noqa: N818 - the other files can be used
    """A file failed its check, or an engine could not be built; what passed is in place.

    Args:
        reason: What failed, in one line.
        exported: What was exported nevertheless.
    """

    def __init__(self, reason: str, exported: Exported) -> None:
        super().__init__(reason)
        self.exported = exported


def export_network(
    model: str | PathLike[str] | None = None,
    *,
    out: str | PathLike[str] | None = None,
    fp16: bool = False,
    int8: bool = False,
    openvino: bool = False,
    images: bool = False,
    shapes: Sequence[tuple[int, int, int]] = (),
    torch_program: bool = False,
    opset: int = OPSET,
    sigma: float | None = None,
    untrained: bool = False,
    force: bool = False,
    engines: Sequence[Flavour] = (),
    profile: str | None = None,
    watch: Watch = SILENT,
) -> Exported:
    """Write a network as ONNX and more: ``clearer export``.

    Args:
        model: Run folder, or the name of a network that comes with clearer; None: the newest run.
        out: Folder for a network that comes with clearer, which becomes a run folder; None: its
            name. A run keeps its files with it.
        fp16: Add ``model.fp16.onnx``, which computes in fp16.
        int8: Add ``model.int8.onnx`` for CPUs and ``model.int8.trt.onnx`` for TensorRT.
        openvino: Add OpenVINO IR.
        images: Add to each ONNX file one for 8-bit pictures, N x H x W x C in and out.
        shapes: Add to each ONNX file one for each fixed (batch, height, width).
        torch_program: Add a ``torch.export`` program.
        opset: ONNX operator set.
        sigma: Noise level (scale 0 to 255) that is fixed in the files of a network with a level
            map: the picture is then their only input.
        untrained: Export a network that was never trained.
        force: Keep files that fail their check, named ``*.failed.*``.
        engines: Also build engines with these libraries.
        profile: Sizes that engines accept: ``MIN,OPT,MAX``, each NxHxW.
        watch: Receives messages and progress.

    Raises:
        InputError: If there is no such network, it is a file, or a value is out of range.
        ExportIncomplete: If a file differs from torch, or an engine could not be built.
        ClearerError: If the network is over a budget of its run, or another process writes there.
        Interrupted: On Ctrl-C; files already written are complete.
    """
    wanted = _engine_settings(engines, profile)
    _check_shapes(shapes)
    settings = ExportSettings(
        fp16=fp16,
        int8=int8,
        openvino=openvino,
        with_images=images,
        shapes=tuple(dict.fromkeys(shapes)),
        torch_program=torch_program,
        opset=opset,
        sigma=sigma,
        is_untrained=untrained,
        keeps_failed=force,
    )
    run = _run_of(as_path(model), as_path(out), settings)
    with ExitStack() as stack:
        stack.enter_context(lock_run(run.path))
        if untrained:
            watch.say("warning: these weights have never been trained; the files say so")
        problems: list[str] = []
        with watch.status("reading the run") as tell:
            try:
                report = export_run(run, settings, tell)
            except ExportFailed as error:
                report = error.report
                problems.append(str(error))
        exported = Exported(run, report, [])
        onnx_files = [path for path in exported.files if path.suffix == ".onnx"]
        unbuilt = [
            reason for each in wanted for reason in _build(each, onnx_files, exported, watch)
        ]
    if unbuilt:
        problems.append("; ".join(unbuilt))
    if problems:
        raise ExportIncomplete(problems[0], exported)
    return exported


def _run_of(model: Path | None, out: Path | None, settings: ExportSettings) -> Run:
    """The run to export, made of a network that comes with clearer if one is named."""
    found = None if model is None else find_model(model)
    if isinstance(found, ZooNetwork):
        check_level(found.architecture, settings)
        if settings.is_untrained:
            raise InputError(f"{found.name} has been trained: leave out --untrained")
        return found.unpack(out or Path(found.name))
    if isinstance(found, OnnxFile):
        raise InputError(f"{model} is an ONNX file: export takes a run, or a name of clearer zoo")
    if isinstance(found, WeightsFile):
        raise InputError(
            f"{model} holds weights alone, and export checks files on the pictures of their run, "
            "within its budgets: give the folder of the run"
        )
    if out is not None:
        raise InputError("--out is for a network of clearer zoo: a run keeps its files with it")
    return found or Run.open(None)


def _engine_settings(engines: Sequence[Flavour], profile: str | None) -> list[EngineSettings]:
    if not engines:
        if profile is not None:
            raise InputError("--trt-profile is for engines: give --trt or --trt-rtx too")
        return []
    sizes = EngineProfile.from_text(profile or DEFAULT_PROFILE)
    return [EngineSettings(flavour=flavour, profile=sizes) for flavour in engines]


def _build(
    settings: EngineSettings, onnx_files: list[Path], exported: Exported, watch: Watch
) -> list[str]:
    """Add the engines that can be built; return why others cannot."""
    with watch.status(f"building with {settings.flavour}"):
        try:
            built, failed = build_engines(onnx_files, settings, watch.say)
        except ClearerError as error:
            built, failed = [], [str(error)]
    exported.engines.extend(built)
    return [f"no {settings.flavour} engine: {reason}" for reason in failed]


def _check_shapes(shapes: Sequence[tuple[int, int, int]]) -> None:
    for shape in shapes:
        batch, height, width = shape
        if min(shape) < 1 or batch * height * width > _MAX_PIXELS:
            raise InputError(
                f"--shapes {batch}x{height}x{width}: each side must be above 0, and all pixels "
                f"together at most {_MAX_PIXELS} (a picture of 4K)"
            )
