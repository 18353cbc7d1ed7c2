"""Cuts a trained network until it meets budgets: fewer channels on each scale, fewer blocks."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from clearer.costs.budget import Budget
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import BudgetCheck, Decision, are_met, decided, measure_budgets
from clearer.data.patches import Batch
from clearer.errors import InputError
from clearer.networks.network import RestorationNet
from clearer.operations.registry import OPERATIONS
from clearer.pruning.channels import check_prunable, with_channels
from clearer.pruning.importance import channel_importance
from clearer.pruning.narrow import MULTIPLE, most_important, narrowed
from clearer.space.convolution import VECTORS
from clearer.space.space import Architecture
from clearer.training.losses import root_error_loss

__all__ = ["prune"]

_FINENESS: Final = 8
"""The larger of two steps takes one in so many channels of a scale."""
_WORTHWHILE: Final = 0.5
"""A channel of the finest scale has to save this much of its share of the time."""
_MAX_SLACK: Final = 0.07
"""If costs were expected so much too high, it is cut again, and less."""
_MAX_CORRECTIONS: Final = 6
_MARGIN: Final = 0.01
"""How much further a network is cut than its measured costs say."""

Use = Callable[[Architecture], float]
"""Share of the tightest limit that a network uses."""


def prune(
    name: str,
    network: RestorationNet,
    budgets: Sequence[Budget],
    costs: CostSource,
    batches: Sequence[Batch],
    tell: Callable[[float], None],
) -> list[tuple[RestorationNet, Decision]]:
    """Cut a network until its file meets all budgets, in one or two ways.

    It is cut step by step, each time where its output changes least for what that saves: a scale
    loses its least important channels, or a column of residual blocks is left out. Train it
    afterwards: what is left restores far worse at first, and learns again quickly.

    Where milliseconds are limited, there may be a second way: the finest scale, which takes most of
    the time, first loses as many channels as the processor computes at once, although that changes
    the output more than any other step does.

    Args:
        name: Name of the network, for messages.
        network: Trained, in evaluation mode; it stays as it is.
        budgets: What has to be met.
        costs: Where costs come from.
        batches: Training batches on the device of the network.
        tell: Called with the share of the work that is done, at most 1.

    Returns:
        Networks, and how each meets the budgets. If nothing had to be cut, it is the same one.

    Raises:
        InputError: If it has the stem ``bottlenecks``, gives values that are not finite, or cannot
            be made small enough.
    """
    if network.architecture.space.stem == "conv":
        for budget in budgets:
            costs.learn(_relatives(network.architecture), budget.metric)
    rows = measure_budgets(network.architecture, budgets, costs)
    if are_met(rows):
        return [(network, decided(network.architecture, rows, costs))]
    check_prunable(name, network.architecture.space)
    use = _Use(budgets, costs, rows)
    starts = [network]
    if any(budget.metric == "ms" for budget in budgets):
        starts += _with_whole_vectors(network, use, batches)
    ways, most = [], 0.0
    for index, start in enumerate(starts):

        def listener(share: float, place: int = index) -> None:
            nonlocal most
            most = max(most, (place + share) / len(starts))  # a way may begin again
            tell(most)

        try:
            ways.append(_way(name, start, _Use(budgets, costs, rows), batches, listener))
        except InputError:
            if not ways:
                raise
    return ways


class _Use:
    """Share of the tightest limit that a network uses; what was measured corrects it."""

    def __init__(
        self, budgets: Sequence[Budget], costs: CostSource, rows: Sequence[BudgetCheck]
    ) -> None:
        self.budgets, self.costs = budgets, costs
        self._errors = [_ratio(row) for row in rows]

    def expected(self, architecture: Architecture) -> list[float]:
        pairs = zip(self.budgets, self._errors, strict=True)
        return [self.costs.estimate(architecture, b.metric) * error for b, error in pairs]

    def __call__(self, architecture: Architecture) -> float:
        pairs = zip(self.budgets, self.expected(architecture), strict=True)
        return max(cost / budget.limit for budget, cost in pairs)

    def was_too_high(self, rows: Sequence[BudgetCheck]) -> bool:
        """Whether the cost that decided is much lower than was expected."""
        pairs = list(zip(rows, self._errors, strict=True))
        row, error = max(pairs, key=lambda pair: pair[0].predicted * pair[1] / pair[0].limit)
        return _ratio(row) < (1 - _MAX_SLACK) * error

    def correct(self, rows: Sequence[BudgetCheck], *, half: bool = False) -> None:
        """Expect what was measured; a little more where it may vary, or is over the limit.

        With ``half``, expect what is between that and the last correction.
        """
        for index, row in enumerate(rows):
            if row.measured is not None:
                is_tight = row.backend is not None or row.measured > row.limit
                error = (1 + _MARGIN * is_tight) * _ratio(row)
                self._errors[index] = math.sqrt(self._errors[index] * error) if half else error


def _ratio(row: BudgetCheck) -> float:
    """Measured cost to predicted cost."""
    return 1.0 if row.measured is None else row.measured / row.predicted


def _way(
    name: str,
    network: RestorationNet,
    use: _Use,
    batches: Sequence[Batch],
    tell: Callable[[float], None],
) -> tuple[RestorationNet, Decision]:
    """Cut a network until its file meets all budgets."""
    with torch.no_grad():
        wanted = [network(batch.degraded) for batch in batches]
    if not all(bool(output.isfinite().all()) for output in wanted):
        raise InputError(f"{name} gives values that are not finite: its weights are damaged")
    cut, found = network, None
    for _ in range(_MAX_CORRECTIONS):
        cut = _cut(cut, use, batches, wanted, tell)
        if use(cut.architecture) > 1:
            break
        rows = measure_budgets(cut.architecture, use.budgets, use.costs)
        if are_met(rows):
            is_second = found is not None
            found = cut, decided(cut.architecture, rows, use.costs)
            if is_second or not use.was_too_high(rows):
                break
            cut = network  # more of it fits than was expected
            use.correct(rows)
        elif found is None:
            use.correct(rows)
        else:  # that was too much
            cut = network
            use.correct(rows, half=True)
    if found is not None:
        return found
    limits = " and ".join(f"{budget.option} {budget.limit:g}" for budget in use.budgets)
    pairs = zip(use.budgets, use.expected(cut.architecture), strict=True)
    least = ", ".join(budget.text(cost) for budget, cost in pairs)
    left = f"{cut.architecture.text}, {cut.architecture.space.width_text}"
    raise InputError(
        f"{name} cannot be cut to {limits}: as far as it could be ({left}), it has about {least}; "
        "raise the budget, or begin with clearer search"
    )


def _with_whole_vectors(
    network: RestorationNet, use: Use, batches: Sequence[Batch]
) -> list[RestorationNet]:
    """The network with fewer channels on the finest scale, if that saves much; else nothing."""
    width = network.architecture.space.scale_width(0)
    widths = {(width - 1) // vector * vector for vector in VECTORS} - {0}
    whole = use(network.architecture)

    def saved(smaller: int) -> float:
        """By each channel."""
        return (whole - use(_with_widths(network.architecture, {0: smaller}))) / (width - smaller)

    best = max(widths, key=saved, default=width)
    if best == width or saved(best) * width < _WORTHWHILE * whole:
        return []
    return [narrowed(network, {0: best}, batches)]


def _with_widths(architecture: Architecture, widths: Mapping[int, int]) -> Architecture:
    """The same choices, with other widths of some scales."""
    space = architecture.space
    every = [widths.get(scale, space.scale_width(scale)) for scale in range(space.num_scales)]
    return replace(
        architecture, space=replace(space, width=every[0], growth=2.0, widths=tuple(every))
    )


def _relatives(architecture: Architecture) -> list[Architecture]:
    """Networks as a cut may leave them, from whose costs those of others are predicted."""
    widths = [architecture.space.scale_width(n) for n in range(architecture.space.num_scales)]
    parts = (4, 3, 2, 1)
    tried = [{n: _rounded(width * part / 4) for n, width in enumerate(widths)} for part in parts]
    tried += [{n: _rounded(width / 2)} for n, width in enumerate(widths)]
    return [_with_widths(architecture, each) for each in tried]


def _rounded(width: float) -> int:
    return max(MULTIPLE, round(width / MULTIPLE) * MULTIPLE)


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
            yield with_channels(network, most_important(importance, {scale: width}))
    for place, cell in enumerate(network.architecture.cells):
        for index, column in enumerate(cell):
            if len(cell) > 1 and all(OPERATIONS[choice].is_residual for choice in column):
                yield with_channels(network, {}, (place, index))


def _narrower(width: int) -> set[int]:
    """Smaller widths: the next one, one that takes fewer steps, and the next of whole vectors."""
    steps = (1, max(MULTIPLE, width // _FINENESS))
    widths = {(width - step + MULTIPLE - 1) // MULTIPLE * MULTIPLE for step in steps}
    widths |= {(width - 1) // vector * vector for vector in VECTORS}
    return {smaller for smaller in widths if 0 < smaller < width}


@torch.no_grad()
def _distance(network: RestorationNet, batches: Sequence[Batch], wanted: Sequence[Tensor]) -> float:
    """How much the output of a network differs from that of the one that is cut."""
    pairs = zip(batches, wanted, strict=True)
    errors = [
        root_error_loss(network(batch.degraded), output, batch.mask) for batch, output in pairs
    ]
    return float(torch.stack(errors).mean())
