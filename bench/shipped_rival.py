"""The network that comes with clearer and could stand in for one that a run found."""

from __future__ import annotations

from dataclasses import fields
from statistics import fmean

from clearer.costs.cost import network_cost
from clearer.costs.cost_source import CostSource
from clearer.export.to_onnx import file_mb
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, Quality, evaluate, torch_restorer
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.tasks.base import Span, Task
from clearer.zoo.catalogue import ZooNetwork, zoo_names, zoo_network

__all__ = ["rival_quality", "shipped_rival"]


def shipped_rival(settings: RunSettings, architecture: Architecture) -> ZooNetwork | None:
    """The best network that comes with clearer, of those that do the task within the budgets.

    A budget in milliseconds counts as met by a network of no more multiply-accumulates than the
    run's. So do all networks where there is no budget.

    Args:
        settings: Settings of the run: its task, colours and budgets.
        architecture: Its architecture.

    Returns:
        The one with the highest PSNR on its card at the levels of the task; None if there is none,
        or the run began with its weights.
    """
    found = [
        network
        for network in map(zoo_network, zoo_names())
        if network.channels == settings.space.channels
        and not (network.architecture.space.level_map and not _may_be_told(settings))
        and _covers(network.task, settings.task)
        and _fits(network.architecture, settings, architecture)
    ]
    best = max(found, key=lambda n: (_db_at(n, settings.task), n.name), default=None)
    start = settings.fine_tuned_from
    if best is not None and start is not None and start.sha256 == best.card["weights_sha256"]:
        return None
    return best


def rival_quality(network: ZooNetwork, images: ImageSet, settings: RunSettings) -> Quality:
    """Its PSNR and SSIM on the validation pictures of a run, measured as those of the run are."""
    module, _ = network.load()
    restore = torch_restorer(module.to(settings.device), settings.device)
    level_map = network.architecture.space.level_map
    return evaluate(restore, images, settings.task, VALIDATION_SEED, level_map=level_map)


def _may_be_told(settings: RunSettings) -> bool:
    """Whether a network that is given the exact level is fair: the run's is, too, or knows it."""
    return settings.space.level_map or settings.task.sigma_255 is not None


def _covers(task: Task, wanted: Task) -> bool:
    """Whether a task is of the kind that is wanted, and its ranges contain those."""
    if type(task) is not type(wanted):
        return False
    pairs = [(getattr(task, f.name), getattr(wanted, f.name)) for f in fields(task)]  # type: ignore[arg-type]
    return all(
        one.low <= other.low and other.high <= one.high if isinstance(one, Span) else one == other
        for one, other in pairs
    )


def _fits(network: Architecture, settings: RunSettings, own: Architecture) -> bool:
    budgets = [budget for budget in settings.budgets if budget.metric != "ms"]
    costs = CostSource(settings.image_size, file_mb, settings.budget_precision)
    computes_less = network_cost(network, "macs") <= network_cost(own, "macs")
    is_counted = len(budgets) == len(settings.budgets) > 0
    return (is_counted or computes_less) and all(
        costs.estimate(network, budget.metric) <= budget.limit for budget in budgets
    )


def _db_at(network: ZooNetwork, task: Task) -> float:
    """Mean PSNR of the card's rows whose level is nearest to that of the task."""
    rows = network.card["figures"]["rows"]
    span = getattr(task, "sigma", None)
    if span is None or any(row["sigma_255"] is None for row in rows):
        return fmean(row["psnr_db"] for row in rows)
    middle = (span.low + span.high) / 2
    nearest = min(abs(row["sigma_255"] - middle) for row in rows)
    return fmean(row["psnr_db"] for row in rows if abs(row["sigma_255"] - middle) == nearest)
