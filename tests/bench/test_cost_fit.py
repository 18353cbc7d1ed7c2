"""From the times of networks to a cost table and its file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.bench.cost_fit import collect, fit_table
from clearer.bench.device_timer import (
    RESULT_FILE,
    Session,
    drift_free_ms,
    relative_errors,
    run_plan,
)
from clearer.bench.measured_costs import MeasuredCosts
from clearer.bench.plan import Plan, check_architectures, read_plan, write_plan
from clearer.costs.cost import CostTable, cost_table, modules
from clearer.costs.cost_file import read_cost_table, write_cost_table
from clearer.errors import InputError
from clearer.space.space import Architecture, SearchSpace
from tests.bench.fake_timing import TINY, fake_times, ignore, measure_quickly

GATED = SearchSpace(width=4, columns=(2, 2, 3), stem="conv", first_scales=1, gates=True)
SPACES = [
    TINY,
    SearchSpace(width=4),
    SearchSpace(columns=(3,)),
    SearchSpace(columns=(1, 1, 1, 1)),
    GATED,
    SearchSpace(width=4, gates=True),
]

positive = st.floats(0.1, 50)


@pytest.fixture(autouse=True)
def own_cache_and_no_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    return measure_quickly(tmp_path, monkeypatch)


def networks(plan: Plan) -> list[Architecture]:
    return [entry.architecture for entry in plan.groups[0] if entry.module is None]


@settings(max_examples=25)
@given(st.sampled_from(SPACES), st.lists(positive, min_size=15, max_size=15))
def test_times_that_add_up_are_explained_exactly(space: SearchSpace, ms: list[float]) -> None:
    distinct = dict.fromkeys(m for row in modules(space) for m in row if m is not None)
    true = dict(zip(distinct, ms[1:], strict=False))
    assert len(true) == len(distinct)

    def cost(architecture: Architecture) -> float:
        rows = zip(modules(architecture.space), architecture.picks, strict=True)
        chosen = [row[pick] for row, pick in rows]
        return ms[0] + sum(true[module] for module in chosen if module is not None)

    timed = networks(Plan.make(space, 64, 64))
    fixed, found = fit_table(timed, [cost(a) for a in timed])
    assert fixed == pytest.approx(ms[0], rel=1e-4)
    assert found == pytest.approx(true, rel=1e-4)


def test_a_table_of_gates_knows_what_each_scale_costs() -> None:
    """A block costs the same in every cell; a fusion depends on how many scales it reads."""
    distinct = dict.fromkeys(m for row in modules(GATED) for m in row if m is not None)
    kinds = Counter(module.choice for module in distinct)
    assert kinds == {"parallel": 3, "fusion": 2 + 3}
    blocks = [(m.num_scales, m.scales) for m in distinct if m.choice == "parallel"]
    assert sorted(blocks) == [(1, (0,)), (2, (1,)), (3, (2,))]


def test_networks_with_gates_that_are_checked_span_the_range_of_costs() -> None:
    macs = cost_table(GATED, "macs")
    costs = [macs.cost(a) for a in check_architectures(GATED, 24)]
    assert len(set(costs)) > 20
    assert min(costs) < macs.cheapest + 0.2 * (macs.most_expensive - macs.cheapest)
    assert max(costs) > macs.cheapest + 0.6 * (macs.most_expensive - macs.cheapest)


@pytest.mark.parametrize("space", SPACES)
def test_networks_of_a_plan_have_names_of_their_own(space: SearchSpace) -> None:
    names = [entry.name for entry in Plan.make(space, 64, 64).groups[0]]
    assert len(set(names)) == len(names)


def test_a_plan_survives_its_file(tmp_path: Path) -> None:
    plan = Plan.make(TINY, 33, 48, check_architectures(TINY, 3))
    write_plan(tmp_path, plan)
    assert read_plan(tmp_path)[0] == plan


def test_check_all_takes_one_network_of_each_kind_that_a_table_knows() -> None:
    space = SearchSpace(width=4)
    table = cost_table(space, "macs")
    drawn = check_architectures(space, None)
    assert len(drawn) == 125
    assert len({round(table.cost(a), 6) for a in drawn}) == 125


@given(st.integers(2, 60))
def test_checked_networks_span_the_range_of_costs(number: int) -> None:
    space = SearchSpace(width=4)
    table = cost_table(space, "macs")
    costs = sorted(table.cost(a) for a in check_architectures(space, number))
    step = (table.most_expensive - table.cheapest) / number
    assert len(set(costs)) == number
    assert costs[0] < table.cheapest + 1.5 * step
    assert costs[-1] > table.most_expensive - 1.5 * step


def test_more_checks_than_kinds_are_refused() -> None:
    with pytest.raises(InputError, match="6 networks apart; use 'all'"):
        check_architectures(TINY, 7)


def test_slowness_that_all_share_does_not_count() -> None:
    true, slow = np.array([2.0, 5.0, 9.0]), np.array([1.0, 1.0, 3.0, 1.1, 1.0])
    rounds = (slow[:, None] * true).tolist()
    np.testing.assert_allclose(drift_free_ms(rounds), true, rtol=1e-9)
    assert max(relative_errors(rounds)) == pytest.approx(0, abs=1e-9)


def test_noise_of_one_network_shows() -> None:
    rng = np.random.default_rng(0)
    times = np.full((60, 3), 10.0)
    times[:, 1] += rng.normal(scale=1.0, size=60)
    errors = relative_errors(times.tolist())
    # 1.25 times the noise of a mean over 60.
    assert errors[1] == pytest.approx(1.25 * 0.1 / 60**0.5, rel=0.5)


SETTING = {"backend": "onnxruntime", "threads": 2, "asked_precision": "fp32"}


def test_a_table_from_the_results_of_a_folder(tmp_path: Path) -> None:
    write_plan(tmp_path, Plan.make(TINY, 40, 24, check_architectures(TINY, 4)))
    run_plan(tmp_path, SETTING, fake_times, 0.01, ignore)
    table, check = collect(tmp_path)
    assert table.fixed == pytest.approx(10)
    np.testing.assert_allclose(table.choices, [(1, 3)] * 3, rtol=1e-6)
    m = table.measurement
    assert m is not None
    assert (m.space, m.height, m.width, m.device) == (TINY, 40, 24, "a board")
    assert (m.backend, m.version, m.threads, m.precision) == ("onnxruntime", "1", 2, "fp32")
    assert m.max_error < 1e-6
    assert not m.is_noisy
    assert check is not None
    report = check.to_dict()
    assert report["mape"] < 1e-6
    assert report["rho"] == pytest.approx(1)
    # Modules alone: 5 ms for either choice, so that all networks would take the same time.
    assert report["mape_modules_alone"] > 0.1


def test_a_device_that_is_gone_half_way_keeps_what_was_measured(tmp_path: Path) -> None:
    write_plan(tmp_path, Plan.make(TINY, 32, 32, check_architectures(TINY, 2)))

    def unplugged(entry: dict[str, Any]) -> Session:
        made = fake_times(entry)
        run_ms = made.run_ms

        def run(turn: int) -> float:
            if turn == 4:
                raise RuntimeError("the device is gone")
            return run_ms(turn)

        made.run_ms = run  # type: ignore[method-assign]
        return made

    with pytest.raises(RuntimeError, match="gone"):
        run_plan(tmp_path, SETTING, unplugged, 0.01, ignore)
    kept = json.loads((tmp_path / RESULT_FILE).read_text())["groups"][0]["rounds"]
    assert len(kept) == 4
    # Four rounds make a table, though nothing has checked it yet.
    table, check = collect(tmp_path)
    assert table.fixed == pytest.approx(10)
    assert check is None
    result = run_plan(tmp_path, SETTING, fake_times, 0.01, ignore)
    assert result["finished"]
    assert result["groups"][0]["rounds"][:4] == kept
    assert collect(tmp_path)[1] is not None


def test_results_of_another_plan_are_refused(tmp_path: Path) -> None:
    write_plan(tmp_path, Plan.make(TINY, 32, 32))
    run_plan(tmp_path, SETTING, fake_times, 0.01, ignore)
    write_plan(tmp_path, Plan.make(TINY, 64, 64))
    with pytest.raises(InputError, match="other networks"):
        collect(tmp_path)


@pytest.mark.parametrize(
    "damage",
    [
        lambda r: r["groups"][0].update(rounds=[[1.0]] * 5),
        lambda r: r["groups"][0].update(rounds="none"),
        lambda r: r["groups"][0]["rounds"][0].__setitem__(0, -1.0),
        lambda r: r["groups"][0]["rounds"][0].__setitem__(0, float("nan")),
        lambda r: r.pop("device"),
        lambda r: r.update(groups=[]),
    ],
)
def test_damaged_results_are_refused(
    tmp_path: Path, damage: Callable[[dict[str, Any]], object]
) -> None:
    write_plan(tmp_path, Plan.make(TINY, 32, 32))
    result = run_plan(tmp_path, SETTING, fake_times, 0.01, ignore)
    damage(result)
    (tmp_path / RESULT_FILE).write_text(json.dumps(result))
    with pytest.raises(InputError, match=r"result\.json"):
        collect(tmp_path)


def test_too_few_rounds_are_no_table(tmp_path: Path) -> None:
    write_plan(tmp_path, Plan.make(TINY, 32, 32))
    result = run_plan(tmp_path, SETTING, fake_times, 0.01, ignore)
    result["groups"][0]["rounds"] = result["groups"][0]["rounds"][:2]
    (tmp_path / RESULT_FILE).write_text(json.dumps(result))
    with pytest.raises(InputError, match="2 rounds were measured, too few"):
        collect(tmp_path)


def measured(folder: Path, space: SearchSpace = TINY) -> CostTable:
    write_plan(folder, Plan.make(space, 32, 32))
    run_plan(folder, SETTING, fake_times, 0.01, ignore)
    return collect(folder)[0]


def test_a_table_survives_its_file(tmp_path: Path) -> None:
    table = measured(tmp_path)
    write_cost_table(tmp_path / "cost.json", table)
    assert read_cost_table(tmp_path / "cost.json") == table


def test_a_table_of_an_earlier_version_is_read(tmp_path: Path) -> None:
    table, path = measured(tmp_path), tmp_path / "cost.json"
    write_cost_table(path, table)
    data = json.loads(path.read_text())
    space = data["measurement"]["space"]
    space["entry"], space["stem"] = space.pop("stem"), space.pop("unshuffle")
    path.write_text(json.dumps({**data, "schema_version": 2}))
    assert read_cost_table(path) == table


@pytest.mark.parametrize(
    "change",
    [
        {"choices": [[1, 2]]},
        {"choices": [[1, 2], [1, 2], [1, "2"]]},
        {"choices": [[1, 2], [1, 2], [1, -2]]},
        {"fixed": float("nan")},
        {"fixed": True},
        {"metric": "params"},
        {"schema_version": 99},
        {"measurement": {}},
        {"measurement": None},
    ],
)
def test_a_corrupt_table_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    path = tmp_path / "cost.json"
    write_cost_table(path, measured(tmp_path))
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    with pytest.raises(InputError, match=r"cost\.json.*make it again"):
        read_cost_table(path)


def test_a_table_for_another_space_or_size_says_what_differs(tmp_path: Path) -> None:
    table = measured(tmp_path)
    costs = MeasuredCosts((32, 32), table, lambda _: None)
    assert costs.table(TINY, "ms") == table
    other = SearchSpace(width=8, columns=(1, 2), residual=True)
    with pytest.raises(InputError, match="width 2 instead of 8"):
        costs.table(other, "ms")
    with pytest.raises(InputError, match="32x32 instead of 64x64"):
        MeasuredCosts((64, 64), table, lambda _: None).table(TINY, "ms")


def test_a_table_of_another_device_leaves_room_and_is_not_measured(tmp_path: Path) -> None:
    costs = MeasuredCosts((32, 32), measured(tmp_path), lambda _: None)
    architecture = Architecture.from_text("P-PF", TINY)
    assert costs.measure(architecture, "ms") is None
    assert costs.margin("ms") > 0
    assert costs.margin("mb") == 0
