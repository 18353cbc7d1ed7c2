from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import torch

from clearer.networks.network import RestorationNet
from clearer.runs.settings import Compile
from clearer.space.space import Architecture, SearchSpace
from clearer.training import compilation
from clearer.training.compilation import StepTimes, compiling_pays
from clearer.training.training_step import is_compiled
from tests.clearer.training.test_loops import pictures, tiny_settings


def test_compiling_pays_once_it_has_made_up_for_itself() -> None:
    times = StepTimes(eager_s=0.1, compiled_s=0.05, compilation_s=60)
    assert not times.pays(1200)
    assert times.pays(1201)
    assert not StepTimes(eager_s=0.1, compiled_s=0.1, compilation_s=0.1).pays(10**9)
    assert not StepTimes(eager_s=0.1, compiled_s=None, compilation_s=1).pays(10**9)


def test_it_is_measured_once_and_never_for_short_work(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[bool] = []
    steps: list[int] = []

    def make_step(is_compiled: bool) -> Callable[[], None]:
        made.append(is_compiled)
        if is_compiled:
            raise RuntimeError("no C++ compiler")
        return lambda: steps.append(1)

    assert not compiling_pays("some network", "cpu", 10, make_step)
    assert made == [False]
    assert len(steps) == 1  # one step shows that it cannot pay
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


def network() -> RestorationNet:
    torch.manual_seed(0)
    made = RestorationNet(Architecture.from_text("P-F", SearchSpace(width=2, columns=(1, 1))))
    torch.nn.init.normal_(made.output.head.weight, std=0.1)
    return made


def compile_by(
    monkeypatch: pytest.MonkeyPatch, backend: Callable[[torch.fx.GraphModule, Any], Any]
) -> None:
    """Compile with a quick backend: the default one takes half a minute."""
    original: Any = torch.nn.Module.compile
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, **words: original(self, backend=backend, **words)
    )


def test_a_compiled_network_keeps_its_parameters_statistics_and_results(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    graphs: list[torch.fx.GraphModule] = []
    said: list[str] = []

    def note(graph: torch.fx.GraphModule, example: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    compile_by(monkeypatch, note)
    made = network()
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    x = torch.rand(2, 1, 16, 16)
    assert compilation.compile_network(made, lambda: made(x), said.append)
    assert said == []
    assert len(graphs) == 1
    assert all(weight.grad is None for weight in made.parameters())
    assert all(torch.equal(before[name], t) for name, t in made.state_dict().items())
    torch.testing.assert_close(made(x), network()(x))


def test_what_cannot_be_compiled_is_used_as_it_is_and_said_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(graph: torch.fx.GraphModule, example: Any) -> Any:
        raise RuntimeError("no compiler here\nand more lines")

    compile_by(monkeypatch, refuse)
    made = network()
    said: list[str] = []
    x = torch.rand(2, 1, 16, 16)
    assert not compilation.compile_network(made, lambda: made(x), said.append)
    assert len(said) == 1
    assert said[0].startswith("torch.compile fails here (")
    torch.testing.assert_close(made(x), network()(x))
