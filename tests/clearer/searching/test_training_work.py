"""How large a network a training of a given length uses well, and how long it trains that."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.data.splits import Splits
from clearer.planning.time_budget import planned_work
from clearer.runs.run import Run
from clearer.runs.settings import RaceSettings
from clearer.searching.contenders import make_contenders
from clearer.searching.race import write_race
from clearer.searching.search_run import search_run
from clearer.searching.training_work import (
    LEAST_USEFUL_WORK,
    USUAL_WORK,
    iteration_work,
    useful_work,
    work_of,
)
from clearer.space.shapes import smallest_network
from clearer.space.space import SearchSpace
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from tests.clearer.searching.test_contenders import COSTS, contenders
from tests.clearer.training.test_loops import pictures, tiny_settings

SPACE = SearchSpace(residual=True)
works = st.floats(1, 1e9)
batches = st.integers(1, 512)
sides = st.sampled_from([32, 48, 64, 128])


@given(works, batches, sides, st.floats(1, 100))
def test_longer_trainings_use_larger_networks_but_less_than_that(
    work: float, batch_size: int, patch_size: int, longer: float
) -> None:
    first = useful_work(work, batch_size, patch_size)
    second = useful_work(longer * work, batch_size, patch_size)
    assert first <= second * (1 + 1e-9)
    assert second <= longer**0.5 * first * (1 + 1e-9)
    assert first >= LEAST_USEFUL_WORK


@given(st.integers(1, 10**7), batches, sides)
def test_iterations_of_the_best_network_have_that_work(
    iterations: int, batch_size: int, patch_size: int
) -> None:
    work = work_of(iterations, batch_size, patch_size)
    found = useful_work(work, batch_size, patch_size)
    assert found == LEAST_USEFUL_WORK or work == pytest.approx(found * iterations)


def test_a_training_of_ten_minutes_and_one_of_a_day() -> None:
    assert useful_work(1_120, 8, 48) == LEAST_USEFUL_WORK
    assert useful_work(32_000, 16, 64) > 3 * USUAL_WORK


@pytest.mark.parametrize("limits", [{}, {"mb": 5.0}, {"gmacs": 20.0}, {"mb": 5.0, "gmacs": 20.0}])
def test_a_short_training_leaves_a_large_budget_alone(limits: dict[str, float]) -> None:
    for architecture in contenders(useful_work=LEAST_USEFUL_WORK, **limits):  # type: ignore[arg-type]
        assert 0.9 * LEAST_USEFUL_WORK < iteration_work(architecture) <= LEAST_USEFUL_WORK


def test_a_small_budget_still_binds() -> None:
    free, bound = contenders(mb=0.2), contenders(mb=0.2, useful_work=LEAST_USEFUL_WORK)
    fits = {a for a in free if iteration_work(a) <= LEAST_USEFUL_WORK}
    assert fits
    assert fits <= set(bound)


def test_a_given_width_is_kept_though_it_is_more_than_a_training_uses_well() -> None:
    found = contenders(width=64, unshuffle=1, useful_work=LEAST_USEFUL_WORK)
    assert {a.space.width for a in found} == {64}


def test_of_alike_work_networks_of_few_layers_come_first() -> None:
    found = make_contenders(SPACE, (), COSTS, 30, patch_size=48, useful_work=LEAST_USEFUL_WORK)
    near = [a for a in found if iteration_work(a) > 0.95 * LEAST_USEFUL_WORK]
    layers = [len(a.choices) for a in near]
    assert len(near) > 8
    assert layers == sorted(layers)


def splits() -> Splits:
    return Splits(pictures(), pictures(2), pictures(1), "random")


def loop() -> Loop:
    return Loop(
        resume=False, checkpoint_seconds=1e9, listener=lambda _: None, processes=Processes()
    )


def test_the_winner_of_a_race_trains_for_the_work_of_the_preset(tmp_path: Path) -> None:
    settings = tiny_settings(strategy="race", train={"patch_size": 16, "batch_size": 2})
    assert settings.work == pytest.approx(1400 * USUAL_WORK)
    settings = replace(settings, work=50.0, race=RaceSettings(iterations=1, contenders=2))
    entered = [smallest_network(SPACE, width=width, unshuffle=1) for width in (4, 6)]
    run = Run.create(
        tmp_path / "run", settings, lambda run: write_race(run, [(a, []) for a in entered])
    )
    winner = search_run(run, splits(), COSTS, loop())
    train = run.settings().train
    assert run.settings().work is None
    assert train.iterations == round(50 / iteration_work(winner))
    share = settings.train.warmup_iterations / settings.train.iterations
    assert train.warmup_iterations == int(share * train.iterations)


def test_iterations_that_are_given_stay(tmp_path: Path) -> None:
    settings = tiny_settings(strategy="race")
    assert settings.work is None
    settings = replace(settings, race=RaceSettings(iterations=1, contenders=2))
    entered = [smallest_network(SPACE, width=width, unshuffle=1) for width in (4, 6)]
    run = Run.create(
        tmp_path / "run", settings, lambda run: write_race(run, [(a, []) for a in entered])
    )
    search_run(run, splits(), COSTS, loop())
    assert run.settings().train == settings.train


def test_more_minutes_are_more_work() -> None:
    settings = tiny_settings(strategy="race", train={"patch_size": 16, "batch_size": 2})
    one, ten = (planned_work(settings, minutes, splits()) for minutes in (1.0, 10.0))
    assert 3 < ten / one < 30  # timed twice, on a machine that may be busy
    assert planned_work(settings, None, splits()) == settings.work
