"""Cuts a trained network until it meets budgets: fewer channels on each scale, fewer blocks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from clearer.costs.budget import Budget
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import Decision, are_met, decided, measure_budgets
from clearer.data.patches import Batch
from clearer.errors import InputError
from clearer.networks.network import RestorationNet
from clearer.operations.registry import OPERATIONS
from clearer.pruning.channels import check_prunable, with_channels
from clearer.pruning.importance import channel_importance
from clearer.space.space import Architecture
from clearer.training.losses import root_error_loss

__all__ = ["prune"]

_MULTIPLE: Final = 4
"""Widths become multiples of this, which processors compute fast."""
_FINENESS: Final = 8
"""The larger of two steps takes one in so many channels of a scale."""
_VECTORS: Final = 8, 16
"""Runtimes may compute so many channels at once: a width between two multiples saves no time."""
_MAX_CORRECTIONS: Final = 6
_MARGIN: Final = 0.01
"""How much further a network over a limit is cut than its excess says."""

Use = Callable[[Architecture], float]
"""Share of the tightest limit that a network uses."""


def prune(
    name: str,
    network: RestorationNet,
    budgets: Sequence[Budget],
    costs: CostSource,
    batches: Sequence[Batch],
    tell: Callable[[float], None],
) -> tuple[RestorationNet, Decision]:
    """Cut a network until its file meets all budgets.

    It is cut step by step, each time where its output changes least for what that saves: a scale
    loses its least important channels, or a column of residual blocks is left out. Train it
    afterwards: what is left restores far worse at first, and learns again quickly.

    Args:
        name: Name of the network, for messages.
        network: Trained, in evaluation mode; it stays as it is.
        budgets: What has to be met.
        costs: Where costs come from.
        batches: Training batches on the device of the network.
        tell: Called with the share of the work that is done, at most 1.

    Returns:
        The network, and how it meets each budget. If nothing had to be cut, it is the same one.

    Raises:
        InputError: If it has the stem ``bottlenecks``, gives values that are not finite, or cannot
            be made small enough.
    """
    if network.architecture.space.stem == "conv":
        for budget in budgets:
            costs.learn(_relatives(network.architecture), budget.metric)
    rows = measure_budgets(network.architecture, budgets, costs)
    if are_met(rows):
        return network, decided(network.architecture, rows, costs)
    check_prunable(name, network.architecture.space)
    errors = [1.0 if row.measured is None else row.measured / row.predicted for row in rows]

    def expected(architecture: Architecture) -> list[float]:
        pairs = zip(budgets, errors, strict=True)
        return [costs.estimate(architecture, budget.metric) * error for budget, error in pairs]

    def use(architecture: Architecture) -> float:
        pairs = zip(budgets, expected(architecture), strict=True)
        return max(cost / budget.limit for budget, cost in pairs)

    with torch.no_grad():
        wanted = [network(batch.degraded) for batch in batches]
    if not all(bool(output.isfinite().all()) for output in wanted):
        raise InputError(f"{name} gives values that are not finite: its weights are damaged")
    cut = network
    for _ in range(_MAX_CORRECTIONS):
        cut = _cut(cut, use, batches, wanted, tell)
        if use(cut.architecture) > 1:
            break
        rows = measure_budgets(cut.architecture, budgets, costs)
        if are_met(rows):
            return cut, decided(cut.architecture, rows, costs)
        for index, row in enumerate(rows):
            if row.measured is not None and row.measured > row.limit:
                errors[index] = (1 + _MARGIN) * row.measured / row.predicted
    limits = " and ".join(f"{budget.option} {budget.limit:g}" for budget in budgets)
    pairs = zip(budgets, expected(cut.architecture), strict=True)
    least = ", ".join(budget.text(cost) for budget, cost in pairs)
    left = f"{cut.architecture.text}, {cut.architecture.space.width_text}"
    raise InputError(
        f"{name} cannot be cut to {limits}: as far as it could be ({left}), it has about {least}; "
        "raise the budget, or begin with clearer search"
    )


def _relatives(architecture: Architecture) -> list[Architecture]:
    """Networks as a cut may leave them, from whose costs those of others are predicted."""
    space = architecture.space
    widths = [space.scale_width(scale) for scale in range(space.num_scales)]
    tried = [[_rounded(width * part / 4) for width in widths] for part in (4, 3, 2, 1)]
    for scale, width in enumerate(widths):
        tried.append([*widths[:scale], _rounded(width / 2), *widths[scale + 1 :]])
    return [
        replace(architecture, space=replace(space, width=each[0], growth=2.0, widths=tuple(each)))
        for each in tried
    ]


def _rounded(width: float) -> int:
    return max(_MULTIPLE, round(width / _MULTIPLE) * _MULTIPLE)


def _cut(
    network: RestorationNet,
    use: Use,
    batches: Sequence[Batch],
    wanted: Sequence[Tensor],
    tell: Callable[[float], None],
) -> RestorationNet:
    """Cut a network until it uses at most all of the limits, or as far as that goes."""
    first = use(network.architecture)
    change = _distance(network, batches, wanted)
    while (used := use(network.architecture)) > 1:
        tell((first - used) / (first - 1))
        best, least = None, float("inf")
        for smaller in _steps(network, batches):
            # What the last step saves beyond the limit is of no use.
            saved = min(used - use(smaller.architecture), used - 1)
            if saved <= 0:
                continue
            found = _distance(smaller, batches, wanted)
            if (price := (found - change) / saved) < least:
                best, least, next_change = smaller, price, found
        if best is None:
            break
        network, change = best, next_change
    tell(1.0)
    return network


def _steps(network: RestorationNet, batches: Sequence[Batch]) -> Iterator[RestorationNet]:
    """Networks that are a little smaller."""
    importance = channel_importance(network, batches)
    space = network.architecture.space
    for scale in range(space.num_scales):
        for width in _narrower(space.scale_width(scale)):
            kept = {
                group: values.topk(width).indices.sort().values
                for group, values in importance.items()
                if group.scale == scale
            }
            yield with_channels(network, kept)
    for place, cell in enumerate(network.architecture.cells):
        for index, column in enumerate(cell):
            if len(cell) > 1 and all(OPERATIONS[choice].is_residual for choice in column):
                yield with_channels(network, {}, (place, index))


def _narrower(width: int) -> set[int]:
    """Smaller widths: the next one, one that takes fewer steps, and the next of whole vectors."""
    steps = (1, max(_MULTIPLE, width // _FINENESS))
    widths = {(width - step + _MULTIPLE - 1) // _MULTIPLE * _MULTIPLE for step in steps}
    widths |= {(width - 1) // vector * vector for vector in _VECTORS}
    return {smaller for smaller in widths if 0 < smaller < width}


@torch.no_grad()
def _distance(network: RestorationNet, batches: Sequence[Batch], wanted: Sequence[Tensor]) -> float:
    """How much the output of a network differs from that of the one that is cut."""
    pairs = zip(batches, wanted, strict=True)
    errors = [
        root_error_loss(network(batch.degraded), output, batch.mask) for batch, output in pairs
    ]
    return float(torch.stack(errors).mean())
