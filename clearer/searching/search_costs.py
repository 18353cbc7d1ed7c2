"""L_Comp over the budgets of a search, and multipliers that adapt to the budgets."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearer.costs.budget import Budget
from clearer.costs.cost import CostTable, cost_table
from clearer.runs.settings import RunSettings
from clearer.training.losses import complexity_loss

__all__ = ["SearchCosts"]


class SearchCosts:
    """Costs of the searched space, on the device of the search.

    Without budgets there is one cost, in millions of parameters, with the fixed multiplier
    ``lambda_comp``. With budgets, the cost of each is in units of its limit, and its multiplier
    rises and falls by dual ascent.

    Args:
        settings: Settings of the run.
        budgets: Its limits.
        tables: Cost table of each budget.

    Attributes:
        lambdas: The multipliers, shape ``(budgets,)``, float64.
    """

    def __init__(
        self, settings: RunSettings, budgets: Sequence[Budget], tables: Sequence[CostTable]
    ) -> None:
        device = settings.device
        if budgets:
            scales, start = [budget.limit for budget in budgets], 0.0
        else:
            tables, scales = [cost_table(settings.space, "params")], [1e6]
            start = settings.search.lambda_comp
        self.lambdas = torch.full((len(scales),), start, dtype=torch.float64, device=device)
        self._rate = settings.search.dual_rate if budgets else 0.0
        self._tables = tables
        rows = [np.array(t.choices) / scale for t, scale in zip(tables, scales, strict=True)]
        fixed = [t.fixed / scale for t, scale in zip(tables, scales, strict=True)]
        self._costs = torch.tensor(np.array(rows), device=device)
        self._fixed = torch.tensor(fixed, dtype=torch.float64, device=device)

    def loss(self, alpha: Tensor) -> Tensor:
        """Sum of lambda_2 times L_Comp, equation (5), over the costs."""
        terms = [
            lam * complexity_loss(alpha, cost)
            for lam, cost in zip(self.lambdas, self._costs.float(), strict=True)
        ]
        return torch.stack(terms).sum()

    @torch.no_grad()
    def ascend(self, alpha: Tensor) -> None:
        """Step the multipliers in place: up where the expected cost is over its limit."""
        if not self._rate:
            return
        op_weights = alpha.double().softmax(dim=1)
        excess = self._fixed + (self._costs * op_weights).sum((1, 2)) - 1
        self.lambdas.add_(excess, alpha=self._rate).clamp_min_(0)

    def expected(self, op_weights: NDArray[np.float64]) -> list[float]:
        """Expected cost of the whole network, in the unit of each table."""
        return [t.fixed + float((np.array(t.choices) * op_weights).sum()) for t in self._tables]
