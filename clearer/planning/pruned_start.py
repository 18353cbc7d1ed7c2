"""Begins a training with a network that is cut to a budget."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, cast

from clearer.costs.budget import Budget
from clearer.costs.cost_source import CostSource
from clearer.errors import InputError
from clearer.networks.network import load_network, save_network
from clearer.pictures.images import ImageSet
from clearer.planning.training_run import Origin
from clearer.pruning.prune import prune
from clearer.runs.run_records import DecisionRecord
from clearer.runs.settings import RunSettings
from clearer.training.processes import Processes
from clearer.training.teacher import check_teacher
from clearer.training.training_step import training_sampler

__all__ = ["prune_start"]

_STREAM: Final = 8
_BATCHES: Final = 2


def prune_start(
    origin: Origin,
    settings: RunSettings,
    images: ImageSet,
    budgets: Sequence[Budget],
    image_size: tuple[int, int],
    costs: CostSource,
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
        tell: Called with the share of the work that is done.

    Returns:
        The network and settings to train with: the same ones if it meets the budgets as it is.

    Raises:
        InputError: If the network cannot be cut so far, or the fine-tuning changes its input.
    """
    assert origin.weights is not None
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "weights.safetensors"
        path.write_bytes(origin.weights)
        network, info = load_network(path)
        if network.architecture.space.level_map != settings.space.level_map:
            raise InputError(
                "a network whose input changes cannot be cut in the same training: fine-tune it "
                "first, and cut the result with a budget"
            )
        network.to(settings.device)
        sampler = training_sampler(settings, images, _STREAM, Processes())
        batches = [sampler.batch(index) for index in range(_BATCHES)]
        cut, decision = prune(origin.name, network, budgets, costs, batches, tell)
        if cut is network:
            return origin, settings
        save_network(path, cut.architecture, cut.state_dict(), info)
        weights = path.read_bytes()
    whole = origin.start
    assert whole is not None
    record = {
        **decision.to_dict(),
        "strategy": "pruned",
        "pruned_from": {"name": whole.name, "sha256": whole.sha256},
    }
    begun = replace(
        origin,
        weights=weights,
        decision=cast(DecisionRecord, record),
        taught_by=origin.taught_by or _itself(origin, settings),
    )
    return begun, replace(
        settings,
        space=cut.architecture.space,
        budgets=tuple(budgets),
        image_size=image_size,
        budget_precision=costs.precision,
        fine_tuned_from=begun.start,
        teacher=begun.teacher,
    )


def _itself(origin: Origin, settings: RunSettings) -> Origin | None:
    """The network as its own teacher; None if it does not know the task."""
    try:
        check_teacher(origin.name, origin.settings, settings)
    except InputError:
        return None
    return origin
