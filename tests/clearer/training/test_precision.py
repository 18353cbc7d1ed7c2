from __future__ import annotations

from pathlib import Path

import pytest
import torch

from clearer.space.space import SearchSpace
from clearer.support.device import computes_bf16
from clearer.training import precision
from clearer.training.precision import autocast, fastest_precision

SPACE = SearchSpace(width=2, columns=(1,))


def test_the_faster_precision_is_measured_once_and_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = []
    real = precision._step_seconds

    def spy(space: SearchSpace) -> dict[precision.Precision, float]:
        measured.append(real(space))
        return measured[-1]

    monkeypatch.setattr(precision, "_step_seconds", spy)
    monkeypatch.setattr(precision, "computes_bf16", lambda: True)
    first, second = fastest_precision(SPACE, "cpu"), fastest_precision(SPACE, "cpu")
    assert first == second
    (seconds,) = measured
    assert seconds[first] == min(seconds.values())


def test_what_the_processor_only_imitates_is_not_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "computes_bf16", lambda: False)
    monkeypatch.delattr(precision, "_step_seconds")
    assert fastest_precision(SPACE, "cpu") == "fp32"


def test_the_processor_says_what_it_computes() -> None:
    flags = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    if "flags" not in flags:
        pytest.skip("only x86 on Linux lists what a processor has")
    assert computes_bf16() == ("avx512_bf16" in flags)


@pytest.mark.parametrize(("slower", "rounds"), [(2.0, 3), (1.2, 10)])
def test_a_clear_difference_ends_the_measurement(
    monkeypatch: pytest.MonkeyPatch, slower: float, rounds: int
) -> None:
    """By a clock that says how long a step takes: two readings for each."""
    steps = {"fp32": 1.0, "bf16": slower}
    times = [t for _ in range(10) for step in steps.values() for t in (0.0, step)]
    monkeypatch.setattr("time.perf_counter", lambda: times.pop(0))
    assert precision._step_seconds(SPACE) == steps
    assert len(times) == 4 * (10 - rounds)


def test_autocast_computes_in_bf16_and_only_where_asked() -> None:
    layer, x = torch.nn.Conv2d(1, 1, 1), torch.rand(1, 1, 4, 4)
    with autocast("cpu", "bf16"):
        assert layer(x).dtype == torch.bfloat16
    with autocast("cpu", "fp32"):
        assert layer(x).dtype == torch.float32
