"""Networks for a race: all meet the budgets, and use up the tightest one."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Any

import pytest

from clearer.costs.budget import Budget
from clearer.costs.cost import Metric, network_cost
from clearer.costs.cost_source import CostSource
from clearer.costs.decision import decide_winner
from clearer.errors import InputError
from clearer.export.to_onnx import file_mb
from clearer.searching.contenders import make_contenders
from clearer.searching.training_work import iteration_work
from clearer.space.shapes import Shape, u_space
from clearer.space.space import Architecture, SearchSpace

SPACE = SearchSpace(residual=True)
COSTS = CostSource((256, 256), file_mb)


class Device(CostSource):
    """A device on which kinds of networks are slower than estimated."""

    def __init__(self, errors: Sequence[float] = (1.0, 1.0)) -> None:
        super().__init__((256, 256), file_mb)
        self._errors = errors
        self.num_measured = 0

    def estimate(self, architecture: Architecture, metric: Metric) -> float:
        if metric != "ms":
            return super().estimate(architecture, metric)
        return network_cost(architecture, "macs") / 1e3

    def true_ms(self, architecture: Architecture) -> float:
        """The real time, by unshuffle and a little by the number of scales."""
        space = architecture.space
        error = self._errors[space.unshuffle - 1] * (1 + 0.1 * (space.num_scales - 2))
        return error * self.estimate(architecture, "ms")

    def measure_quickly(
        self, architectures: Sequence[Architecture], metric: Metric
    ) -> list[float | None]:
        assert metric == "ms"
        self.num_measured += len(architectures)
        return [self.true_ms(architecture) for architecture in architectures]


def contenders(
    costs: CostSource = COSTS,
    number: int = 8,
    *,
    width: int | None = None,
    unshuffle: int | None = None,
    patch_size: int = 48,
    useful_work: float = math.inf,
    **limits: float,
) -> list[Architecture]:
    budgets = [
        Budget(metric=metric, limit=limit)  # type: ignore[arg-type]
        for metric, limit in limits.items()
    ]
    return make_contenders(
        SPACE,
        budgets,
        costs,
        number,
        width=width,
        unshuffle=unshuffle,
        patch_size=patch_size,
        useful_work=useful_work,
    )


@pytest.mark.parametrize("mb", [0.5, 1, 2, 5, 10, 20])
def test_a_budget_in_mb_is_used_and_kept(mb: float) -> None:
    found = contenders(mb=mb)
    assert 2 < len(found) <= 8
    assert len(set(found)) == len(found)
    for architecture in found:
        assert 0.94 * mb < network_cost(architecture, "mb") <= mb
    if mb <= 1:  # where the description of the network in the file counts too
        assert all(file_mb(architecture) <= mb for architecture in found)


@pytest.mark.parametrize("limits", [{"params": 3e5}, {"gmacs": 2.0}])
def test_other_budgets_are_used_and_kept(limits: dict[str, Any]) -> None:
    ((metric, limit),) = limits.items()
    for architecture in contenders(**limits):
        assert 0.95 * limit <= COSTS.estimate(architecture, metric) <= limit  # type: ignore[arg-type]


def test_of_two_budgets_the_one_that_binds_is_used() -> None:
    for architecture in contenders(mb=1.0, gmacs=1.5):
        uses = [network_cost(architecture, "mb"), COSTS.estimate(architecture, "gmacs") / 1.5]
        assert 0.94 <= max(uses) <= 1


def test_times_are_corrected_by_kind_of_network() -> None:
    device = Device((1.3, 0.7))
    for architecture in contenders(device, ms=40):
        assert 0.95 * 40 <= device.true_ms(architecture) <= 40 * 1.001
    assert 0 < device.num_measured <= 24


def test_a_model_that_finds_all_too_slow_is_not_believed() -> None:
    device = Device((0.2, 0.2))
    limit = 0.5 * min(device.estimate(a, "ms") for a in contenders(gmacs=0.02))
    assert all(device.true_ms(a) <= limit * 1.001 for a in contenders(device, ms=limit))


def test_a_budget_that_only_an_unshuffle_of_2_meets_is_no_reason_to_refuse() -> None:
    device = Device((40.0, 1.0))
    found = contenders(device, ms=10, mb=2)
    assert {architecture.space.unshuffle for architecture in found} == {2}
    assert all(device.true_ms(architecture) <= 10.01 for architecture in found)


@pytest.mark.parametrize(
    ("limits", "options", "message"),
    [
        ({"mb": 0.001}, {}, "--budget-mb 0.001: the smallest possible .* MB; raise the budget"),
        ({"ms": 1e-4}, {}, "--budget-ms 0.0001"),
        ({"mb": 5.0, "params": 10.0}, {}, "--budget-mb 5 and --budget-params 10"),
        ({"mb": 0.001, "ms": 50.0}, {}, "fits --budget-mb 0.001: .* MB; raise the budget"),
        ({"mb": 0.1}, {"width": 64}, "with this --width or --unshuffle .*width 64"),
        ({"gmacs": 0.01}, {"unshuffle": 1}, "with this --width or --unshuffle .*unshuffle 1"),
    ],
)
def test_a_hopeless_budget_is_refused_in_a_line(
    limits: dict[str, float], options: dict[str, int], message: str
) -> None:
    start = time.process_time()
    with pytest.raises(InputError, match=message) as refused:
        contenders(Device(), **options, **limits)  # type: ignore[arg-type]
    assert "\n" not in str(refused.value)
    assert time.process_time() - start < 3


def test_a_hopeless_time_is_refused_after_the_smallest_networks_alone() -> None:
    device = Device()
    with pytest.raises(InputError, match="has about .* ms"):
        contenders(device, ms=1e-4)
    assert device.num_measured == 2  # one for each unshuffle


@pytest.mark.parametrize("limits", [{"mb": 0.001}, {"gmacs": 1e-9}, {"params": 10.0}])
def test_what_is_counted_is_refused_before_anything_is_timed(limits: dict[str, Any]) -> None:
    device = Device()
    ((metric, limit),) = limits.items()
    with pytest.raises(InputError, match=rf"fits --budget-{metric} {limit:g}: the smallest"):
        contenders(device, ms=50, **limits)
    assert device.num_measured == 0


@pytest.mark.parametrize(("slower", "lost"), [(1.0, 0), (1.04, 1), (1.1, 2)])
def test_a_winner_that_is_a_little_too_slow_loses_a_few_blocks(slower: float, lost: int) -> None:
    winner = contenders(gmacs=2.0, unshuffle=1)[0]
    device = Now(slower)
    budget = Budget(metric="ms", limit=device.true_ms(winner))
    chosen = decide_winner([winner], [budget], device).architecture
    assert chosen.choices.count("parallel") >= winner.choices.count("parallel") - lost - 1
    assert (chosen == winner) == (lost == 0)
    assert network_cost(chosen, "macs") >= 0.8 * network_cost(winner, "macs")


def test_a_machine_that_became_busy_leaves_no_ruin_of_a_network() -> None:
    winner = contenders(gmacs=2.0, unshuffle=1)[0]
    device = Now(2.0)
    budget = Budget(metric="ms", limit=device.true_ms(winner))
    with pytest.raises(InputError, match=r"was predicted to take .* try again with --resume"):
        decide_winner([winner], [budget], device)


def test_if_the_winner_has_no_block_to_lose_the_next_one_is_taken() -> None:
    spaces = (u_space(SPACE, unshuffle=2, width=width, growth=2.0) for width in (24, 20))
    large, small = (Shape(space, (1,), 1, (1,)).architecture() for space in spaces)
    device, said = Now(1.0), list[str]()
    budget = Budget(metric="ms", limit=0.95 * device.true_ms(large))
    chosen = decide_winner([large, small], [budget], device, said.append).architecture
    assert chosen == small
    has = budget.text(device.true_ms(large))
    assert said == [f"{large.label} won, but has {has}: number 2 is taken"]


class Now(Device):
    """A device that has become slower."""

    def __init__(self, slower: float) -> None:
        super().__init__()
        self._slower = slower

    def measure(self, architecture: Architecture, metric: Metric) -> float | None:
        assert metric == "ms"
        return self._slower * self.true_ms(architecture)


def test_the_smallest_network_of_the_message_is_not_over_what_it_says() -> None:
    with pytest.raises(InputError, match="unshuffle 1"):  # which has the smaller file
        contenders(mb=0.001)
    with pytest.raises(InputError, match="unshuffle 2"):
        contenders(gmacs=1e-9)


def test_without_a_budget_networks_stay_as_large_as_a_training_can_use() -> None:
    works = [iteration_work(architecture) for architecture in contenders()]
    assert all(0.7 < work <= 0.8 for work in works)
    (wide,) = contenders(width=64, unshuffle=1)[:1]
    assert wide.space.width == 64


def test_the_user_chooses_number_width_and_unshuffle() -> None:
    found = contenders(number=3, width=16, unshuffle=2, mb=1.0)
    assert len(found) == 3
    assert {(a.space.width, a.space.unshuffle) for a in found} == {(16, 2)}


def test_patches_need_no_padding() -> None:
    assert all(8 % a.space.multiple == 0 for a in contenders(mb=1.0, patch_size=8))
