"""A race: the same work for all, the worse half drops out, and it resumes wherever it stopped."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import clearer.searching.race as race_module
import clearer.searching.race_turn as turn_module
from clearer.data.splits import Splits
from clearer.errors import ClearerError, InputError, Interrupted, PieceDone
from clearer.pictures.images import ImageSet
from clearer.runs.run import Run
from clearer.runs.settings import RaceSettings, RunSettings
from clearer.searching import training_work
from clearer.searching.race import race, race_rounds, read_race, round_work, write_race
from clearer.searching.standing import Score, expected_db
from clearer.searching.training_work import iteration_work
from clearer.space.shapes import Shape
from clearer.space.space import Architecture, SearchSpace
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.progress import Progress
from clearer.training.training_step import TrainingState, new_training_state
from tests.clearer.training.test_loops import pictures, tiny_settings

ITERATIONS = 40.0


@pytest.fixture(autouse=True)
def tiny_networks_are_usual(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_work, "_REFERENCE_WORK", 1_000.0)
    monkeypatch.setattr(turn_module, "_SCORE_BATCHES", 1)


def network(width: int, blocks: int = 1, unshuffle: int = 1) -> Architecture:
    space = SearchSpace(width=width, unshuffle=unshuffle, stem="conv", first_scales=1, gates=True)
    return Shape(space, (blocks,), 1, (1,)).architecture()


FIVE = [network(2), network(4), network(2, 2), network(4, unshuffle=2), network(3)]


def make_settings() -> RunSettings:
    settings = tiny_settings(strategy="race")
    return replace(settings, race=RaceSettings(iterations=int(ITERATIONS), contenders=5))


def begin(folder: Path, contenders: list[Architecture]) -> Run:
    standing: list[tuple[Architecture, list[Score]]] = [(a, []) for a in contenders]
    return Run.create(folder, make_settings(), lambda run: write_race(run, standing))


def go(run: Run, **options: Any) -> Architecture:
    images = pictures()
    splits = Splits(source="random", train=images, val=images, test=ImageSet((), ()))
    values: dict[str, Any] = {
        "resume": True,
        "checkpoint_seconds": 1e9,
        "listener": lambda state: None,
        "processes": Processes(),
    }
    return race(run, run.settings(), splits, Loop(**{**values, **options}), "again")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Architecture]:
    patch = pytest.MonkeyPatch()
    tiny_networks_are_usual.__wrapped__(patch)  # type: ignore[attr-defined]
    run = begin(tmp_path_factory.mktemp("race") / "run", FIVE)
    winner = go(run)
    patch.undo()
    return run, winner


def test_half_of_them_go_on_and_the_best_wins(unbroken: tuple[Run, Architecture]) -> None:
    run, winner = unbroken
    standing = read_race(run)
    assert [architecture for architecture, _ in standing] == FIVE
    left = list(range(5))
    for index, number in enumerate(race_rounds(5)):
        assert left == [i for i in range(5) if len(standing[i][1]) > index]
        assert len(left) == number
        psnrs = {i: standing[i][1][index]["psnr_db"] or -1e9 for i in left}
        assert all(-30 < psnr < 60 for psnr in psnrs.values())
        heading = {i: expected_db(FIVE[i], standing[i][1][: index + 1]) for i in left}
        left = sorted(sorted(left, key=lambda i: -heading[i])[: -(-number // 2)])
    assert [FIVE[i] for i in left] == [winner]
    assert not list((run.path / "checkpoint").iterdir())


def test_all_of_a_round_do_the_same_work(unbroken: tuple[Run, Architecture]) -> None:
    run, _ = unbroken
    assert len({round(iteration_work(a), 6) for a in FIVE}) == 5
    for architecture, scores in read_race(run):
        share = iteration_work(architecture)
        for index, score in enumerate(scores):
            done = score["iterations"] * share
            assert abs(done - round_work(ITERATIONS, 5, index)) <= max(share / 2, 1e-9)


@given(st.integers(2, 64), st.floats(1, 1e6))
def test_the_work_of_all_rounds_is_what_was_given(number: int, total: float) -> None:
    rounds = race_rounds(number)
    assert rounds[0] == number
    assert all(-(-a // 2) == b for a, b in zip(rounds, [*rounds[1:], 1], strict=True))
    before, done = 0.0, 0.0
    for index, taking_part in enumerate(rounds):
        until = round_work(total, number, index)
        done += taking_part * (until - before)
        assert index == 0 or until == pytest.approx(2 * before)
        before = until
    assert done == pytest.approx(total)


def test_one_alone_wins_without_a_step(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", [network(4)])
    assert race_rounds(1) == []
    assert go(run, listener=_fail) == network(4)


def test_what_computes_more_counts_more() -> None:
    assert iteration_work(network(8)) > iteration_work(network(4))
    assert iteration_work(network(4, 2)) > iteration_work(network(4))
    assert iteration_work(network(4, unshuffle=2)) < iteration_work(network(4))


class _Killed(BaseException):
    pass


def _fail(progress: Progress) -> None:
    raise AssertionError("nothing was left to do")


def same_end(run: Run, winner: Architecture, unbroken: tuple[Run, Architecture]) -> None:
    whole, expected = unbroken
    assert winner == expected
    assert run.race.read_bytes() == whole.race.read_bytes()
    assert not list((run.path / "checkpoint").iterdir())


@pytest.mark.parametrize("seconds", [-1.0, 1e9])
def test_killed_at_any_turn_it_ends_like_one_that_was_not(
    tmp_path: Path, unbroken: tuple[Run, Architecture], seconds: float
) -> None:
    """Each process gets one turn further than the one before, and is killed in the middle of it."""
    run = begin(tmp_path / "run", FIVE)
    kills = 0
    for turn in range(sum(race_rounds(5))):

        def die(progress: Progress, turn: int = turn) -> None:
            if progress.iteration > turn * 20 + 10:
                raise _Killed

        with pytest.raises(_Killed):
            go(run, listener=die, checkpoint_seconds=seconds)
        kills += 1
    assert kills == 10
    same_end(run, go(run), unbroken)


def test_ctrl_c_at_any_turn_saves_and_says_where(
    tmp_path: Path, unbroken: tuple[Run, Architecture]
) -> None:
    run = begin(tmp_path / "run", FIVE)
    for turn in (0, 3, 6, 9):

        def stop(progress: Progress, turn: int = turn) -> None:
            if progress.iteration > turn * 20 + 5:
                os.kill(os.getpid(), 2)

        with pytest.raises(Interrupted, match=r"stopped at race .*; continue with: again"):
            go(run, listener=stop)
        assert list((run.path / "checkpoint").glob("race-*.json"))
    same_end(run, go(run), unbroken)


def test_killed_between_a_checkpoint_and_the_record(
    tmp_path: Path, unbroken: tuple[Run, Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path / "run", FIVE)

    def die(*_: object) -> None:
        raise _Killed

    with monkeypatch.context() as patch:
        patch.setattr(race_module, "write_race", die)
        with pytest.raises(_Killed):
            go(run)
    assert [scores for _, scores in read_race(run)] == [[]] * 5
    same_end(run, go(run), unbroken)


def test_ctrl_c_in_the_last_score_lets_nothing_else_begin(
    tmp_path: Path, unbroken: tuple[Run, Architecture], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, error, calls = begin(tmp_path / "run", FIVE), turn_module._error, []

    def stop(*words: Any) -> torch.Tensor:
        calls.append(0)
        if len(calls) == sum(race_rounds(5)):
            os.kill(os.getpid(), 2)
        return error(*words)

    monkeypatch.setattr(turn_module, "_error", stop)
    with pytest.raises(Interrupted, match="end of the race; continue with: again"):
        go(run)
    same_end(run, go(run, listener=_fail), unbroken)


def test_piece_by_piece(tmp_path: Path, unbroken: tuple[Run, Architecture]) -> None:
    run = begin(tmp_path / "run", FIVE)
    for _ in range(3):  # the time of each is up after one iteration
        with pytest.raises(PieceDone, match="race iteration 1 of|race iteration [23] of"):
            go(run, deadline=time.monotonic())
    same_end(run, go(run), unbroken)


def _spoil(monkeypatch: pytest.MonkeyPatch, spoilt: list[Architecture]) -> None:
    """Let some networks begin with weights that are not finite."""

    def make(
        settings: RunSettings, architecture: Architecture, processes: Processes
    ) -> TrainingState:
        state = new_training_state(settings, architecture, processes)
        if architecture in spoilt:
            with torch.no_grad():
                for weight in state.weights:
                    weight.fill_(float("nan"))
        return state

    monkeypatch.setattr(turn_module, "new_training_state", make)


def test_a_network_that_is_not_finite_loses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = begin(tmp_path / "run", FIVE[:2])
    for place in (0, 1):
        run = begin(tmp_path / str(place), FIVE[:2])
        _spoil(monkeypatch, [FIVE[place]])
        assert go(run) == FIVE[1 - place]
        psnrs = [scores[0]["psnr_db"] for _, scores in read_race(run)]
        assert psnrs[place] is None
        assert psnrs[1 - place] is not None


def test_if_none_is_finite_the_learning_rate_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _spoil(monkeypatch, FIVE)
    with pytest.raises(ClearerError, match=r"lower --learning-rate \(now 0\.006\)"):
        go(begin(tmp_path / "run", FIVE[:2]))


def test_a_damaged_record_is_named(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", FIVE[:2])
    whole = json.loads(run.race.read_text())
    changes: tuple[dict[str, Any], ...] = (
        {"scores": [[]]},
        {"contenders": [{"schema_version": 1}] * 2},
        {"scores": [[], [{"iterations": 0, "psnr_db": 1.0}]]},
        {"contenders": [], "scores": []},
    )
    for change in changes:
        run.race.write_text(json.dumps({**whole, **change}))
        with pytest.raises(InputError, match=r"race\.json"):
            go(run)
    run.race.unlink()
    assert read_race(run) == []
    with pytest.raises(InputError, match=r"race\.json does not say who takes part"):
        go(run)


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    run = begin(tmp_path / "run", FIVE[:2])
    with pytest.raises(PieceDone):
        go(run, deadline=time.monotonic())
    path = run.path / "checkpoint" / "race-0.json"
    path.write_text(path.read_text().replace('"iteration": 1', '"iteration": 2'))
    with pytest.raises(InputError, match=r"race-0\.json .*delete it, and this network begins"):
        go(run)
    path.unlink()
    assert go(run) in FIVE[:2]
