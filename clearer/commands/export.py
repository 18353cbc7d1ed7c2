"""``clearer export``."""

from __future__ import annotations

import json

from clearer import console
from clearer.commands.options import AsJson, Debug, RunArgument


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
