from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from clearer.costs.budget import (
    Budget,
    budget_position,
    check_budgets,
    choose_architecture,
    fit_space,
    random_architecture,
    refuse_hopeless,
)
from clearer.costs.cost import (
    CostTable,
    FilePrecision,
    Metric,
    cost_table,
    gmacs_table,
    network_cost,
)
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import Choose, decide
from clearer.errors import InputError
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace

SPACE = SearchSpace(width=14, residual=True)
ALL = np.array([[int(c == "fusion") for c in a.choices] for a in PAPER_SPACE.architectures()])


def estimated_mb(architecture: Architecture, precision: FilePrecision = "fp32") -> float:
    return network_cost(architecture, "mb", precision)


class Files(CostSource):
    """Costs whose files differ from the estimate by a factor, and whose times by another."""

    def __init__(self, mb: float = 1.0, ms: float | None = 1.0, margin: float = 0.0) -> None:
        super().__init__((64, 64), lambda a, precision: mb * estimated_mb(a, precision))
        self._ms, self._margin = ms, margin

    def table(self, space: SearchSpace, metric: Metric) -> CostTable:
        if metric != "ms":
            return super().table(space, metric)
        # As if fusing cost more time than it saves in the first cell.
        columns = tuple((1.0, 2.0) if n == 2 else (2.0, 1.0) for n in space.column_scales())
        scale = space.width / 10 / space.unshuffle**2
        pairs = tuple((scale * a, scale * b) for a, b in columns)
        return CostTable(metric="ms", unit="ms", fixed=scale, choices=pairs)

    def measure(self, architecture: Architecture, metric: Metric) -> float | None:
        if metric != "ms":
            return super().measure(architecture, metric)
        return self._ms and self._ms * self.table(architecture.space, "ms").cost(architecture)

    def margin(self, metric: Metric) -> float:
        return self._margin if metric == "ms" else 0.0


EXACT = Files()


def most_probable(log_weights: np.ndarray, space: SearchSpace = SPACE) -> Choose:
    return lambda tables, limits: choose_architecture(space, log_weights, tables, limits)


costs = st.integers(0, 1000).map(float)


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, list[CostTable], list[float]]:
    """Random log op weights, one to three random tables, and limits between their extremes."""
    logits = np.array(draw(st.lists(st.floats(-6, 6), min_size=12, max_size=12)))
    log_weights = np.stack([-np.logaddexp(0, logits), -np.logaddexp(0, -logits)], axis=1)
    tables, limits = [], []
    for _ in range(draw(st.integers(1, 3))):
        columns = tuple(draw(st.lists(st.tuples(costs, costs), min_size=12, max_size=12)))
        table = CostTable(metric="params", unit="parameters", fixed=draw(costs), choices=columns)
        assume(table.most_expensive > 0)
        share = draw(st.floats(0, 1))
        limits.append(max(table.cheapest + share * (table.most_expensive - table.cheapest), 1e-3))
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
        met &= table.fixed + np.array(table.choices)[np.arange(12), ALL].sum(axis=1) <= limit
    chosen = choose_architecture(PAPER_SPACE, log_weights, tables, limits)
    if not met.any():
        assert chosen is None
        return
    assert chosen is not None
    assert all(t.cost(chosen) <= limit for t, limit in zip(tables, limits, strict=True))
    picks = chosen.picks
    assert log_weights[np.arange(12), picks].sum() == pytest.approx(score[met].max(), abs=1e-5)


GATED = SearchSpace(columns=(1, 2), stem="conv", first_scales=1, gates=True)


@settings(max_examples=40)
@given(st.integers(0, 2**31), st.floats(0, 1), st.floats(0, 1))
def test_choice_with_gates_equals_brute_force(seed: int, one: float, two: float) -> None:
    """Over all 162 architectures, under two limits."""
    rng = np.random.default_rng(seed)
    allowed = np.array(GATED.allowed())
    log_weights = np.log(rng.dirichlet([1, 1, 1], size=len(allowed)))
    tables = [
        CostTable(
            metric="params",
            unit="parameters",
            fixed=float(rng.integers(100)),
            choices=tuple((float(a), float(b), 0.0) for a, b in rng.integers(1000, size=(5, 2))),
        )
        for _ in range(2)
    ]
    limits = [
        t.cheapest + share * (t.most_expensive - t.cheapest) + 1e-3
        for t, share in zip(tables, (one, two), strict=True)
    ]

    def score(architecture: Architecture) -> float:
        picks = architecture.picks
        return float(log_weights[np.arange(len(picks)), picks].sum())

    members = list(GATED.architectures())
    assert len(members) == 2 * 3**4
    met = [
        a
        for a in members
        if all(t.cost(a) <= limit for t, limit in zip(tables, limits, strict=True))
    ]
    chosen = choose_architecture(GATED, log_weights, tables, limits)
    if not met:
        assert chosen is None
        return
    assert chosen in met
    assert score(chosen) == pytest.approx(max(map(score, met)), abs=1e-5)


def test_without_budget_the_choice_is_the_argmax() -> None:
    rng = np.random.default_rng(0)
    log_weights = np.log(rng.dirichlet([1, 1], size=12))
    decision = decide(PAPER_SPACE, most_probable(log_weights, PAPER_SPACE), [], [], EXACT)
    picks = [PAPER_SPACE.candidates[i] for i in log_weights.argmax(axis=1)]
    assert decision.architecture.choices == tuple(picks)


def test_width_32_is_kept_where_it_fits() -> None:
    assert fit_space(PAPER_SPACE, [Budget(metric="mb", limit=30)], EXACT).width == 32
    assert fit_space(PAPER_SPACE, [], EXACT) == PAPER_SPACE


@given(st.floats(1, 60))
def test_the_budget_falls_well_inside_what_the_width_spans(limit: float) -> None:
    budget = Budget(metric="mb", limit=limit)
    space = fit_space(PAPER_SPACE, [budget], EXACT, unshuffle=1)
    assert budget_position(space, budget, EXACT) >= 0.25
    if space.width < 32:
        wider = replace(space, width=space.width + 2)
        assert budget_position(wider, budget, EXACT) < 0.25


@given(st.floats(0.5, 100), st.floats(0.5, 30))
def test_all_budgets_decide_about_the_width_and_unshuffle(ms: float, mb: float) -> None:
    budgets = [Budget(metric="ms", limit=ms), Budget(metric="mb", limit=mb)]
    space = fit_space(PAPER_SPACE, budgets, EXACT)
    alone = fit_space(PAPER_SPACE, budgets, EXACT, unshuffle=1)
    assert space.unshuffle == 1 if alone.width >= 8 else space.width >= alone.width
    if space.width > 2:
        assert all(budget_position(space, budget, EXACT) >= 0.25 for budget in budgets)


def test_an_unshuffle_of_2_is_taken_where_1_would_be_too_narrow() -> None:
    """11.5 ms at width 10 and unshuffle 1 are 11.5 ms at width 40 and unshuffle 2."""
    tight = [Budget(metric="ms", limit=8.0)]
    assert fit_space(PAPER_SPACE, tight, EXACT, unshuffle=1).width < 8
    assert fit_space(PAPER_SPACE, tight, EXACT).unshuffle == 2
    assert fit_space(PAPER_SPACE, [Budget(metric="ms", limit=30.0)], EXACT).unshuffle == 1
    assert fit_space(PAPER_SPACE, tight, EXACT, width=20).unshuffle == 2
    # Parameters hardly depend on the factor: half the resolution would gain nothing.
    assert fit_space(PAPER_SPACE, [Budget(metric="params", limit=1e5)], EXACT).unshuffle == 1


class Timed(Files):
    """Records what was timed."""

    def __init__(self) -> None:
        super().__init__()
        self.spaces: list[SearchSpace] = []

    def table(self, space: SearchSpace, metric: Metric) -> CostTable:
        if metric == "ms":
            self.spaces.append(space)
        return super().table(space, metric)


@pytest.mark.parametrize("metric", ["mb", "gmacs", "params"])
def test_what_is_counted_is_refused_before_anything_is_timed(metric: Metric) -> None:
    timed = Timed()
    budgets = [Budget(metric="ms", limit=50.0), Budget(metric=metric, limit=1e-9)]
    refuse_hopeless(PAPER_SPACE, budgets, timed)
    space = fit_space(PAPER_SPACE, budgets, timed)
    with pytest.raises(InputError, match=f"no network fits --budget-{metric}"):
        check_budgets(space, budgets, timed)
    assert timed.spaces == []


@pytest.mark.parametrize(
    ("given", "narrowest", "helps"),
    [
        ({}, (2, 2), "raise"),
        ({"width": 16}, (16, 2), "lower or leave out --width 16, or raise"),
        ({"unshuffle": 1}, (2, 1), "give --unshuffle 2, or raise"),
    ],
)
def test_a_hopeless_time_is_refused_after_the_fastest_space_alone(
    given: dict[str, int], narrowest: tuple[int, int], helps: str
) -> None:
    timed = Timed()
    with pytest.raises(InputError, match=rf"has about .* ms; {helps} --budget-ms"):
        refuse_hopeless(PAPER_SPACE, [Budget(metric="ms", limit=1e-3)], timed, **given)
    assert [(space.width, space.unshuffle) for space in timed.spaces] == [narrowest]


def test_tables_come_in_the_order_of_the_budgets() -> None:
    budgets = [Budget(metric="ms", limit=100.0), Budget(metric="mb", limit=20)]
    assert [table.metric for table in check_budgets(SPACE, budgets, EXACT)] == ["ms", "mb"]


def test_a_given_width_and_unshuffle_stay() -> None:
    budgets = [Budget(metric="ms", limit=1.0)]
    space = fit_space(PAPER_SPACE, budgets, EXACT, width=24, unshuffle=1)
    assert (space.width, space.unshuffle) == (24, 1)


def test_gmacs_count_the_padded_image() -> None:
    """The paper's all-fusion network has 294k MACs per pixel; 60 x 60 is padded to 64 x 64."""
    table = gmacs_table(PAPER_SPACE, 60, 60)
    per_pixel = cost_table(PAPER_SPACE, "macs").cheapest
    assert round(per_pixel / 1e3) == 294
    assert table.cheapest == pytest.approx(per_pixel * 64 * 64 / 1e9)


def test_a_budget_that_nothing_meets_names_the_smallest_size_and_the_option() -> None:
    budgets = [Budget(metric="params", limit=1000)]
    space = fit_space(SPACE, budgets, EXACT)
    smallest = cost_table(space, "params").cheapest
    with pytest.raises(InputError, match=rf"{smallest:,.0f} parameters.*raise --budget-params"):
        check_budgets(space, budgets, EXACT)


def test_a_width_that_is_too_wide_is_named() -> None:
    with pytest.raises(InputError, match="lower or leave out --width 32"):
        check_budgets(PAPER_SPACE, [Budget(metric="mb", limit=5)], EXACT)
    with pytest.raises(InputError, match="--width 32, or give --unshuffle 2, or raise --budget-ms"):
        check_budgets(PAPER_SPACE, [Budget(metric="ms", limit=5)], EXACT)


def test_the_real_file_decides_and_not_the_estimate() -> None:
    """Files that turn out 20 % larger than estimated are not accepted."""
    budget, larger = Budget(metric="mb", limit=5.0), Files(mb=1.2)
    log_weights = np.log(np.tile([0.9, 0.1], (12, 1)))
    tables = check_budgets(SPACE, [budget], larger)
    decision = decide(SPACE, most_probable(log_weights), [budget], tables, larger)
    measured = larger.measure(decision.architecture, "mb")
    assert measured is not None
    assert decision.budgets[0].measured == measured <= 5.0
    # Nor is the correction so large that the budget is wasted.
    fitting = [a for a in SPACE.architectures() if 1.2 * estimated_mb(a) <= 5.0]
    most = max(a.choices.count("parallel") for a in fitting)
    assert decision.architecture.choices.count("parallel") >= most - 2


def test_the_measured_time_decides_and_not_the_table() -> None:
    budget, slower = Budget(metric="ms", limit=26.0), Files(ms=1.25)
    log_weights = np.log(np.tile([0.9, 0.1], (12, 1)))
    tables = check_budgets(SPACE, [budget], slower)
    decision = decide(SPACE, most_probable(log_weights), [budget], tables, slower)
    (check,) = decision.budgets
    assert check.measured is not None
    assert check.measured <= 26.0
    assert check.measured == slower.measure(decision.architecture, "ms")


def test_a_time_that_other_work_made_long_is_named() -> None:
    budget, busy = Budget(metric="ms", limit=26.0), Files(ms=3.0)
    log_weights = np.log(np.tile([0.9, 0.1], (12, 1)))
    tables = check_budgets(SPACE, [budget], busy)
    with pytest.raises(InputError, match=r"predicted to take .* ms and measured at .*--resume"):
        decide(SPACE, most_probable(log_weights), [budget], tables, busy)


def test_where_nothing_can_be_measured_the_tables_error_stays_free() -> None:
    budget, elsewhere = Budget(metric="ms", limit=26.0), Files(ms=None, margin=0.1)
    log_weights = np.log(np.tile([0.9, 0.1], (12, 1)))
    tables = check_budgets(SPACE, [budget], elsewhere)
    decision = decide(SPACE, most_probable(log_weights), [budget], tables, elsewhere)
    (check,) = decision.budgets
    assert check.measured is None
    assert check.predicted * 1.1 <= 26.0


def test_budgets_that_contradict_each_other_are_named() -> None:
    """The fastest network has parallel modules in its first cell; the smallest has none."""
    smallest = EXACT.span(SPACE, "mb")[0]
    budgets = [Budget(metric="ms", limit=19.0), Budget(metric="mb", limit=1.005 * smallest)]
    tables = check_budgets(SPACE, budgets, EXACT)
    log_weights = np.log(np.full((12, 2), 0.5))
    with pytest.raises(InputError, match="--budget-ms 19 and --budget-mb .* together"):
        decide(SPACE, most_probable(log_weights), budgets, tables, EXACT)


def test_a_random_architecture_is_drawn_evenly_from_those_under_the_budget() -> None:
    space = SearchSpace(width=4, columns=(2, 2))
    table = cost_table(space, "params")
    limit = (table.cheapest + table.most_expensive) / 2
    fitting = {a.text for a in space.architectures() if table.cost(a) <= limit}
    drawn = [random_architecture(space, seed, [table], [limit]) for seed in range(400)]
    texts = [a.text for a in drawn if a is not None]
    assert set(texts) == fitting
    assert len(texts) == 400
    counts = [texts.count(text) for text in fitting]
    assert min(counts) > 0.4 * 400 / len(fitting)
    assert random_architecture(space, 0, [table], [1.0]) is None


def test_a_file_near_the_limit_is_measured_before_the_search() -> None:
    budget = Budget(metric="mb", limit=cost_table(SPACE, "mb").cheapest * 1.01)
    with pytest.raises(InputError, match="no network fits --budget-mb"):
        check_budgets(SPACE, [budget], Files(mb=1.05))


@pytest.mark.parametrize("limit", [0.0, -1.0, float("inf"), float("nan")])
@pytest.mark.parametrize("metric", ["mb", "ms", "gmacs", "params"])
def test_a_limit_that_is_not_positive_is_refused(metric: Metric, limit: float) -> None:
    with pytest.raises(InputError, match=f"--budget-{metric}"):
        Budget(metric=metric, limit=limit)


def test_an_unknown_budget_is_refused() -> None:
    with pytest.raises(InputError, match="use one of mb, ms, gmacs, params"):
        Budget(metric="watts", limit=1.0)  # type: ignore[arg-type]
