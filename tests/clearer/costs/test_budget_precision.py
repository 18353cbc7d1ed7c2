"""Budgets for files in fp16 and int8: what fits, what is chosen, and what is reported."""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from clearer.costs.budget import Budget, check_budgets, choose_architecture, fit_space
from clearer.costs.cost import FILE_PRECISIONS, FilePrecision, Metric, cost_table, network_cost
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import decide, decide_winner
from clearer.errors import InputError
from clearer.export.to_onnx import file_mb
from clearer.runs.run_records import DecisionRecord
from clearer.searching.contenders import make_contenders
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace
from clearer.terminal import console

SPACE = SearchSpace(residual=True)
COSTS = {precision: CostSource((256, 256), file_mb, precision) for precision in FILE_PRECISIONS}


class Device(CostSource):
    """A device that computes in int8 four times as fast as in floating point."""

    def __init__(self, precision: FilePrecision) -> None:
        super().__init__((256, 256), file_mb, precision)

    def backend(self, metric: Metric) -> str | None:
        return "a board" if metric == "ms" else None

    def estimate(self, architecture: Architecture, metric: Metric) -> float:
        if metric != "ms":
            return super().estimate(architecture, metric)
        ms = network_cost(architecture, "macs") / 1e3
        return ms / 4 if self.precision == "int8" else ms

    def measure(self, architecture: Architecture, metric: Metric) -> float | None:
        if metric != "ms":
            return super().measure(architecture, metric)
        return self.estimate(architecture, "ms")


def contenders(costs: CostSource, *budgets: Budget, width: int | None = None) -> list[Architecture]:
    return make_contenders(SPACE, budgets, costs, 4, width=width, patch_size=48)


@pytest.mark.parametrize("precision", FILE_PRECISIONS)
def test_a_race_uses_the_budget_of_its_precision(precision: FilePrecision) -> None:
    for architecture in contenders(COSTS[precision], Budget(metric="mb", limit=0.6)):
        assert 0.9 * 0.6 < file_mb(architecture, precision) <= 0.6


def test_a_race_in_milliseconds_takes_larger_networks_where_int8_is_faster() -> None:
    budget = Budget(metric="ms", limit=2.0)
    fp32, int8 = (contenders(Device(precision), budget)[0] for precision in ("fp32", "int8"))
    assert network_cost(int8, "macs") > 3 * network_cost(fp32, "macs")


def test_the_width_of_a_space_follows_the_precision() -> None:
    budget = Budget(metric="mb", limit=2.0)
    widths = {p: fit_space(SPACE, [budget], COSTS[p]).width for p in FILE_PRECISIONS}
    assert widths["fp32"] < widths["fp16"] < widths["int8"]


def test_the_decision_is_by_the_file_and_gives_all_sizes() -> None:
    space = SearchSpace(width=12, columns=(1, 1), residual=True)
    costs = COSTS["int8"]
    table = cost_table(space, "mb", "int8")
    budget = Budget(metric="mb", limit=(table.cheapest + table.most_expensive) / 2)
    leaning = np.log(np.tile([0.9, 0.1], (space.num_choices, 1)))
    decision = decide(
        space,
        lambda tables, limits: choose_architecture(space, leaning, tables, limits),
        [budget],
        check_budgets(space, [budget], costs),
        costs,
    )
    (check,) = decision.budgets
    assert check.measured == file_mb(decision.architecture, "int8") <= budget.limit
    assert check.backend is None
    assert decision.precision == "int8"
    assert decision.sizes_mb == {p: file_mb(decision.architecture, p) for p in FILE_PRECISIONS}
    assert budget.limit < decision.sizes_mb["fp32"]


def test_what_is_decided_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    space = SearchSpace(width=12, columns=(1,), residual=True)
    winner = Architecture.from_text("P", space)
    budgets = [Budget(metric="mb", limit=1.0), Budget(metric="ms", limit=1e3)]
    decision = decide_winner([winner], budgets, Device("int8"))
    console.describe_decision(
        msgspec.convert(decision.to_dict() | {"schema_version": 1}, DecisionRecord)
    )
    said = capsys.readouterr().err
    assert "MB (int8): predicted" in said
    assert "ms (int8, a board): predicted" in said
    sizes = [f"{precision} {file_mb(winner, precision):.4g} MB" for precision in FILE_PRECISIONS]
    assert f"files: {', '.join(sizes)}\n" in said


@pytest.mark.parametrize(
    ("share", "strategy", "is_said"),
    [(0.5, "race", True), (0.95, "race", False), (0.5, "gradient", False)],
)
def test_a_race_that_leaves_room_says_so(
    share: float, strategy: str, is_said: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    winner = Architecture.from_text("P", SearchSpace(width=12, columns=(1,), residual=True))
    tight, wide = (file_mb(winner, "fp32") / use for use in (share, 0.1))
    budgets = [Budget(metric="mb", limit=tight), Budget(metric="ms", limit=1e6)]
    decision = decide_winner([winner], [*budgets, Budget(metric="mb", limit=wide)], Device("fp32"))
    record = decision.to_dict() | {"schema_version": 1, "strategy": strategy}
    console.describe_decision(msgspec.convert(record, DecisionRecord))
    assert ("room is left" in capsys.readouterr().err) == is_said


def test_a_refusal_names_the_precision_that_would_fit() -> None:
    with pytest.raises(InputError) as refused:
        check_budgets(PAPER_SPACE, [Budget(metric="mb", limit=5)], COSTS["fp32"])
    smallest = file_mb(Architecture.uniform(PAPER_SPACE, "fusion"), "int8")
    assert smallest < 5
    message = f"raise --budget-mb; --budget-precision int8 would fit: about {smallest:.3f} MB"
    assert str(refused.value).endswith(message)
    check_budgets(PAPER_SPACE, [Budget(metric="mb", limit=5)], COSTS["int8"])


def test_a_small_network_may_fit_in_halves_and_not_in_int8() -> None:
    """There, scales, zero points and names outweigh the weights."""
    space = SearchSpace(width=2, columns=(1,))
    limit = 1.1 * file_mb(Architecture.uniform(space, "fusion"), "fp16")
    budget = Budget(metric="mb", limit=limit)
    for precision in ("fp32", "int8"):
        with pytest.raises(InputError, match=r"; --budget-precision fp16 would fit: about"):
            check_budgets(space, [budget], COSTS[precision])


def test_a_race_that_is_refused_names_the_precision_too() -> None:
    budget = Budget(metric="mb", limit=0.5)
    with pytest.raises(InputError, match=r"width 64.*; --budget-precision int8 would fit: about"):
        contenders(COSTS["fp32"], budget, width=64)
    assert contenders(COSTS["int8"], budget, width=64)


def test_milliseconds_that_another_precision_meets_are_named() -> None:
    """The smallest network takes 0.28 ms in fp32."""
    budget = Budget(metric="ms", limit=0.15)
    with pytest.raises(InputError, match=r"; --budget-precision int8 would fit: about 0\.\d+ ms"):
        contenders(Device("fp32"), budget)
    assert contenders(Device("int8"), budget)


@pytest.mark.parametrize(
    "budget", [Budget(metric="params", limit=1000), Budget(metric="mb", limit=1e-3)]
)
def test_no_precision_is_named_where_none_helps(budget: Budget) -> None:
    with pytest.raises(InputError, match=rf"raise {budget.option}$"):
        check_budgets(SearchSpace(width=4), [budget], COSTS["fp32"])
    with pytest.raises(InputError, match=r"raise the budget$"):
        contenders(Device("fp32"), budget)
