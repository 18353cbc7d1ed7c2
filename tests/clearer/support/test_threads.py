"""The number of threads of a training or a search is measured, and kept when it is resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import clearer.support.threads as module
import clearer.training.train as train_module
from clearer.data.splits import Splits
from clearer.errors import PieceDone
from clearer.pictures.images import ImageSet
from clearer.runs.run import Run
from clearer.searching.search import search
from clearer.space.space import Architecture
from clearer.support.files import read_json, write_json
from clearer.support.threads import fastest_threads
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.train import train
from clearer.training.training_step import threads_for_training
from tests.clearer.training.test_loops import pictures, tiny_settings


@pytest.fixture
def four_threads() -> Iterator[None]:
    torch.set_num_threads(4)
    yield
    torch.set_num_threads(1)


@pytest.mark.usefixtures("four_threads")
@pytest.mark.parametrize(
    ("ms", "best", "tried"),
    [
        ({4: 4, 2: 8, 1: 16}, 4, [4, 2]),  # one thread is not even tried
        ({4: 8, 2: 4, 1: 6}, 2, [4, 2, 1]),
        ({4: 16, 2: 12, 1: 4}, 1, [4, 2, 1]),
    ],
)
def test_the_fastest_is_found(ms: dict[int, float], best: int, tried: list[int]) -> None:
    seen: list[int] = []

    def step() -> None:
        seen.append(torch.get_num_threads())
        time.sleep(ms[seen[-1]] / 1000)

    assert fastest_threads(step) == best
    assert list(dict.fromkeys(seen)) == tried
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_measured_where_it_decides_something(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_seconds", lambda step: step() and torch.get_num_threads())
    settings = tiny_settings(train={"iterations": 1000, "batch_size": 2, "patch_size": 16})
    architecture = Architecture.from_text("P-F", settings.space)
    assert threads_for_training(settings, architecture, pictures(), Processes()) == 1
    short = replace(settings, train=replace(settings.train, iterations=99))
    assert threads_for_training(short, architecture, pictures(), Processes()) == 4
    assert (
        threads_for_training(
            replace(settings, device="cuda"), architecture, pictures(), Processes()
        )
        == 4
    )


@pytest.mark.usefixtures("four_threads")
def test_a_resumed_training_keeps_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings()
    architecture = Architecture.from_text("P-F", settings.space)
    run = Run.create(tmp_path / "run", settings)
    write_json(run.architecture, architecture.to_dict())
    images, said, seen = pictures(), list[str](), list[int]()
    splits = Splits(source="random", train=images, val=images, test=ImageSet((), ()))

    def go(resume: bool, deadline: float | None) -> None:
        loop = Loop(
            resume=resume,
            checkpoint_seconds=1e9,
            listener=lambda progress: seen.append(torch.get_num_threads()),
            processes=Processes(),
            say=said.append,
            deadline=deadline,
        )
        train(run, settings, splits, loop)

    monkeypatch.setattr(train_module, "threads_for_training", lambda *words: 1)
    with pytest.raises(PieceDone):
        go(False, time.monotonic())
    assert said == ["1 of 4 threads: faster here, now"]
    assert read_json(run.train_checkpoint)["state"]["threads"] == 1
    monkeypatch.setattr(train_module, "threads_for_training", lambda *words: 3)
    go(True, None)
    assert set(seen) == {1}
    assert len(said) == 1
    assert torch.get_num_threads() == 4


@pytest.mark.usefixtures("four_threads")
def test_a_resumed_search_keeps_its_threads(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = tiny_settings()
    settings = replace(settings, search=replace(settings.search, iterations=100))
    run, said, seen = Run.create(tmp_path / "run", settings), list[str](), list[int]()

    def go(deadline: float | None) -> None:
        loop = Loop(
            resume=True,
            checkpoint_seconds=1e9,
            listener=lambda progress: seen.append(torch.get_num_threads()),
            processes=Processes(),
            say=said.append,
            deadline=deadline,
        )
        search(run, settings, pictures(), [], loop, "again")

    monkeypatch.setattr(module, "_seconds", lambda work: work() or torch.get_num_threads())
    with pytest.raises(PieceDone):
        go(time.monotonic())
    assert said == ["1 of 4 threads: faster here, now"]
    assert read_json(run.search_checkpoint)["state"]["threads"] == 1
    monkeypatch.setattr(module, "_seconds", lambda work: pytest.fail("measured again"))
    go(None)
    assert set(seen) == {1}
    assert torch.get_num_threads() == 4
