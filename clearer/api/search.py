"""Search under hard budgets, freeze the architecture, train it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from clearer.api.search_plan import image_size_of, plan_search
from clearer.api.search_request import SearchRequest
from clearer.api.session import RunResult, Session, open_session
from clearer.api.watch import SILENT, Watch
from clearer.bench.measured_costs import MeasuredCosts
from clearer.costs.cost import CostTable, FilePrecision
from clearer.costs.cost_file import read_cost_table
from clearer.data.splits import Splits
from clearer.planning.request_checks import piece_deadline
from clearer.planning.search_folder import make_search_run
from clearer.planning.workflow import refreeze_settings
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.search_run import freeze_again, search_run
from clearer.support.device import resolve_device
from clearer.support.files import as_path
from clearer.training.train import train as train_network

__all__ = ["search"]


def search(request: SearchRequest, watch: Watch = SILENT) -> RunResult:
    """Search under hard budgets, freeze the architecture, train it: ``clearer search``.

    Args:
        request: The request.
        watch: Receives messages and progress.

    Returns:
        The run, with its architecture and, if it is trained, its weights.

    Raises:
        InputError: If the request is inconsistent, pictures or budgets cannot be used, or the
            folder is in use.
        ClearerError: If another process writes the run, or the work fails.
        PieceDone: When ``minutes_now`` are over; ``resume`` continues.
        Interrupted: On Ctrl-C; ``resume`` continues.
    """
    deadline = piece_deadline(request.minutes_now)
    request.check()
    with open_session(
        _device(request),
        watch,
        devices=request.devices,
        nodes=request.nodes,
        resume=request.resume,
        changed_data=request.changed_data,
        checkpoint_seconds=request.checkpoint_seconds,
        deadline=deadline,
    ) as session:
        plan = _resumed(request, session) if request.resume else _planned(request, session)
        return _work(request, plan, session)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    settings: RunSettings
    costs: MeasuredCosts
    run: Run | None = None
    """The run to continue; None for a new one."""
    source: Run | None = None
    """Run whose search is reused."""
    trains: bool


def _device(request: SearchRequest) -> str:
    if request.resume or request.source is not None:  # use the device of the run
        return (
            Run.open(as_path(request.out if request.resume else request.source)).settings().device
        )
    return resolve_device(request.device)


def _resumed(request: SearchRequest, session: Session) -> _Plan:
    run = Run.open(as_path(request.out))
    session.processes.on_first(lambda: session.hold(run))
    settings, trains = run.settings(), request.train
    if trains is None:
        trains = settings.trains or request.minutes is not None
    table = read_cost_table(run.cost) if run.cost.exists() else None
    costs = _costs(session.watch, settings.image_size, table, settings.budget_precision)
    return _Plan(settings=settings, costs=costs, run=run, trains=trains)


def _costs(
    watch: Watch,
    image_size: tuple[int, int],
    table: CostTable | None,
    precision: FilePrecision = "fp32",
) -> MeasuredCosts:
    """Costs on this device; the watch receives the progress of measurements."""
    return MeasuredCosts(image_size, table, watch.say, precision, watch.timing)


def _planned(request: SearchRequest, session: Session) -> _Plan:
    trains, source = request.train is not False, None
    table = None if request.cost is None else read_cost_table(Path(request.cost))
    image_size = image_size_of(request, table)
    costs = _costs(session.watch, image_size, table, request.budget_precision)
    if request.source is not None:
        source = Run.open(Path(request.source))
        settings = refreeze_settings(source, request.budgets, image_size, request.budget_precision)
    else:
        with session.watch.status("finding out what is fastest here, and what fits"):
            settings = plan_search(request, table, costs, session.processes)
    minutes = request.minutes if trains else None
    settings = replace(settings, minutes=minutes, trains=trains)
    return _Plan(settings=settings, costs=costs, source=source, trains=trains)


def _work(request: SearchRequest, plan: _Plan, session: Session) -> RunResult:
    watch, run, settings, costs = session.watch, plan.run, plan.settings, plan.costs
    watch.describe_settings(settings)
    splits = session.load_images(settings)
    if run is None:
        run = _make_run(request, plan, splits, session)
        settings = run.settings()  # a race has taken its share of the time limit
        if not session.processes.is_first and run.cost.exists():
            costs = _costs(session.watch, settings.image_size, read_cost_table(run.cost))
    else:
        going_on = run
        session.processes.on_first(lambda: session.go_on_with_images(going_on, settings))
    watch.say(f"run folder: {run.path}")
    with session.loop(settings) as loop:
        if plan.source is not None:
            freeze_again(run, plan.source, costs, session.processes)
        else:
            search_run(run, splits, costs, loop)
            settings = run.settings()  # a race chooses the space
        watch.describe_decision(run.read_decision())
        if plan.trains:
            left = request.minutes if request.resume else settings.minutes
            settings = session.fit_minutes(run, settings, left, splits)
            train_network(run, settings, splits, loop)
    return session.result(run, splits, is_trained=plan.trains)


def _make_run(request: SearchRequest, plan: _Plan, splits: Splits, session: Session) -> Run:
    """Check everything and make the folder, in the first process."""

    def make() -> str:
        session.watch.say("checking the images and the budgets")
        for loop in (plan.settings.search, plan.settings.train):
            session.processes.share(loop.batch_size)
        with session.watch.status("checking"):
            run = make_search_run(
                as_path(request.out),
                plan.settings,
                splits,
                plan.costs,
                request.width,
                request.unshuffle,
                fits_race=request.search_iterations is None,
                processes=session.processes,
                describe=session.watch.describe_costs,
            )
        session.hold(run)
        return str(run.path)

    return Run(Path(session.processes.on_first(make)))
