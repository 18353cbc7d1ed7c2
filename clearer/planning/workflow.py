"""Makes the settings of a run from a user's request, and checks them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from clearer.costs.budget import Budget, check_budgets, fit_space, refuse_hopeless
from clearer.costs.cost import CostTable, FilePrecision
from clearer.costs.cost_source import CostSource
from clearer.data.patches import check_patch_size
from clearer.data.splits import Splits, partition
from clearer.errors import InputError, require
from clearer.pictures.images import Color
from clearer.restoring.evaluate import check_evaluation_size
from clearer.runs.run import Run
from clearer.runs.settings import (
    PRESETS,
    Compile,
    Preset,
    RunSettings,
    SearchSettings,
    StartWeights,
    Strategy,
    TrainSettings,
    with_iterations,
)
from clearer.searching.contenders import make_contenders
from clearer.searching.training_work import USUAL_WORK, useful_work
from clearer.space.space import Architecture, SearchSpace
from clearer.support.device import resolve_device
from clearer.tasks.base import Task
from clearer.training.precision import fastest_precision

__all__ = [
    "check_budget_precision",
    "check_inputs",
    "check_level",
    "find_contenders",
    "gate_fields",
    "make_settings",
    "preset_space",
    "refreeze_settings",
    "training_settings",
]


def make_settings(
    *,
    preset: str,
    task: Task,
    color: Color,
    data: Path | None,
    budgets: tuple[Budget, ...],
    image_size: tuple[int, int],
    costs: CostSource,
    strategy: Strategy,
    num_seeds: int,
    seed: int,
    device: str,
    precision: Literal["auto", "fp32", "bf16"],
    space: dict[str, Any],
    search: dict[str, Any],
    train: dict[str, Any],
    race: dict[str, Any] | None = None,
    compile: Compile = "auto",
    tensorboard: bool = False,
) -> RunSettings:
    """Settings from a preset and the user's changes to it.

    Args:
        preset: Name of a preset.
        task: The degradation to undo.
        color: Gray or RGB.
        data: Folder of pictures; None for the built-in ones.
        budgets: Limits; they decide the width and unshuffle factor that are not given.
        image_size: (height, width) of the image for milliseconds and GMACs, in pixels.
        costs: Where costs come from; it also sets the precision of the file.
        strategy: How to find an architecture.
        num_seeds: Number of searches whose op weights are averaged.
        seed: Seed of all randomness.
        device: ``auto``, ``cpu`` or ``cuda``.
        precision: ``auto``, ``fp32`` or ``bf16``.
        space: Fields that replace those of the preset's space; None is 'not given'.
        search: Likewise for the search.
        train: Likewise for the training.
        race: Likewise for the race.
        compile: Whether the loops use ``torch.compile``.
        tensorboard: Whether logs are also written for TensorBoard.

    Raises:
        InputError: If a value is unknown or out of range, or a limit in ms cannot be met.
    """
    if tensorboard:
        require("tensorboard", extra="tensorboard")
    check_budget_precision(costs.precision, budgets)
    base = _preset(preset)
    fields = _given(space)
    width, unshuffle = fields.pop("width", None), fields.pop("unshuffle", None)
    chosen = preset_space(preset, color, **fields)
    if (
        strategy == "race"
    ):  # which chooses a space, with the width and unshuffle where they are given
        chosen = replace(chosen, **_given({"width": width, "unshuffle": unshuffle}))
    else:
        refuse_hopeless(chosen, budgets, costs, width=width, unshuffle=unshuffle)
        chosen = fit_space(chosen, budgets, costs, width=width, unshuffle=unshuffle)
    resolved = resolve_device(device)
    settings = RunSettings(
        preset=preset,
        task=task,
        color=color,
        data=None if data is None else data.absolute(),
        space=chosen,
        budgets=budgets,
        image_size=image_size,
        budget_precision=costs.precision,
        strategy=strategy,
        num_seeds=num_seeds,
        race=replace(base.race, **_given(race or {})),
        search=_changed(base.search, search),
        train=_changed(base.train, train),
        seed=seed,
        device=resolved,
        precision="fp32",
        compile=compile,
        tensorboard=tensorboard,
        work=_work(base.train, train) if strategy == "race" else None,
    )
    _check_loops(settings)
    check_level(settings)
    if precision == "auto":
        precision = fastest_precision(chosen, resolved)
    return replace(settings, precision=precision)


def preset_space(preset: str, color: Color, **changes: Any) -> SearchSpace:
    """The space of a preset, with the fields that the user changes; None is 'not given'.

    Raises:
        InputError: If a value is unknown or out of range.
    """
    channels = 1 if color == "gray" else 3
    return replace(_preset(preset).space, channels=channels, **_given(changes))


def gate_fields(is_wanted: bool, stem: str | None) -> dict[str, object]:
    """Fields of a space with gates: it starts with one scale, unless the stem is bottlenecks."""
    if not is_wanted:
        return {}
    first_scales = 2 if stem == "bottlenecks" else 1
    return {"gates": True, "first_scales": first_scales, "stem": stem or "conv"}


def _work(preset: TrainSettings, given: dict[str, Any]) -> float | None:
    """Work of a preset's training, whose iterations depend on the network; None: they are given."""
    return preset.iterations * USUAL_WORK if given.get("iterations") is None else None


_Loop = TypeVar("_Loop", SearchSettings, TrainSettings)


def _changed(base: _Loop, given: dict[str, Any]) -> _Loop:
    """Settings with the user's changes; the share of the warm-up stays that of the preset."""
    fields = _given(given)
    iterations = fields.pop("iterations", base.iterations)
    return replace(with_iterations(base, iterations), **fields)


def check_level(settings: RunSettings) -> None:
    """Check that a space with a level map has a task with a known noise level.

    Raises:
        InputError: If it does not.
    """
    if settings.space.level_map and not settings.task.has_level:
        raise InputError(
            "a level map needs white noise, whose level is known: give --task denoise without "
            "--noise, or leave out --level-map"
        )


def _check_loops(settings: RunSettings) -> None:
    multiple = settings.space.multiple
    for name, loop in (("search", settings.search), ("training", settings.train)):
        if min(loop.iterations, loop.batch_size) < 1:
            raise InputError(f"the {name} needs at least 1 iteration and a --batch-size of 1")
        if not 0 < loop.learning_rate < float("inf"):
            raise InputError(f"the learning rate of the {name} must be a finite number above 0")
        if loop.patch_size < multiple or loop.patch_size % multiple:
            raise InputError(
                f"--patch-size {loop.patch_size} must be a multiple of {multiple}, the coarsest "
                "scale's step"
            )

    for option, value in (
        ("--lambda-arch", settings.search.lambda_arch),
        ("--lambda-comp", settings.search.lambda_comp),
    ):
        if not 0 <= value < float("inf"):
            raise InputError(f"{option} must be a finite number, at least 0; got {value:g}")


def check_budget_precision(precision: FilePrecision, budgets: tuple[Budget, ...]) -> None:
    """Refuse another precision than fp32 where no budget depends on it.

    Raises:
        InputError: If none does.
    """
    if precision != "fp32" and not any(budget.is_of_file for budget in budgets):
        raise InputError(
            f"--budget-precision {precision} is for --budget-mb and --budget-ms: give one of them"
        )


def _preset(name: str) -> Preset:
    if name not in PRESETS:
        raise InputError(f"unknown preset {name!r}: use one of {', '.join(PRESETS)}")
    return PRESETS[name]


def _given(fields: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if value is not None}


def check_inputs(settings: RunSettings, splits: Splits, costs: CostSource) -> list[CostTable]:
    """Check, before a run is made, that its pictures and budgets can be used.

    Raises:
        InputError: If a picture is too small, there are too few, or a budget cannot be met.

    Returns:
        The cost table of each budget; none for a race, which is not bound to a space.
    """
    partition(splits.train, settings.seed)
    check_evaluation_size(splits.val, settings.task)
    check_patch_size(splits.train, max(settings.search.patch_size, settings.train.patch_size))
    if settings.strategy == "race":
        return []
    return check_budgets(settings.space, settings.budgets, costs)


def find_contenders(
    settings: RunSettings,
    costs: CostSource,
    work: float,
    *,
    width: int | None,
    unshuffle: int | None,
) -> list[Architecture]:
    """Networks for the race of a run.

    Args:
        settings: Of the run.
        costs: Where costs come from.
        work: Of the training (see :mod:`clearer.searching.training_work`).
        width: The user's choice.
        unshuffle: The user's choice.

    Raises:
        InputError: If none meets its budgets.
    """
    return make_contenders(
        settings.space,
        settings.budgets,
        costs,
        settings.race.contenders,
        width=width,
        unshuffle=unshuffle,
        patch_size=settings.train.patch_size,
        useful_work=useful_work(work, settings.train.batch_size, settings.train.patch_size),
    )


def refreeze_settings(
    source: Run,
    budgets: tuple[Budget, ...],
    image_size: tuple[int, int],
    budget_precision: FilePrecision,
) -> RunSettings:
    """Settings of a run that freezes an architecture of another run's search under other budgets.

    Raises:
        InputError: If there is no budget, or the source has no finished search by gradient.
    """
    if not budgets:
        raise InputError("--from needs a budget that the new network has to meet, like --budget-mb")
    check_budget_precision(budget_precision, budgets)
    source.log_op_weights()
    settings = source.settings()
    if _is_tuned(settings):
        raise InputError(
            f"{source.path} has settings for fine-tuning, not for a search: give --from the run "
            f"that was searched"
        )
    return replace(
        settings,
        budgets=budgets,
        image_size=image_size,
        budget_precision=budget_precision,
        fine_tuned_from=None,
        teacher=None,
    )


def _is_tuned(settings: RunSettings) -> bool:
    """Whether the settings of the training are for weights that are trained already."""
    start = settings.fine_tuned_from
    return start is not None and not (start.is_warm and settings.train.batch_statistics_share)


def training_settings(
    settings: RunSettings,
    preset: str | None,
    train: dict[str, Any],
    compile: Compile | None,
    start: StartWeights | None,
) -> RunSettings:
    """Settings of a training, from the run that its architecture comes from.

    Args:
        settings: Settings of that run.
        preset: Preset whose training settings to use; None for those of the run.
        train: Fields that replace them; None is 'not given'.
        compile: Likewise.
        start: Weights to start from; None to train from scratch.

    Raises:
        InputError: If a value is unknown or out of range, or a training from scratch would use the
            settings of a fine-tuning.
    """
    if preset is not None:
        settings = replace(settings, preset=preset, train=_preset(preset).train)
    elif start is None and _is_tuned(settings):
        raise InputError(
            "this run has settings for fine-tuning: continue with --resume, fine-tune it with "
            "--fine-tune, or give --preset to train its architecture from scratch"
        )
    base = settings.train
    if start is not None:
        base = replace(
            base,
            learning_rate=base.frozen_norm_rate * base.learning_rate,
            # The statistics are right from the first step, and the weights fit them.
            batch_statistics_share=0.0,
        )
    settings = replace(
        settings,
        train=replace(base, **_given(train)) if start is None else _changed(base, train),
        compile=compile or settings.compile,
        fine_tuned_from=start,
    )
    _check_loops(settings)
    return settings
