"""The network that comes with clearer and could stand in for one that a run found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Final

import torch

from clearer.bench.known_quality import known_quality
from clearer.costs.cost import network_cost
from clearer.costs.cost_source import CostSource
from clearer.export.to_onnx import file_mb
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import Quality, validate
from clearer.runs.run_records import BudgetRecord
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.support.device import device_name
from clearer.tasks.base import Task
from clearer.zoo.catalogue import ZooNetwork, zoo_names, zoo_network

__all__ = ["network_to_cut", "rival_quality", "shipped_rival"]

_PACE_MARGIN: Final = 0.5
"""For as many multiply-accumulates, networks take up to twice as long as others, by the cards of
those that come with clearer: the smallest the longest."""


def shipped_rival(
    settings: RunSettings, architecture: Architecture, decided: Sequence[BudgetRecord] = ()
) -> ZooNetwork | None:
    """The best network that comes with clearer, of those that do the task within the budgets.

    A budget in milliseconds counts as met by a network that would take at most half of the limit
    at the pace of the run's own, or computes no more than that. So do all without any budget.

    Args:
        settings: Settings of the run: its task, colours and budgets.
        architecture: Its architecture.
        decided: What the architecture takes of each budget.

    Returns:
        The one with the highest PSNR on its card at the levels of the task; None if there is none,
        or the run began with its weights.
    """
    most_macs = _most_macs(architecture, settings, decided)
    found = [n for n in _able(settings) if _use(n.architecture, settings, most_macs) <= 1]
    best = max(found, key=lambda n: (_db_at(n, settings.task), n.name), default=None)
    start = settings.fine_tuned_from
    if best is not None and start is not None and start.sha256 == best.card["weights_sha256"]:
        return None
    return best


def network_to_cut(
    settings: RunSettings, architecture: Architecture, decided: Sequence[BudgetRecord] = ()
) -> ZooNetwork | None:
    """The network that comes with clearer, does the task, and is too large by the least factor.

    Args:
        settings: As for :func:`shipped_rival`.
        architecture: Likewise.
        decided: Likewise.

    Returns:
        None if there is no such network, or no budget.
    """
    most_macs = _most_macs(architecture, settings, decided)
    able = [n for n in _able(settings) if n.architecture.space.stem == "conv"]
    uses = [_use(network.architecture, settings, most_macs) for network in able]
    over = [(use, index) for index, use in enumerate(uses) if settings.budgets and use > 1]
    return able[min(over)[1]] if over else None


def _able(settings: RunSettings) -> list[ZooNetwork]:
    """Networks that do the task of a run."""
    return [
        network
        for network in map(zoo_network, zoo_names())
        if network.channels == settings.space.channels
        and not (network.architecture.space.level_map and not _may_be_told(settings))
        and network.task.covers(settings.task)
    ]


def rival_quality(network: ZooNetwork, images: ImageSet, settings: RunSettings) -> Quality:
    """Its PSNR and SSIM on the validation pictures of a run, measured as those of the run are."""

    def measure() -> Quality:
        module, _ = network.load()
        level_map, device = network.architecture.space.level_map, settings.device
        module.to(device)
        return validate(module, images, settings.task, device=device, level_map=level_map)

    weights = network.card["weights_sha256"]
    restorer = (
        f"{network.name} {weights}, {device_name(settings.device)}, torch {torch.__version__}"
    )
    return known_quality(restorer, images, settings.task, measure)


def _may_be_told(settings: RunSettings) -> bool:
    """Whether a network that is given the exact level is fair: the run's is, too, or knows it."""
    return settings.space.level_map or settings.task.sigma_255 is not None


def _most_macs(own: Architecture, settings: RunSettings, decided: Sequence[BudgetRecord]) -> float:
    """How many multiply-accumulates per pixel a network may take that stands in for the run's."""
    timed = [budget for budget in settings.budgets if budget.metric == "ms"]
    if settings.budgets and not timed:
        return math.inf
    taken = [
        (record["limit"], record["measured"] or record["predicted"])
        for record in decided
        if record["metric"] == "ms"
    ]
    room = min((_PACE_MARGIN * limit / ms for limit, ms in taken if ms > 0), default=1.0)
    return max(1.0, room) * network_cost(own, "macs")


def _use(network: Architecture, settings: RunSettings, most_macs: float) -> float:
    """Share of the tightest limit that a network takes."""
    costs = CostSource(settings.image_size, file_mb, settings.budget_precision)
    shares = [
        costs.estimate(network, budget.metric) / budget.limit
        for budget in settings.budgets
        if budget.metric != "ms"
    ]
    return max([network_cost(network, "macs") / most_macs, *shares])


def _db_at(network: ZooNetwork, task: Task) -> float:
    """Mean PSNR of the card's rows whose level is nearest to that of the task."""
    rows = network.card["figures"]["rows"]
    span = getattr(task, "sigma", None)
    if span is None or any(row["sigma_255"] is None for row in rows):
        return fmean(row["psnr_db"] for row in rows)
    middle = (span.low + span.high) / 2
    nearest = min(abs(row["sigma_255"] - middle) for row in rows)
    return fmean(row["psnr_db"] for row in rows if abs(row["sigma_255"] - middle) == nearest)
