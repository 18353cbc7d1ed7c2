"""Begins a training with a network that is cut to a budget."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from clearer.costs.budget import Budget
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import are_met, measure_budgets
from clearer.data.patches import Batch
from clearer.errors import InputError
from clearer.networks.network import load_network, save_network
from clearer.pictures.images import ImageSet
from clearer.planning.training_run import Origin
from clearer.pruning.prune import prune
from clearer.pruning.trial import best_learner
from clearer.runs.run_records import DecisionRecord
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.training.processes import Processes
from clearer.training.teacher import check_teacher
from clearer.training.training_step import training_sampler

__all__ = ["name_when_cut", "prune_start", "pruning_batches"]

_STREAM: Final = 8
_CUTTING: Final = 0.6
"""Share of the work that is cutting; the rest is the trial of more than one way."""
_BATCHES: Final = 2
_PIXELS: Final = 8 * 96 * 96
"""Of a batch that decides what is cut."""


def prune_start(
    origin: Origin,
    settings: RunSettings,
    images: ImageSet,
    budgets: Sequence[Budget],
    image_size: tuple[int, int],
    costs: CostSource,
    is_rate_given: bool,
    tell: Callable[[float], None],
) -> tuple[Origin, RunSettings]:
    """Cut the network of a fine-tuning to budgets; it is taught by what it was, if by none else.

    Args:
        origin: The trained network.
        settings: Settings of the fine-tuning.
        images: Training pictures.
        budgets: What has to be met.
        image_size: (height, width) of the image for milliseconds and GMACs, in pixels.
        costs: Where costs come from.
        is_rate_given: Whether the user chose the learning rate; else it is that of a training from
            scratch, not the quarter of a fine-tuning.
        tell: Called with the share of the work that is done.

    Returns:
        The network and settings to train with. If it meets the budgets as it is, its weights,
        teacher and learning rate stay.

    Raises:
        InputError: If the network cannot be cut so far, or the fine-tuning changes its input.
    """
    assert origin.weights is not None
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.safetensors"
        path.write_bytes(origin.weights)
        network, info = load_network(path)
        if network.architecture.space.level_map != settings.space.level_map:
            _check_needs_no_cut(network.architecture, budgets, costs)
        network.to(settings.device)
        batches = pruning_batches(settings, images)
        ways = prune(
            origin.name, network, budgets, costs, batches, lambda share: tell(_CUTTING * share)
        )
        settings = replace(
            settings,
            budgets=tuple(budgets),
            image_size=image_size,
            budget_precision=costs.precision,
        )
        if ways[0][0] is not network and not is_rate_given:  # what is left has much to learn again
            train = settings.train
            rate = train.learning_rate / train.frozen_norm_rate
            settings = replace(settings, train=replace(train, learning_rate=rate))
        nets = [cut for cut, _ in ways]
        chosen = best_learner(
            nets, settings, images, lambda share: tell(_CUTTING + (1 - _CUTTING) * share)
        )
        cut, decision = ways[chosen]
        tell(1.0)
        if cut is network:
            known = cast(DecisionRecord, {**origin.decision, **decision.to_dict()})
            return replace(origin, decision=known), settings
        whole = origin.start
        assert whole is not None
        source = {"pruned_from": {"name": whole.name, "sha256": whole.sha256}}
        unknown = ("val_psnr_db", "val_ssim", "iteration", "selection")  # of what is left
        about = {name: value for name, value in info.items() if name not in unknown}
        save_network(path, cut.architecture, cut.state_dict(), {**about, **source})
        begun = replace(
            origin,
            # What the record of the whole says of its search is not true of what is left.
            decision=cast(DecisionRecord, {**decision.to_dict(), "strategy": "pruned", **source}),
            weights=path.read_bytes(),
            weights_name=name_when_cut(origin.weights_name),
            taught_by=origin.taught_by or _itself(origin, settings),
        )
    return begun, replace(
        settings,
        space=cut.architecture.space,
        fine_tuned_from=begun.start,
        teacher=begun.teacher,
    )


def name_when_cut(name: str) -> str:
    """What is left of a network, in words."""
    return f"{name}, cut"


def _check_needs_no_cut(
    architecture: Architecture, budgets: Sequence[Budget], costs: CostSource
) -> None:
    if not are_met(measure_budgets(architecture, budgets, costs)):
        raise InputError(
            "a network whose input changes cannot be cut in the same training: fine-tune it "
            "first, and cut the result with a budget"
        )


def pruning_batches(settings: RunSettings, images: ImageSet) -> list[Batch]:
    """Training batches of a fixed number of pixels, whatever the training takes."""
    size = max(1, _PIXELS // settings.train.patch_size**2)
    chosen = replace(settings, train=replace(settings.train, batch_size=size))
    sampler = training_sampler(chosen, images, _STREAM, Processes())
    return [sampler.batch(index) for index in range(_BATCHES)]


def _itself(origin: Origin, settings: RunSettings) -> Origin | None:
    """The network as its own teacher; None if it does not know the task."""
    try:
        check_teacher(origin.name, origin.settings, settings)
    except InputError:
        return None
    return origin
