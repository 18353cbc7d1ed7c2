"""``clearer runs``."""

from pathlib import Path
from typing import Annotated

import typer

from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.terminal import console
from clearer.terminal.options import AsJson, Debug


def runs(
    folder: Annotated[
        Path | None, typer.Argument(metavar="[FOLDER]", help="Folder of the runs; default: runs/.")
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """List runs, newest first, with their figures and progress."""
    from clearer.runs.run_list import RUNS, run_folders, summarize
    from clearer.terminal.runs_table import print_runs

    parent = folder or RUNS
    if folder is not None and not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give one that holds runs")
    folders = run_folders(parent)
    found = [summarize(path, is_newest=path == folders[0] and folder is None) for path in folders]
    if as_json:
        print(to_json([run.to_dict() for run in found]))
    elif found:
        print_runs(found)
    else:
        console.say(f"no run in {parent}: make one with clearer search --budget-mb 5")
