"""The content of a run's JSON files, as types that check them when they are read."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict

from clearer.costs.cost import FilePrecision
from clearer.support.schema import AtLeast0, Share, Text

__all__ = ["BudgetRecord", "ConfigRecord", "DecisionRecord"]


class ConfigRecord(TypedDict):
    """``config.json``."""

    schema_version: Literal[1, 2]
    settings: dict[str, Any]
    """The fields of :class:`clearer.runs.settings.RunSettings`, which checks them."""
    environment: NotRequired[dict[str, Any]]
    """Versions and device, for people."""


class BudgetRecord(TypedDict):
    """How an architecture meets a budget."""

    metric: Literal["mb", "ms", "gmacs", "params"]
    limit: AtLeast0
    predicted: AtLeast0
    measured: AtLeast0 | None
    backend: NotRequired[Text | None]
    """The runtime that milliseconds were measured with."""


class SizesRecord(TypedDict):
    """Size in MB of the untrained file of each precision."""

    fp32: AtLeast0
    fp16: AtLeast0
    int8: AtLeast0


class PrunedRecord(TypedDict):
    """The network that was cut."""

    name: Text
    sha256: Text


class DecisionRecord(TypedDict):
    """``architecture.json``: the result of a search, and how it came about."""

    schema_version: Literal[1, 2]
    space: dict[str, Any]
    """That of :class:`clearer.space.space.SearchSpace`, which checks it."""
    choices: Text
    # What follows describes it, and is not needed to build it.
    hash: NotRequired[Text]
    params: NotRequired[AtLeast0]
    macs_per_pixel: NotRequired[AtLeast0]
    budget_precision: NotRequired[FilePrecision]
    budgets: NotRequired[list[BudgetRecord]]
    sizes_mb: NotRequired[SizesRecord]
    strategy: NotRequired[Literal["race", "gradient", "random", "given", "pruned"]]
    searched_in: NotRequired[Text]
    pruned_from: NotRequired[PrunedRecord]
    op_weights: NotRequired[list[tuple[Share, ...]]]
    """Weights of the candidates of each choice."""
    margins: NotRequired[list[Share]]
    argmax: NotRequired[Text]
    seeds: NotRequired[list[Text]]
    agreement: NotRequired[Share]
