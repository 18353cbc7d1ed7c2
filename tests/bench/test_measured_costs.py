"""Milliseconds of files in precisions other than fp32."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from clearer.bench import device_timer, measured_costs
from clearer.bench.measured_costs import MeasuredCosts
from clearer.costs.cost import FilePrecision
from clearer.errors import InputError
from clearer.space.space import Architecture, SearchSpace

SPACE = SearchSpace(width=4, columns=(1,), stem="conv", first_scales=1, gates=True)
NETWORK = Architecture.from_text("P", SPACE)


@pytest.fixture(autouse=True)
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(device_timer, "WARMUP_SECONDS", 0.0)
    monkeypatch.setattr(measured_costs, "_QUICK_SECONDS", 0.01)
    monkeypatch.setattr(measured_costs, "_CHECK_SECONDS", 0.01)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
@pytest.mark.parametrize("runtime", ["openvino", "onnxruntime"])
def test_the_untrained_file_is_timed_by_what_will_run_it(
    precision: FilePrecision, runtime: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if runtime == "openvino":
        pytest.importorskip("openvino", reason="the extra openvino is not installed")
    else:
        monkeypatch.setitem(sys.modules, "openvino", None)
    said: list[str] = []
    costs = MeasuredCosts((24, 24), None, said.append, precision)
    (quickly,) = costs.measure_quickly([NETWORK], "ms")
    measured = costs.measure(NETWORK, "ms")
    assert quickly is not None
    assert measured is not None
    assert min(quickly, measured) > 0
    assert costs.backend("ms") == runtime
    assert costs.backend("mb") is None
    said = [line for line in said if line.startswith(("timing", "measuring"))]
    assert len(said) == 3  # the quick timing, the speed model, the measurement
    assert all(f": {precision} files, {runtime} " in line for line in said)


@pytest.mark.parametrize(("slower", "expected"), [(1.05, 21.0), (2.0, 20.0)])
def test_a_machine_that_has_become_busy_does_not_change_what_fits(
    slower: float, expected: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    costs = MeasuredCosts((24, 24), None, said.append)
    speed = 1.0

    def times(architectures: Sequence[Architecture], *_: object) -> list[float]:
        return [speed * (20.0 if a == NETWORK else 10.0 + i) for i, a in enumerate(architectures)]

    monkeypatch.setattr(costs, "_times", times)
    costs.estimate(NETWORK, "ms")
    reference, _ = costs._reference or (None, 0)
    known = {NETWORK: 20.0, reference: 10.0 + 8}
    speed = slower
    monkeypatch.setattr(costs, "_times", lambda both, *_: [speed * known[a] for a in both])
    assert costs.measure(NETWORK, "ms") == pytest.approx(expected)
    assert any("times as slow" in line for line in said) == (slower > 1.1)


def test_what_it_learns_from_decides_what_it_expects(monkeypatch: pytest.MonkeyPatch) -> None:
    costs = MeasuredCosts((24, 24), None, lambda _: None)
    timed: list[Architecture] = []

    def times(architectures: Sequence[Architecture], *_: object) -> list[float]:
        timed.extend(architectures)
        return [7.0 for _ in architectures]

    monkeypatch.setattr(costs, "_times", times)
    costs.learn([NETWORK], "gmacs")
    assert not timed
    costs.learn([NETWORK], "ms")
    assert costs.estimate(NETWORK, "ms") == pytest.approx(7)
    assert timed == [NETWORK]


def test_who_watches_is_told_how_much_of_the_time_is_over() -> None:
    told: dict[str, list[float]] = {}

    @contextmanager
    def watch(what: str) -> Iterator[Callable[[float], None]]:
        yield told.setdefault(f"{what} {len(told)}", []).append

    costs = MeasuredCosts((24, 24), None, lambda _: None, watch=watch).in_precision("fp32")
    costs.estimate(NETWORK, "ms")
    costs.measure(NETWORK, "ms")
    assert list(told) == ["timing 0", "measuring 1"]
    for shares in told.values():
        assert len(shares) > 2
        assert sorted(shares) == shares
        assert 0 < shares[-1] <= 1


def test_another_precision_is_timed_again() -> None:
    costs = MeasuredCosts((24, 24), None, lambda _: None)
    assert costs.backend("ms") == "onnxruntime"
    assert costs.in_precision("int8").precision == "int8"
    assert costs.precision == "fp32"


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_modules_are_timed_in_fp32_alone(precision: FilePrecision) -> None:
    costs = MeasuredCosts((24, 24), None, lambda _: None, precision)
    for ask in (costs.span, costs.table):
        with pytest.raises(
            InputError, match=rf"--budget-precision {precision} is for --strategy r"
        ):
            ask(SPACE, "ms")
