"""``clearer bench``."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clearer.bench.backends import measured
from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.tasks.registry import TASKS
from clearer.terminal import console, live
from clearer.terminal.completion import complete_data, complete_networks
from clearer.terminal.options import DEFAULT_SIZE, AsJson, Debug, Size, parse_size
from clearer.terminal.task_options import with_task_options

if TYPE_CHECKING:
    from clearer.bench.targets import Targets


@with_task_options
def bench(
    models: Annotated[
        list[Path] | None,
        typer.Argument(
            metavar="RUN|MODEL|NAME",
            autocompletion=complete_networks,
            help="Run folders, model files (.safetensors, .onnx, .engine) and names from clearer "
            "zoo; default: the newest in runs/.",
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            autocompletion=complete_data,
            help="Folder of images (its test/ or val/, or itself), or a data set; default: the "
            "run's.",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(help=f"{', '.join(TASKS)}; default: the task of the run."),
    ] = None,
    against: Annotated[
        list[Path] | None,
        typer.Option(help="Another file of an image-to-image network to measure; may be repeated."),
    ] = None,
    backend: Annotated[
        list[str] | None,
        typer.Option(
            help=f"{', '.join(measured())}; may be repeated. torch-compile is slow to start. "
            "Default: those installed that start quickly."
        ),
    ] = None,
    classical: Annotated[
        bool, typer.Option(help="Also measure non-local means, and BM3D where it is installed.")
    ] = True,
    size: Size = DEFAULT_SIZE,
    runs: Annotated[
        int | None,
        typer.Option(help="Timed calls per row; default: 100, in at least 3 seconds.", min=3),
    ] = None,
    max_seconds: Annotated[
        float, typer.Option(help="Time limit per row, in seconds.", min=0.1)
    ] = 10.0,
    batch: Annotated[
        int, typer.Option(help="Batch size for the throughput; 0: not measured.", min=0, max=1024)
    ] = 4,
    threads: Annotated[
        int | None, typer.Option(help="CPU threads per call; default: torch's.", min=1)
    ] = None,
    pin: Annotated[
        str | None, typer.Option(help="Pin to these CPU cores, like 0,1, for steadier times.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the results; default: the run's, or bench/ without a run."),
    ] = None,
    markdown: Annotated[
        bool, typer.Option("--markdown", help="Print the table as Markdown, for a pull request.")
    ] = False,
    report: Annotated[
        bool, typer.Option("--report", help="Also write report.html, for a browser.")
    ] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(
            metavar="OLD NEW",
            help="Compare two bench.json files; exit code 1 if anything got slower or worse "
            "beyond noise.",
        ),
    ] = None,
    as_json: AsJson = False,
    debug: Debug = False,
    **task_options: str,
) -> None:
    """Measure PSNR and milliseconds per image, in interleaved rounds.

    A row is a network in a backend: torch, and each exported file in ONNX Runtime, OpenVINO and
    TensorRT. Non-local means and the files of --against are rows, too.
    """
    if compare is not None:
        if models:
            raise InputError("--compare reads two files and measures nothing: leave out the rest")
        _compare(*compare, markdown=markdown, as_json=as_json)
        return
    with live.status("loading"):
        from clearer.api.benchmark import benchmark
        from clearer.bench.markdown import bench_markdown
        from clearer.bench.report_verdict import winner
        from clearer.terminal import tables
        from clearer.terminal.watch import TerminalWatch

    result = benchmark(
        models or (),
        data=data,
        task=task,
        task_options=task_options,
        against=against or (),
        backends=backend or (),
        classical=classical,
        size=parse_size(size),
        num_rounds=runs,
        max_seconds=max_seconds,
        batch=batch,
        threads=threads,
        cores=_parse_cores(pin),
        out=out,
        html=report,
        command=("clearer", *sys.argv[1:]),
        watch=TerminalWatch(),
    )
    if as_json:
        print(to_json(result.report))
    elif markdown:
        print(bench_markdown(result.report))
    else:
        tables.print_bench(result.report)
        console.say(winner(result.report).replace("\N{NO-BREAK SPACE}", " "))
        print(f"written: {result.folder} ({', '.join(result.files)}){_next(result.targets)}")


def _next(targets: "Targets") -> str:
    """The next command for the first network; nothing if there are only engines."""
    if targets.runs:
        first = targets.runs[0]
        model = first.run.name if first.is_shipped else str(first.run.path)
    elif targets.files:
        model = str(targets.files[0].found.path)
    else:
        return ""
    return f"; next: clearer restore photo.jpg --model {model}"


def _compare(old: Path, new: Path, *, markdown: bool, as_json: bool) -> None:
    from dataclasses import asdict

    from clearer.bench.compare import compare, read_bench
    from clearer.bench.markdown import comparison_markdown, verdict
    from clearer.terminal import tables

    result = compare(read_bench(old), read_bench(new))
    if as_json:
        rows = [{**asdict(row), "verdict": verdict(row)} for row in result.rows]
        data = {**asdict(result), "rows": rows, "is_regression": result.is_regression}
        print(to_json(data))
    elif markdown:
        print(comparison_markdown(result))
    else:
        tables.print_comparison(result)
    if result.is_regression:
        raise typer.Exit(1)


def _parse_cores(text: str | None) -> list[int] | None:
    if text is None:
        return None
    words = text.split(",")
    if not all(word.strip().isdecimal() for word in words):
        raise InputError(f"--pin {text!r} is not a list of cores, like 0,1")
    return [int(word) for word in words]
