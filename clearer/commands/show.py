"""``clearer show``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearer.errors import InputError
from clearer.support.json_text import to_json
from clearer.terminal import live
from clearer.terminal.completion import complete_networks
from clearer.terminal.options import AsJson, Debug

if TYPE_CHECKING:
    from clearer.runs.run import Run
    from clearer.zoo.catalogue import ZooNetwork
    from clearer.zoo.found import OnnxFile, WeightsFile


def show(
    path: Annotated[
        Path | None,
        typer.Argument(
            metavar="[RUN|NAME|FILE]",
            autocompletion=complete_networks,
            help="Run folder, .safetensors file, .onnx file of any origin, or name from clearer "
            "zoo; default: the newest run in runs/.",
        ),
    ] = None,
    front: Annotated[
        bool,
        typer.Option(
            "--front", help="All alternatives that its search offers, from expensive to cheap."
        ),
    ] = False,
    metric: Annotated[
        Literal["mb", "ms", "gmacs", "params"],
        typer.Option(help="Cost of the front; ms needs --cost or a run with --budget-ms."),
    ] = "mb",
    cost: Annotated[
        Path | None, typer.Option(help="Cost table of clearer profile for --metric ms.")
    ] = None,
    quality: Annotated[
        bool,
        typer.Option(
            "--quality",
            help="Add the validation PSNR of each one, with the weights of the supernet.",
        ),
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show a run's architecture and alternatives, or what a file says."""
    with live.status("loading"):
        from clearer.runs.run import Run
        from clearer.zoo.catalogue import ZooNetwork
        from clearer.zoo.found import find_model

    found = find_model(path)
    if not isinstance(found, Run):
        if front or quality or cost is not None:
            raise InputError("--front, --quality and --cost are for runs: leave them out")
        if isinstance(found, ZooNetwork):
            _show_network(found, as_json)
        else:
            _show_file(found, as_json)
    elif front:
        _show_front(found, metric, cost, quality, as_json)
    elif quality or cost is not None:
        raise InputError("--quality and --cost are for --front: add it")
    else:
        _show_run(found, as_json)


def _show_run(run: "Run", as_json: bool) -> None:
    """Show its architecture, and how the race stood that found it."""
    from clearer.searching.race import read_race
    from clearer.searching.standing import ranked
    from clearer.terminal import search_tables, tables

    architecture = run.read_architecture()
    if as_json:
        print(run.architecture.read_text(), end="")
        return
    search_tables.print_architecture(architecture, run.read_decision())
    if run.race.exists():
        tables.print_standing(ranked(read_race(run)))


def _show_front(
    run: "Run",
    metric: Literal["mb", "ms", "gmacs", "params"],
    cost: Path | None,
    quality: bool,
    as_json: bool,
) -> None:
    """Show what else its search offers."""
    with live.status("loading"):
        from clearer.api.front import gradient_front, raced_front
        from clearer.terminal.search_tables import print_front
        from clearer.terminal.tables import print_race_front
        from clearer.terminal.watch import TerminalWatch

    chosen = run.read_architecture().text
    if run.race.exists():
        if quality:
            raise InputError("--quality is for a search by gradient: a race has its own figures")
        if cost is not None:
            raise InputError(
                "--cost is for a search by gradient: networks of a race are timed here"
            )
        raced = raced_front(run, metric, watch=TerminalWatch())
        if as_json:
            print(to_json(raced.to_dict()))
        else:
            print_race_front(raced.rows, raced.unit)
            print(f"written: {raced.picture}")
        return
    found = gradient_front(run, metric, cost, with_quality=quality, watch=TerminalWatch())
    if as_json:
        print(to_json(found.to_dict()))
        return
    print_front(found.rows, found.unit, chosen)
    print(
        f"written: {found.picture}; freeze another: clearer search --from {run.path} --budget-..."
    )


def _show_network(network: "ZooNetwork", as_json: bool) -> None:
    """Show a network that comes with clearer, from its card."""
    from clearer.terminal.search_tables import print_architecture

    decision = network.card["run"]["architecture"]
    if as_json:
        print(to_json({**decision, **network.architecture.to_dict()}))
    else:
        print_architecture(network.architecture, decision)


def _show_file(found: "OnnxFile | WeightsFile", as_json: bool) -> None:
    with live.status("loading"):
        from clearer.export.file_report import file_report
        from clearer.terminal.tables import print_model_info

    report = file_report(found)
    if as_json:
        print(to_json(report))
    else:
        print_model_info(report)
