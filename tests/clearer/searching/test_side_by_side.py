"""Networks of a race that train side by side end as they do one after the other."""

from __future__ import annotations

import os
import queue
import re
import signal
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import clearer.searching.side_by_side as module
from clearer.data.splits import Splits, load_splits
from clearer.errors import ClearerError, InputError, Interrupted, PieceDone
from clearer.pictures.images import ImageSet
from clearer.runs.run import Run
from clearer.runs.settings import RaceSettings, RunSettings
from clearer.searching.race import race, race_speed_up, read_race, write_race
from clearer.searching.race_turn import Contender, pictures_digest
from clearer.searching.side_by_side import num_side_by_side
from clearer.space.shapes import Shape
from clearer.space.space import Architecture, SearchSpace
from clearer.tasks.denoise import Denoise
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.progress import Progress
from tests.clearer.training.test_loops import tiny_settings


def network(width: int, blocks: int = 1) -> Architecture:
    space = SearchSpace(width=width, stem="conv", first_scales=1, gates=True)
    return Shape(space, (blocks,), 1, (1,)).architecture()


THREE = [network(2), network(4), network(2, 2)]


@pytest.fixture(scope="module")
def splits() -> Splits:
    """What the processes load, too."""
    return load_splits(None, "gray", 0, Denoise())


def make_settings() -> RunSettings:
    return replace(tiny_settings(strategy="race"), race=RaceSettings(iterations=1, contenders=3))


def begin(folder: Path) -> Run:
    return Run.create(
        folder, make_settings(), lambda run: write_race(run, [(a, []) for a in THREE])
    )


def go(run: Run, splits: Splits, **options: Any) -> Architecture:
    values: dict[str, Any] = {
        "resume": True,
        "checkpoint_seconds": 1e9,
        "listener": lambda progress: None,
        "processes": Processes(),
    }
    return race(run, run.settings(), splits, Loop(**{**values, **options}), "again")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, splits: Splits) -> bytes:
    """The record of the same race, one network after the other."""
    run = begin(tmp_path_factory.mktemp("race") / "run")
    go(run, splits)
    return run.race.read_bytes()


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes."""
    monkeypatch.setattr(module, "_LEAST_ITERATIONS", 1)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 2)


@pytest.mark.usefixtures("two")
def test_they_end_as_one_after_the_other(tmp_path: Path, splits: Splits, expected: bytes) -> None:
    """Also after Ctrl-C, and piece by piece."""
    run, said, parts = begin(tmp_path / "run"), list[str](), list[int]()

    def stop(progress: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(Interrupted, match=r"stopped at race iteration \d+; continue with: again"):
        go(run, splits, listener=stop)
    assert list((run.path / "checkpoint").glob("race-*.json"))
    with pytest.raises(PieceDone, match=r"race iteration [1-9]\d* of \d+; continue with: again"):
        go(run, splits, deadline=time.monotonic())
    winner = go(run, splits, say=said.append, listener=lambda p: parts.append(p.iteration))
    assert said == ["2 networks of the race train at a time"]
    assert run.race.read_bytes() == expected
    assert winner in THREE
    assert parts == sorted(parts)
    assert parts[-1] == (3 + 2) * 20
    assert not list((run.path / "checkpoint").iterdir())


@pytest.mark.parametrize(
    ("digest", "checkpoint", "reason"),
    [
        ("other", None, "pictures were added, removed or changed"),
        ("", "{}", r"race-0\.json .*delete it, and this network begins"),
    ],
)
def test_what_fails_in_a_process_is_said_here(
    tmp_path: Path, splits: Splits, digest: str, checkpoint: str | None, reason: str
) -> None:
    run = begin(tmp_path / "run")
    if checkpoint is not None:
        (run.path / "checkpoint").mkdir(exist_ok=True)
        (run.path / "checkpoint" / "race-0.json").write_text(checkpoint)
    worker = module._Worker(run.path, 1e9, queue.Queue())
    worker.begin(Contender(0, THREE[0]), 1.0, digest or pictures_digest(splits))
    messages = [worker._inbox.get(timeout=60)[1] for _ in range(3)]
    worker.kill()
    assert [next(iter(message)) for message in messages] == ["ready", "error", "ended"]
    failure = worker.failure(messages[1], "again")
    assert isinstance(failure, InputError)
    assert re.search(reason, str(failure))
    assert "Traceback" in str(failure.__cause__)


@pytest.mark.usefixtures("two")
def test_a_process_that_is_killed_is_reported(
    tmp_path: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path / "run")
    begin_work = module._Worker.begin

    def kill(worker: Any, *words: Any) -> None:
        begin_work(worker, *words)
        worker._process.kill()

    monkeypatch.setattr(module._Worker, "begin", kill)
    with pytest.raises(ClearerError, match=r"has ended \(exit code -9\).*continue with: again"):
        go(run, splits)


@pytest.mark.usefixtures("two")
def test_a_process_that_cannot_begin_has_the_last_word(
    tmp_path: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "python"
    other.write_text("#!/bin/sh\necho not JSON\necho no such file >&2\nexit 3\n")
    other.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(other))
    with pytest.raises(ClearerError, match=r"has ended \(exit code 3\): no such file; continue"):
        go(begin(tmp_path / "run"), splits)


@pytest.mark.usefixtures("two")
def test_a_file_of_the_user_is_not_taken_for_a_module(
    tmp_path: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "queue.py").write_text("raise SystemExit(9)")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(module.__file__.partition("/clearer/searching")[0])
    worker = module._Worker(begin(tmp_path / "run").path, 1e9, queue.Queue())
    _, message = worker._inbox.get(timeout=60)
    worker.end_now()
    worker.kill()
    assert message == {"ready": True}


@pytest.mark.usefixtures("two")
def test_a_signal_to_a_process_stops_the_race(
    tmp_path: Path, splits: Splits, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, workers = begin(tmp_path / "run"), set[Any]()
    begin_work = module._Worker.begin

    def note(worker: Any, *words: Any) -> None:
        workers.add(worker)
        begin_work(worker, *words)

    def stop(progress: Progress) -> None:
        for worker in workers:
            worker._process.send_signal(signal.SIGTERM)

    monkeypatch.setattr(module._Worker, "begin", note)
    with pytest.raises(Interrupted, match="stopped at race iteration"):
        go(run, splits, listener=stop)
    assert list((run.path / "checkpoint").glob("race-*.json"))


def test_a_process_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    worker = module._Worker(begin(tmp_path / "run").path, 1e9, queue.Queue())
    assert worker._process.stdin is not None
    worker._process.stdin.close()  # as the kernel does when that one ends
    assert worker._process.wait(60) == 1
    worker.kill()


def test_the_speed_up_counts_the_rounds_with_fewer() -> None:
    assert race_speed_up(8, 2) == 2
    assert race_speed_up(8, 8) == pytest.approx(16 / (1 + 1 + 2))
    assert race_speed_up(5, 1) == 1
    assert race_speed_up(1, 4) == 1


def test_how_many_fit(monkeypatch: pytest.MonkeyPatch, splits: Splits) -> None:
    long = replace(make_settings(), race=RaceSettings(iterations=400, contenders=8))
    monkeypatch.setattr(torch, "get_num_threads", lambda: 6)
    alone, two = Processes(), Processes()
    two.num_processes = 2
    assert num_side_by_side(long, splits, 8, two) == 1
    assert num_side_by_side(long, splits, 8, alone) == 6
    assert num_side_by_side(long, splits, 4, alone) == 4
    assert num_side_by_side(make_settings(), splits, 8, alone) == 1
    assert num_side_by_side(replace(long, device="cuda"), splits, 8, alone) == 1
    # A third of what may be held: each process has the pictures twice.
    pixels = np.broadcast_to(np.uint8(0), (10**4, 10**9 // 10**4 * 2 // 3, 1))
    large = ImageSet(("large",), (pixels,))
    assert num_side_by_side(long, replace(splits, train=large), 8, alone) == 2
    monkeypatch.setattr(torch, "get_num_threads", lambda: 1)
    assert num_side_by_side(long, splits, 8, alone) == 1


def test_the_record_has_all(expected: bytes, tmp_path: Path) -> None:
    run = begin(tmp_path / "run")
    run.race.write_bytes(expected)
    assert sorted(len(scores) for _, scores in read_race(run)) == [1, 2, 2]
