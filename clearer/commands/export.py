"""``clearer export``."""

from __future__ import annotations

import json

from clearer import console, tables
from clearer.commands.engines import (
    ProfileText,
    TensorRt,
    TensorRtRtx,
    engine_settings,
    make_engines,
)
from clearer.commands.options import AsJson, Debug, RunArgument


def export(
    run_path: RunArgument = None,
    trt: TensorRt = False,
    trt_rtx: TensorRtRtx = False,
    profile: ProfileText = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the trained network as ONNX, checked against torch, and as engines.

    Where an engine cannot be built, the ONNX files are written all the same; the command then
    says what is missing, and exits with 1.
    """
    from clearer.export.export import export_run
    from clearer.run import Run

    run = Run.open(run_path)
    wanted = engine_settings(trt, trt_rtx, profile)
    with console.status("exporting and comparing with torch"):
        report = export_run(run)
    engines, error = make_engines([run.path / row["file"] for row in report["files"]], wanted)
    if as_json:
        print(json.dumps({**report, "engines": engines}, indent=2))
    else:
        console.print_export(run, report)
        tables.print_engines(engines)
    if error is not None:
        raise error
