"""From a request to the settings of a search."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from clearer.api.search_request import SearchRequest
from clearer.costs.cost import CostTable
from clearer.costs.cost_source import CostSource
from clearer.data.datasets import resolve_data
from clearer.errors import InputError
from clearer.planning.workflow import gate_fields, make_settings
from clearer.runs.settings import PRESETS, RunSettings, Strategy
from clearer.tasks.registry import as_typed, make_task
from clearer.training.processes import Processes

__all__ = ["DEFAULT_IMAGE_SIZE", "image_size_of", "plan_search"]

DEFAULT_IMAGE_SIZE: Final = (256, 256)
"""(height, width) in pixels of the image for milliseconds and GMACs."""


def image_size_of(request: SearchRequest, table: CostTable | None) -> tuple[int, int]:
    """(height, width) in pixels: that of the request, else of the table, else the default."""
    if request.size is not None:
        return request.size
    if table is None or table.measurement is None:
        return DEFAULT_IMAGE_SIZE
    return table.measurement.height, table.measurement.width


def plan_search(
    request: SearchRequest, table: CostTable | None, costs: CostSource, processes: Processes
) -> RunSettings:
    """Settings of a new search.

    Args:
        request: The request.
        table: The cost table of the request.
        costs: Where costs come from, for images of the requested size.
        processes: Those that search; only the first measures what is faster, and what fits.

    Raises:
        InputError: If a value is unknown, out of range or without effect in the strategy, or no
            space meets the budgets.
    """
    fixes = [
        request.cost,
        request.columns,
        request.operations,
        request.stem,
        request.gates or None,
    ]
    strategy = _choose_strategy(request, is_fixed=any(fix is not None for fix in fixes))
    _refuse_options_of_others(request, strategy)
    sizes = {"batch_size": request.batch_size, "patch_size": request.patch_size}
    asked = partial(
        make_settings,
        preset=request.preset,
        task=make_task(request.task, as_typed(request.task_options)),
        color=request.color,
        data=resolve_data(None if request.data is None else Path(request.data)),
        budgets=request.budgets,
        image_size=image_size_of(request, table),
        costs=costs,
        strategy=strategy,
        num_seeds=request.seeds,
        seed=request.seed,
        device=request.device,
        precision=request.precision,
        compile=request.compile,
        tensorboard=request.tensorboard,
        space=_space(request, table),
        race={"iterations": request.search_iterations, "contenders": request.contenders},
        search={
            **sizes,
            "iterations": request.search_iterations,
            "learning_rate": request.search_learning_rate,
            "lambda_arch": request.lambda_arch,
            "lambda_comp": request.lambda_comp,
        },
        train={
            **sizes,
            "reduce": request.reduce,
            "iterations": request.iterations,
            "learning_rate": request.learning_rate,
            "validate_every": request.validate_every,
        },
    )
    return RunSettings.from_dict(processes.on_first(lambda: asked().to_dict()))


def _space(request: SearchRequest, table: CostTable | None) -> dict[str, Any]:
    """Fields that replace those of the preset's space; a table's space fills in the rest."""
    given: dict[str, Any] = {
        "width": request.width,
        "unshuffle": request.unshuffle,
        "columns": request.columns,
        "operations": request.operations,
        "stem": request.stem,
        **gate_fields(request.gates, request.stem),
        "level_map": request.level_map or None,
    }
    if table is None or table.measurement is None:
        return given
    measured = table.measurement.space
    return {
        name: getattr(measured, name) if value is None else value for name, value in given.items()
    }


def _choose_strategy(request: SearchRequest, *, is_fixed: bool) -> Strategy:
    """The strategy of the request, else a suitable one: a race needs more than one space.

    Raises:
        InputError: If a race is asked for with a given space, or the preset is unknown.
    """
    if request.strategy == "race" and is_fixed:
        raise InputError(
            "--strategy race chooses the space: leave out --cost, --columns, --operations, "
            "--stem and --gates"
        )
    if request.preset not in PRESETS:
        raise InputError(f"unknown preset {request.preset!r}: use one of {', '.join(PRESETS)}")
    return request.strategy or ("gradient" if is_fixed else PRESETS[request.preset].strategy)


def _refuse_options_of_others(request: SearchRequest, strategy: Strategy) -> None:
    """Refuse options without effect in the strategy.

    Raises:
        InputError: For the first such option.
    """
    of_race: Mapping[str, object] = {"--contenders": request.contenders}
    of_gradient: Mapping[str, object] = {
        "--seeds": request.seeds if request.seeds > 1 else None,
        "--search-learning-rate": request.search_learning_rate,
        "--lambda-arch": request.lambda_arch,
        "--lambda-comp": request.lambda_comp,
    }
    others, theirs = (of_gradient, "gradient") if strategy == "race" else (of_race, "race")
    for name, value in others.items():
        if value is not None:
            raise InputError(
                f"{name} does nothing with --strategy {strategy}: leave it out, or give "
                f"--strategy {theirs}"
            )
