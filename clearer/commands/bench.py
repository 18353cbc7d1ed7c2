"""``clearer bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from clearer import console
from clearer.commands.options import DEFAULT_SIZE, AsJson, Debug, RunArgument, Size, parse_size


def bench(
    run_path: RunArgument = None,
    data: Annotated[
        Path | None,
        typer.Option(
            help="Folder of images (its test/ or val/, or itself) or a set; default: the run's."
        ),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another image-to-image ONNX file to measure; may be repeated."),
    ] = None,
    size: Size = DEFAULT_SIZE,
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
    from clearer.datasets import resolve_data
    from clearer.run import Run

    height, width = parse_size(size)
    settings = BenchSettings(
        data=resolve_data(data),
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
