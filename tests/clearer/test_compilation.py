from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from clearer import compilation
from clearer.compilation import Compile, StepTimes, compiling_pays
from clearer.space import Architecture
from clearer.training_step import is_compiled
from tests.clearer.test_loops import pictures, tiny_settings


def test_compiling_pays_once_it_has_made_up_for_itself() -> None:
    times = StepTimes(eager_s=0.1, compiled_s=0.05, compilation_s=60)
    assert not times.pays(1200)
    assert times.pays(1201)
    assert not StepTimes(eager_s=0.1, compiled_s=0.1, compilation_s=0.1).pays(10**9)
    assert not StepTimes(eager_s=0.1, compiled_s=None, compilation_s=1).pays(10**9)


def test_it_is_measured_once_and_never_for_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []

    def make_step(is_compiled: bool) -> Callable[[], None]:
        made.append(is_compiled)
        if is_compiled:
            raise RuntimeError("no C++ compiler")
        return lambda: None

    assert not compiling_pays("some network", "cpu", 10, make_step)
    assert made == [False]
    monkeypatch.setattr(compilation, "_LEAST_SECONDS", 0.0)
    assert not compiling_pays("some network", "cpu", 10, make_step)
    assert not compiling_pays("some network", "cpu", 10**9, make_step)
    assert made == [False, False, True]


def test_what_is_asked_for_goes_before_what_pays() -> None:
    settings = tiny_settings()
    architecture = Architecture.from_text("P-F", settings.space)
    words: tuple[Compile, ...] = ("on", "off", "auto")
    found = [is_compiled(replace(settings, compile=w), architecture, pictures()) for w in words]
    assert found == [True, False, False]


def test_a_compiled_network_keeps_its_parameters_and_results() -> None:
    torch.manual_seed(0)
    network = torch.nn.Conv2d(1, 2, 3)
    names, x = list(network.state_dict()), torch.rand(1, 1, 8, 8)
    plain = network(x)
    compilation.compile_network(network)
    assert list(network.state_dict()) == names
    torch.testing.assert_close(network(x), plain)
