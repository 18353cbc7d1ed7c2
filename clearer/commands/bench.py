"""``clearer bench``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearer.errors import InputError, Interrupted
from clearer.support.json_text import to_json
from clearer.tasks.registry import TASKS
from clearer.terminal import console, live, tables
from clearer.terminal.completion import complete_data, complete_networks
from clearer.terminal.holding import hold
from clearer.terminal.options import DEFAULT_SIZE, AsJson, Debug, Size, parse_size
from clearer.terminal.task_options import with_task_options

if TYPE_CHECKING:
    from clearer.bench.targets import Targets

_DEFAULT_OUT = Path("bench")


@with_task_options
def bench(
    context: typer.Context,
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN|MODEL|NAME",
            autocompletion=complete_networks,
            help="Run folders, model files (.onnx, .engine) and names of clearer zoo; default: the "
            "newest in runs/.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_data,
            help="Folder of images (its test/ or val/, or itself) or a set; default: the run's.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(TASKS)}; default: what the run was made for."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another image-to-image ONNX file to measure; may be repeated."),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help="torch, torch-compile (slow to start), onnxruntime, onnxruntime-cuda, "
            "onnxruntime-tensorrt, openvino, openvino-bf16 or tensorrt; may be repeated. "
            "Default: what is here and quick."
        ),
    ] = None,
    classical: Annotated[
        bool, typer.Option(help="Also non-local means, and BM3D where it is installed.")
    ] = True,
    size: Size = DEFAULT_SIZE,
    runs: Annotated[
        int | None,
        typer.Option(help="Timed calls per row; default: 100, and 3 seconds in all.", min=3),
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(help="Time per row, after which it is timed no more.", min=0.1)
    ] = 10.0,
    batch: Annotated[
        int, typer.Option(help="Images in a call for the throughput; 0: none.", min=0, max=1024)
    ] = 4,
    threads: Annotated[
        int | None, typer.Option(help="Of the CPU, per call; default: torch's.", min=1)
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="Bind to these cores, like 0,1: steadier times.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results; default: the run's, or bench/ without a run."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown, for a pull request.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html, to look at in a browser.")
    ] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="OLD NEW",
            help="Two bench.json: what got slower or worse beyond noise (exit code 1).",
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Measure PSNR against milliseconds per image, all rows taking turns.

    A row is a network in a backend: torch, and each exported file in ONNX Runtime, OpenVINO and
    TensorRT; beside them stand non-local means and the files of --against.
    """
    if compare is not None:
        if models:
            raise InputError("--compare reads two files and measures nothing: leave out the rest")
        _compare(*compare, markdown=markdown, as_json=as_json)
        return
    with live.status("loading"):
        from clearer.bench.bench import BenchSettings
        from clearer.bench.bench import bench as measure
        from clearer.bench.markdown import bench_markdown
        from clearer.bench.report_verdict import winner
        from clearer.bench.targets import agreed_task, open_targets, target_images
        from clearer.data.datasets import resolve_data

    height, width = parse_size(size)
    with _pinned(pin) as cores:
        settings = BenchSettings(
            height=height,
            width=width,
            backends=tuple(backend or ()),
            classical=classical,
            num_rounds=runs,
            max_seconds=max_seconds,
            batch=batch,
            threads=_num_threads(threads, cores),
            pinned_cores=cores,
            command=("clearer", *sys.argv[1:]),
        )
        with live.status("reading what is to be compared"):
            targets = open_targets(models or (), against or ())
        for note in targets.notes:
            console.say(note)
        what = agreed_task(targets, task, task_options)
        images, about = target_images(resolve_data(data), targets, what)
        run = targets.runs[0].run if targets.runs else None
        is_own = run is not None and not targets.runs[0].is_shipped
        folder = out or (run.path if run is not None and is_own else _DEFAULT_OUT)
        if run is not None and folder == run.path:
            hold(context, run)
        try:
            with live.progress_bar() as progress:
                bar = progress.add_task("loading", total=None, note="")

                def listener(words: str, done: int, total: int) -> None:
                    progress.update(
                        bar, description=console.printable(words), completed=done, total=total
                    )

                result = measure(targets, what, images, about, folder, settings, listener)
                progress.remove_task(bar)
            for note in result["notes"][len(targets.notes) :]:
                console.say(note)
        except KeyboardInterrupt as error:
            raise Interrupted("interrupted: no bench.json was written") from error
    names = ["bench.json", "bench.png", "restored.png"]
    if report:
        from clearer.bench.report import write_report

        with live.status("writing the report"):
            write_report(folder / "report.html", result, run)
        names.append("report.html")
    if as_json:
        print(to_json(result))
    elif markdown:
        print(bench_markdown(result))
    else:
        tables.print_bench(result)
        console.say(winner(result).replace("\N{NO-BREAK SPACE}", " "))
        print(f"written: {folder} ({', '.join(names)}){_next(targets)}")


def _next(targets: Targets) -> str:
    """What can be done with the first network; nothing where there are engines alone."""
    if targets.runs:
        first = targets.runs[0]
        model = first.run.path.name if first.is_shipped else str(first.run.path)
    elif targets.models:
        model = str(targets.models[0].path)
    else:
        return ""
    return f"; next: clearer restore photo.jpg --model {model}"


def _compare(old: Path, new: Path, *, markdown: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from clearer.bench.compare import compare, read_bench
    from clearer.bench.markdown import comparison_markdown, verdict

    result = compare(read_bench(old), read_bench(new))
    rows = [{**asdict(row), "verdict": verdict(row)} for row in result.rows]
    if as_json:
        data = {**asdict(result), "rows": rows, "is_regression": result.is_regression}
        print(to_json(data))
    elif markdown:
        print(comparison_markdown(result))
    else:
        tables.print_comparison(rows, asdict(result))
    if result.is_regression:
        raise typer.Exit(1)


@contextlib.contextmanager
def _pinned(text: str | None) -> Iterator[tuple[int, ...] | None]:
    """Bind this process and all threads that it starts to some cores, for a while."""
    if text is None:
        yield None
        return
    words = text.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise InputError(f"--pin {text!r} is not a list of cores, like 0,1")
    if not hasattr(os, "sched_setaffinity"):
        raise InputError("--pin: this system cannot bind a process to cores; leave it out")
    cores, usable = {int(word) for word in words}, os.sched_getaffinity(0)
    if not cores <= usable:
        known = ", ".join(map(str, sorted(usable)))
        raise InputError(f"--pin {text}: the cores of this process are {known}")
    os.sched_setaffinity(0, cores)
    try:
        yield tuple(sorted(cores))
    finally:
        os.sched_setaffinity(0, usable)


def _num_threads(wanted: int | None, cores: tuple[int, ...] | None) -> int:
    import torch

    if cores is None:
        return wanted or torch.get_num_threads()
    if wanted is not None and wanted > len(cores):
        raise InputError(f"--threads {wanted} on {len(cores)} core(s) of --pin: give one a core")
    return wanted or min(torch.get_num_threads(), len(cores))
