"""Limits that a trained network is cut to."""

from __future__ import annotations

from dataclasses import dataclass

from clearer.api.search_plan import DEFAULT_IMAGE_SIZE
from clearer.costs.budget import Budget, given_budgets
from clearer.costs.cost import FilePrecision
from clearer.errors import InputError
from clearer.planning.request_checks import check_size
from clearer.planning.workflow import check_budget_precision

__all__ = ["Limits"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Upper limits of a network: the options ``--budget-...`` of ``clearer train``.

    Example:
        >>> from clearer import Limits
        >>> [budget.option for budget in Limits(budget_mb=0.4).budgets]
        ['--budget-mb']
    """

    budget_mb: float | None = None
    """Largest ONNX file in MB (10**6 bytes)."""
    budget_ms: float | None = None
    """Milliseconds per image of ``size``, measured here."""
    budget_gmacs: float | None = None
    """10**9 multiply-accumulates per image of ``size``."""
    budget_params: float | None = None
    """Trained parameters."""
    budget_precision: FilePrecision = "fp32"
    """Precision of the file that limits in MB and milliseconds refer to."""
    size: tuple[int, int] | None = None
    """(height, width) of the image in pixels; None: 256x256."""

    @property
    def budgets(self) -> tuple[Budget, ...]:
        """The limits that are given.

        Raises:
            InputError: If one is not a number above 0.
        """
        return given_budgets(
            mb=self.budget_mb,
            ms=self.budget_ms,
            gmacs=self.budget_gmacs,
            params=self.budget_params,
        )

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.size or DEFAULT_IMAGE_SIZE

    def check(self, *, fine_tune: bool, resume: bool) -> None:
        """Refuse limits that have no effect.

        Raises:
            InputError: If nothing is cut, or a size or precision limits nothing.
        """
        budgets = self.budgets
        if budgets and (resume or not fine_tune):
            raise InputError(
                f"{budgets[0].option} cuts a trained network: add --fine-tune, for a new run"
            )
        if self.size is not None:
            check_size(self.size)
            if not any(budget.metric in ("ms", "gmacs") for budget in budgets):
                raise InputError("--size is for --budget-ms and --budget-gmacs: give one of them")
        check_budget_precision(self.budget_precision, budgets)
