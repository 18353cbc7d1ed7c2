"""Search and freeze under the budgets of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from clearer.costs.budget import check_budgets, choose_architecture, random_architecture
from clearer.costs.cost import CostTable
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import Choose, decide, decide_winner
from clearer.data.splits import Splits
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings, with_iterations
from clearer.searching.race import race, read_race
from clearer.searching.search import search
from clearer.searching.standing import ranked
from clearer.searching.training_work import iteration_work
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import write_json
from clearer.training.loop import Loop
from clearer.training.processes import Processes

__all__ = ["freeze_again", "search_run"]


def search_run(
    run: Run,
    splits: Splits,
    costs: CostSource,
    loop: Loop,
) -> Architecture:
    """Search and freeze under the budgets of a run, unless that is done already.

    Args:
        run: A run with its ``config.json``.
        splits: Pictures of the run.
        costs: Where costs come from.
        loop: How the search runs.

    Raises:
        InputError: If a budget cannot be met, or the pictures cannot be used.
        ClearerError: If the search fails.
        Interrupted: On Ctrl-C; the checkpoint is saved.
        PieceDone: When the time for this part is over; the checkpoint is saved.
    """
    processes = loop.processes
    if processes.on_first(run.architecture.exists):
        return run.read_architecture()
    settings = run.settings()
    if settings.strategy == "race":
        return _race(run, settings, splits, costs, loop)
    tables = check_budgets(settings.space, settings.budgets, costs)
    if settings.strategy == "random":

        def choose(tables: Sequence[CostTable], limits: Sequence[float]) -> Architecture | None:
            return random_architecture(settings.space, settings.seed, tables, limits)

        return _freeze(run, choose, tables, costs, {"strategy": "random"}, processes)
    found = [
        search(
            run.seed_run(seed) if seed > settings.seed else run,
            replace(settings, seed=seed),
            splits.train,
            tables,
            loop,
            _go_on(run),
        )
        for seed in range(settings.seed, settings.seed + settings.num_seeds)
    ]
    mean = np.mean(found, axis=0)
    about = {"strategy": "gradient", **_describe_choices(settings.space, found, mean)}
    most_probable = _most_probable(settings.space, mean)
    return _freeze(run, most_probable, tables, costs, about, processes)


def _race(
    run: Run, settings: RunSettings, splits: Splits, costs: CostSource, loop: Loop
) -> Architecture:
    """Race, measure the winner, and set the run's space to the winner's."""
    race(run, settings, splits, loop, _go_on(run))

    def freeze() -> None:
        order = [network.architecture for network in ranked(read_race(run))]
        decision = decide_winner(order, settings.budgets, costs, loop.say)
        chosen = decision.architecture
        run.write_config(replace(_fitted(settings, chosen), space=chosen.space))
        write_json(run.architecture, {**decision.to_dict(), "strategy": "race"})

    loop.processes.on_first(freeze)
    return run.read_architecture()


def _fitted(settings: RunSettings, architecture: Architecture) -> RunSettings:
    """Settings with as many iterations of this network as the work of the training allows."""
    if settings.work is None:
        return settings
    iterations = max(1, round(settings.work / iteration_work(architecture)))
    return replace(settings, train=with_iterations(settings.train, iterations), work=None)


def _go_on(run: Run) -> str:
    """The command that continues a search."""
    return f"clearer search --resume --out {run.path}"


def freeze_again(run: Run, source: Run, costs: CostSource, processes: Processes) -> Architecture:
    """Freeze another architecture, under the budgets of ``run``, from a finished search.

    Raises:
        InputError: If the source was not searched by gradient, or a budget cannot be met.
    """
    log_op_weights = source.log_op_weights()
    settings = run.settings()
    tables = check_budgets(settings.space, settings.budgets, costs)
    about = {
        "strategy": "gradient",
        "searched_in": str(source.path),
        **_describe_choices(settings.space, [log_op_weights], log_op_weights),
    }
    most_probable = _most_probable(settings.space, log_op_weights)
    return _freeze(run, most_probable, tables, costs, about, processes)


def _most_probable(space: SearchSpace, log_op_weights: NDArray[np.float64]) -> Choose:
    def choose(tables: Sequence[CostTable], limits: Sequence[float]) -> Architecture | None:
        return choose_architecture(space, log_op_weights, tables, limits)

    return choose


def _describe_choices(
    space: SearchSpace, found: list[NDArray[np.float64]], mean: NDArray[np.float64]
) -> dict[str, Any]:
    """What one or several searches prefer, and how far they agree."""
    op_weights = np.exp(mean) / np.exp(mean).sum(axis=1, keepdims=True)
    votes = np.array([weights.argmax(axis=1) for weights in found])
    return {
        "op_weights": op_weights.round(6).tolist(),
        "margins": _margins(op_weights).round(6).tolist(),
        "argmax": _argmax(space, mean).text,
        "seeds": [_argmax(space, weights).text for weights in found],
        # Share of the choices in which all seeds prefer the same candidate.
        "agreement": float((votes == votes[0]).all(axis=0).mean()),
    }


def _margins(op_weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Difference between the two largest op weights of each choice."""
    ranked = np.sort(op_weights, axis=1)
    margins: NDArray[np.float64] = ranked[:, -1] - ranked[:, -2]
    return margins


def _argmax(space: SearchSpace, log_op_weights: NDArray[np.float64]) -> Architecture:
    return Architecture.from_picks(space, log_op_weights.argmax(axis=1).tolist())


def _freeze(
    run: Run,
    choose: Choose,
    tables: Sequence[CostTable],
    costs: CostSource,
    about: dict[str, Any],
    processes: Processes,
) -> Architecture:
    """Decide in the first process; the others read the result."""

    def freeze() -> None:
        settings = run.settings()
        decision = decide(settings.space, choose, settings.budgets, tables, costs)
        write_json(run.architecture, {**decision.to_dict(), **about})

    processes.on_first(freeze)
    return run.read_architecture()
