from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clearer.budget import (
    Budget,
    budget_position,
    check_budgets,
    choose_architecture,
    decide,
    fit_width,
)
from clearer.cost import CostTable, cost_table
from clearer.errors import InputError
from clearer.space import CHOICES, PAPER_SPACE, Architecture, SearchSpace

SPACE = SearchSpace(width=14, residual=True)
ALL = np.array([[int(c == "fusion") for c in a.choices] for a in PAPER_SPACE.architectures()])


def estimated_mb(architecture: Architecture) -> float:
    return cost_table(architecture.space, "mb").cost(architecture)


costs = st.integers(0, 1000).map(float)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, list[CostTable], list[float]]:
    """Random log op weights, one to three random tables, and limits between their extremes."""
    logits = np.array(draw(st.lists(st.floats(-6, 6), min_size=12, max_size=12)))
    log_weights = np.stack([-np.logaddexp(0, logits), -np.logaddexp(0, -logits)], axis=1)
    tables, limits = [], []
    for _ in range(draw(st.integers(1, 3))):
        columns = tuple(draw(st.lists(st.tuples(costs, costs), min_size=12, max_size=12)))
        table = CostTable(metric="params", unit="parameters", fixed=draw(costs), columns=columns)
        assume(table.dearest > 0)
        share = draw(st.floats(0, 1))
        limits.append(max(table.cheapest + share * (table.dearest - table.cheapest), 1e-3))
        tables.append(table)
    return log_weights, tables, limits


@settings(max_examples=60)
@given(problems())
def test_choice_equals_brute_force_over_all_4096(
    problem: tuple[np.ndarray, list[CostTable], list[float]],
) -> None:
    log_weights, tables, limits = problem
    score = log_weights[np.arange(12), ALL].sum(axis=1)
    met = np.ones(len(ALL), dtype=bool)
    for table, limit in zip(tables, limits, strict=True):
        met &= table.fixed + np.array(table.columns)[np.arange(12), ALL].sum(axis=1) <= limit
    chosen = choose_architecture(PAPER_SPACE, log_weights, tables, limits)
    if not met.any():
        assert chosen is None
        return
    assert chosen is not None
    assert all(t.cost(chosen) <= limit for t, limit in zip(tables, limits, strict=True))
    picks = [CHOICES.index(choice) for choice in chosen.choices]
    assert log_weights[np.arange(12), picks].sum() == pytest.approx(score[met].max(), abs=1e-5)


def test_without_budget_the_choice_is_the_argmax() -> None:
    rng = np.random.default_rng(0)
    log_weights = np.log(rng.dirichlet([1, 1], size=12))
    decision = decide(PAPER_SPACE, log_weights, [], [], estimated_mb)
    assert decision.architecture == decision.argmax
    picks = [CHOICES[i] for i in log_weights.argmax(axis=1)]
    assert decision.architecture.choices == tuple(picks)


def test_width_32_is_kept_where_it_fits() -> None:
    assert fit_width(PAPER_SPACE, [Budget(metric="mb", limit=30)]).width == 32
    assert fit_width(PAPER_SPACE, []).width == 32


@given(st.floats(0.5, 60))
def test_the_budget_falls_well_inside_what_the_width_spans(limit: float) -> None:
    budget = Budget(metric="mb", limit=limit)
    space = fit_width(PAPER_SPACE, [budget])
    assert budget_position(space, budget) >= 0.25
    if space.width < 32:
        wider = SearchSpace(width=space.width + 2)
        assert budget_position(wider, budget) < 0.25


def test_a_budget_that_nothing_meets_names_the_smallest_size_and_the_option() -> None:
    budgets = [Budget(metric="params", limit=1000)]
    space = fit_width(SPACE, budgets)
    smallest = cost_table(space, "params").cheapest
    with pytest.raises(InputError, match=rf"{smallest:,.0f} parameters.*raise --budget-params"):
        check_budgets(space, budgets, estimated_mb)


def test_a_width_that_is_too_wide_is_named() -> None:
    with pytest.raises(InputError, match="lower or leave out --width 32"):
        check_budgets(PAPER_SPACE, [Budget(metric="mb", limit=5)], estimated_mb)


def test_the_real_file_decides_and_not_the_estimate() -> None:
    """Files that turn out 20 % larger than estimated are not accepted."""
    budget = Budget(metric="mb", limit=5.0)

    def larger(architecture: Architecture) -> float:
        return 1.2 * estimated_mb(architecture)

    log_weights = np.log(np.tile([0.9, 0.1], (12, 1)))
    tables = check_budgets(SPACE, [budget], larger)
    decision = decide(SPACE, log_weights, [budget], tables, larger)
    assert larger(decision.architecture) <= 5.0
    assert decision.budgets[0].measured == larger(decision.architecture)
    # Nor is the correction so large that the budget goes to waste.
    fitting = [a for a in SPACE.architectures() if larger(a) <= 5.0]
    most = max(a.choices.count("parallel") for a in fitting)
    assert decision.architecture.choices.count("parallel") >= most - 2


def test_a_file_near_the_limit_is_measured_before_the_search() -> None:
    budget = Budget(metric="mb", limit=cost_table(SPACE, "mb").cheapest * 1.01)
    with pytest.raises(InputError, match="no network fits --budget-mb"):
        check_budgets(SPACE, [budget], lambda a: estimated_mb(a) * 1.05)


@pytest.mark.parametrize("limit", [0.0, -1.0, float("inf"), float("nan")])
def test_a_limit_that_is_not_positive_is_refused(limit: float) -> None:
    with pytest.raises(InputError, match="--budget-mb"):
        Budget(metric="mb", limit=limit)
