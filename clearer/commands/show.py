"""``clearer show``."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from clearer.errors import ClearerError, InputError
from clearer.support.json_text import to_json
from clearer.terminal import live
from clearer.terminal.completion import complete_networks
from clearer.terminal.options import AsJson, Debug

if TYPE_CHECKING:
    from clearer.costs.cost import CostTable
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
        from clearer.searching.race import read_race
        from clearer.searching.standing import ranked
        from clearer.terminal import search_tables, tables
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
        return
    run = found
    architecture = run.read_architecture()
    if not front:
        if quality or cost is not None:
            raise InputError("--quality and --cost are for --front: add it")
        if as_json:
            print(run.architecture.read_text(), end="")
        else:
            search_tables.print_architecture(architecture, run.read_decision())
            if run.race.exists():
                tables.print_standing(ranked(read_race(run)))
        return
    if run.race.exists():
        if quality:
            raise InputError("--quality is for a search by gradient: a race has its own figures")
        _show_race(run, metric, cost, as_json)
        return

    with live.status("loading"):
        from clearer.bench.plots import plot_front, require_matplotlib
        from clearer.searching.front import architecture_front, front_rows, supernet_psnr_db

    require_matplotlib()
    table = _table(run, metric, cost)
    with live.status("finding the Pareto front"):
        points = architecture_front(architecture.space, run.log_op_weights(), table)
    psnrs = None
    if quality:
        with live.status("restoring patches with the supernet"):
            psnrs = supernet_psnr_db(run, [point.architecture for point in points])
    rows = front_rows(points, psnrs)
    picture = run.path / f"front-{metric}.png"
    with live.status("drawing"):
        plot_front(picture, rows, table.unit, architecture.text)
    if as_json:
        print(to_json({"unit": table.unit, "front": rows}))
        return
    search_tables.print_front(rows, table.unit, architecture.text)
    print(f"written: {picture}; freeze another: clearer search --from {run.path} --budget-...")


def _show_network(network: "ZooNetwork", as_json: bool) -> None:
    """Show a network that comes with clearer, from its card."""
    from clearer.terminal.search_tables import print_architecture

    decision = network.card["run"]["architecture"]
    if as_json:
        print(to_json({**decision, **network.architecture.to_dict()}))
    else:
        print_architecture(network.architecture, decision)


def _show_race(
    run: "Run", metric: Literal["mb", "ms", "gmacs", "params"], cost: Path | None, as_json: bool
) -> None:
    """Show the networks of a race: the Pareto front and the others."""
    with live.status("loading"):
        from clearer.bench.plots import plot_race
        from clearer.searching.race import read_race
        from clearer.searching.standing import race_front
        from clearer.terminal.measuring import costs_here
        from clearer.terminal.tables import print_race_front

    if cost is not None:
        raise InputError("--cost is for a search by gradient: networks of a race are timed here")
    settings = run.settings()
    costs = costs_here(settings.image_size, None, settings.budget_precision)
    standing = read_race(run)
    values = costs.measure_quickly([architecture for architecture, _ in standing], metric)
    rows = race_front(standing, values)
    picture = run.path / f"front-{metric}.png"
    unit = {"mb": "MB", "ms": "ms", "gmacs": "GMACs", "params": "parameters"}[metric]
    if metric in ("mb", "ms") and costs.precision != "fp32":
        unit += f", {costs.precision}"
    with live.status("drawing"):
        plot_race(picture, rows, unit)
    if as_json:
        print(to_json({"unit": unit, "front": rows}))
        return
    print_race_front(rows, unit)
    print(f"written: {picture}")


def _show_file(found: "OnnxFile | WeightsFile", as_json: bool) -> None:
    with live.status("loading"):
        from clearer.export.external_data import model_bytes
        from clearer.export.metadata import read_model_info
        from clearer.export.model_description import describe_weights, read_description
        from clearer.terminal.tables import print_model_info
        from clearer.zoo.found import OnnxFile

    path = found.path
    # Weights of clearer are usable or damaged; a network of another program may be neither.
    weights = None if isinstance(found, OnnxFile) else describe_weights(found.read_weights())
    info = read_model_info(path) if weights is None else weights.info
    num_bytes = model_bytes(path) if weights is None else weights.num_bytes
    row = {"file": str(path), "bytes": num_bytes, **info.to_dict()}
    try:
        file = weights or read_description(path)
        shape = [info.shape[0], file.io.height, file.io.width]
        row |= {"channels": file.io.channels, "color": file.color, "shape": shape}
        row |= {"pictures": file.to_dict(), "not_usable": None}
    except ClearerError as error:
        row |= {"pictures": None, "not_usable": str(error)}
    if as_json:
        print(to_json(row))
    else:
        print_model_info(row)


def _table(
    run: "Run", metric: Literal["mb", "ms", "gmacs", "params"], cost: Path | None
) -> "CostTable":
    from clearer.costs.cost_file import read_cost_table
    from clearer.terminal.measuring import costs_here

    settings = run.settings()
    if metric != "ms":
        costs = costs_here(settings.image_size, None, settings.budget_precision)
        return costs.table(settings.space, metric)
    path = cost or run.cost
    if not path.exists():
        raise InputError(f"{path} is not there: give --cost, a table of clearer profile")
    table = read_cost_table(path)
    assert table.measurement is not None
    size = table.measurement.height, table.measurement.width
    return costs_here(size, table).table(settings.space, "ms")
