"""Makes the folder of a new search, with all that is known before it starts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from clearer.costs.cost import CostTable
from clearer.costs.cost_file import write_cost_table
from clearer.costs.cost_source import CostSource
from clearer.data.splits import Splits
from clearer.planning.time_budget import fit_race_to_time, planned_work
from clearer.planning.workflow import check_inputs, find_contenders
from clearer.runs.picture_list import write_pictures
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS, RunSettings
from clearer.searching.race import write_race
from clearer.training.processes import Processes

__all__ = ["make_search_run"]


def make_search_run(
    out: Path | None,
    settings: RunSettings,
    splits: Splits,
    costs: CostSource,
    width: int | None,
    unshuffle: int | None,
    *,
    fits_race: bool,
    processes: Processes,
    describe: Callable[[CostTable], None],
) -> Run:
    """Check everything, then make the folder with its first files.

    Args:
        out: The folder; None for one in ``runs/``, named after the settings.
        settings: Settings of the run.
        splits: Its pictures.
        costs: Where costs come from.
        width: The user's choice.
        unshuffle: The user's choice.
        fits_race: Whether a race gets its share of the user's time limit.
        processes: Those that will search.
        describe: Called with a table that was measured.

    Raises:
        InputError: If the pictures or budgets cannot be used, or the folder is in use.
    """
    tables = check_inputs(settings, splits, costs)
    is_race = settings.strategy == "race"
    share, whole = PRESETS[settings.preset].race_share, settings.minutes
    entered = []
    if is_race:
        for_training = None if whole is None else (1 - share) * whole
        work = planned_work(settings, for_training, splits)
        entered = find_contenders(settings, costs, work, width=width, unshuffle=unshuffle)
        if whole is not None and share and fits_race:
            settings = fit_race_to_time(settings, entered, share * whole, splits, processes)
            settings = replace(settings, minutes=for_training)

    def prepare(run: Run) -> None:
        write_pictures(run, settings)
        if is_race:
            write_race(run, [(architecture, []) for architecture in entered])
        for made in tables:
            if made.measurement is not None:
                describe(made)
                write_cost_table(run.cost, made)

    return Run.create(out, settings, prepare)
