"""Which shipped network could replace one that was found."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearer.bench.shipped_rival import network_to_cut, rival_quality, shipped_rival
from clearer.costs.budget import Budget
from clearer.costs.cost import gmacs_table, network_cost
from clearer.data.splits import load_splits
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.runs.run_records import BudgetRecord
from clearer.runs.settings import RunSettings, StartWeights
from clearer.space.space import Architecture, SearchSpace
from clearer.tasks.registry import make_task
from clearer.zoo import catalogue
from clearer.zoo.catalogue import ZooNetwork, zoo_names, zoo_network
from tests.command import clearer
from tests.photographs import save_photographs
from tests.tiny_zoo import add_network

SMALL = Architecture.from_text("P-F", SearchSpace(width=4, columns=(1, 1)))
LARGE = Architecture.from_text("PPPP-PPPP-PPPP", SearchSpace(width=32))


def settings(
    task: str = "denoise", channels: int = 1, *, level_map: bool = False, **changes: Any
) -> RunSettings:
    """Settings of a zoo network, changed to another task."""
    options: dict[str, str] = {
        key: str(changes.pop(key))
        for key in ("sigma", "noise", "protocol", "quality")
        if key in changes
    }
    base = replace(zoo_network("gray-25").settings, task=make_task(task, options))
    space = replace(base.space, channels=channels, level_map=level_map)
    return replace(base, space=space, fine_tuned_from=None, budgets=(), **changes)


def rival(*budgets: Budget, own: Architecture = LARGE, **options: Any) -> ZooNetwork | None:
    return shipped_rival(replace(settings(**options), budgets=budgets), own)


def best_at_25(names: list[str]) -> str:
    """The best at sigma 25, by the cards."""

    def db(name: str) -> float:
        rows = zoo_network(name).card["figures"]["rows"]
        values = [row["psnr_db"] for row in rows if row["sigma_255"] == 25]
        return sum(values) / len(values)

    return max(names, key=db)


def test_the_best_at_its_level_within_the_budget() -> None:
    gray = [n for n in zoo_names() if zoo_network(n).channels == 1 and n != "gray-50"]
    found = rival(Budget(metric="mb", limit=5.0))
    assert found is not None
    assert found.name == best_at_25(gray)
    for limit in (0.5, 1.0, 2.5):
        fitting = [n for n in gray if network_cost(zoo_network(n).architecture, "mb") <= limit]
        found = rival(Budget(metric="mb", limit=limit))
        assert (found and found.name) == (best_at_25(fitting) if fitting else None)


def test_each_budget_counts() -> None:
    roomy = Budget(metric="mb", limit=5.0)
    small = zoo_network("gray-small").architecture
    gmacs = gmacs_table(small.space, *settings().image_size).cost(small)
    for tight, less in (
        (Budget(metric="gmacs", limit=gmacs), "gray-tiny"),
        (Budget(metric="params", limit=network_cost(small, "params")), None),
    ):
        found = rival(roomy, tight)
        assert found is not None
        assert found.name == "gray-small"
        found = rival(roomy, replace(tight, limit=0.99 * tight.limit))
        assert (found and found.name) == less
    # Milliseconds are not measured: no more multiply-accumulates than the run's own network.
    milliseconds = Budget(metric="ms", limit=3.0)
    found = rival(milliseconds, own=small)
    assert found is not None
    assert found.name == "gray-small"
    assert rival(milliseconds, own=SMALL) is None
    assert rival(own=SMALL) is None


def test_room_in_milliseconds_is_room_to_compute() -> None:
    """A run that takes a part of its limit may be replaced by a network that computes more."""
    small = zoo_network("gray-small").architecture
    given = replace(settings(), budgets=(Budget(metric="ms", limit=10.0),))
    room = network_cost(small, "macs") / network_cost(SMALL, "macs")
    for part, name in ((0.49, "gray-small"), (0.51, "gray-tiny"), (1.4, None)):
        taken = {"predicted": 1.0, "measured": part * 10.0 / room}
        record = BudgetRecord(metric="ms", limit=10.0, **taken)  # type: ignore[typeddict-item]
        found = shipped_rival(given, SMALL, [record])
        assert (found and found.name) == name


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": "80"},
        {"sigma": "0:80"},
        {"noise": "poisson-gaussian"},
        {"protocol": "paper"},
        {"task": "dejpeg", "quality": "5"},
        {"task": "dejpeg", "quality": "20"},  # gray: there is one for colour only
    ],
)
def test_none_does_another_task(options: dict[str, Any]) -> None:
    assert rival(Budget(metric="mb", limit=50.0), **options) is None


def test_it_does_all_that_is_asked_for() -> None:
    budget = Budget(metric="mb", limit=50.0)
    levels = rival(budget, sigma="0:75", level_map=True)
    assert levels is not None
    assert levels.architecture.space.level_map
    colour = rival(budget, channels=3)
    assert colour is not None
    assert colour.channels == 3
    jpeg = rival(budget, task="dejpeg", channels=3, quality="20")
    assert jpeg is not None
    assert jpeg.name == "rgb-dejpeg"
    photo = rival(budget, task="photo", channels=3)
    assert photo is not None
    assert photo.name == "rgb-photo"


def test_a_blind_one_is_not_compared_with_one_that_is_given_each_level(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = settings(sigma="10:50")
    given = replace(task, budgets=(Budget(metric="mb", limit=50.0),))
    assert shipped_rival(given, LARGE) is None
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", zoo)
    add_network(zoo, "told", 1, "0:75", gain_db=1, level_map=True)
    add_network(zoo, "blind", 1)
    found = shipped_rival(given, LARGE)
    assert found is not None
    assert found.name == "blind"


def test_not_the_one_that_the_run_began_with() -> None:
    budget = Budget(metric="mb", limit=5.0)
    found = rival(budget)
    assert found is not None
    begun = StartWeights(name=found.name, sha256=found.card["weights_sha256"])
    given = replace(settings(), budgets=(budget,), fine_tuned_from=begun)
    assert shipped_rival(given, LARGE) is None


def test_it_is_measured_as_the_run_is(tmp_path: Path) -> None:
    """On the validation pictures, with their noise, and given the level if it takes one."""
    photos = save_photographs(tmp_path, {"train": ["coins"], "val": ["camera"]}, "L", (96, 96))
    given = settings()
    images = load_splits(photos, "gray", 0, given.task).val
    for name, level_map in (("gray-25", False), ("gray-small", True)):
        network = zoo_network(name)
        expected = evaluate(
            torch_restorer(network.load()[0]),
            images,
            given.task,
            VALIDATION_SEED,
            level_map=level_map,
        )
        assert rival_quality(network, images, given) == expected


def test_a_damaged_one_does_not_end_a_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "zoo"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    add_network(folder, "some-gray", 1).write_bytes(b"cut")
    words = ["--columns", "1,1", "--strategy", "random", "--iterations", 4, "--batch-size", 2]
    words += ["--width", 4, "--patch-size", 32, "--budget-mb", 5]
    result = clearer("search", *words, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "no network that comes with clearer is compared: " in result.stderr
    assert "this network" in result.stdout


@pytest.mark.parametrize("leads", [True, False])
def test_a_training_ends_with_it(
    leads: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos, folder = tmp_path / "photos", tmp_path / "zoo"
    photos.mkdir()
    folder.mkdir()
    save_photographs(photos, {"train": ["coins", "brick"], "val": ["camera"]}, "L", (64, 64))
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    add_network(folder, "some-gray", 1)
    add_network(folder, "some-rgb", 3)
    monkeypatch.setattr("clearer.terminal.trained._LEAST_LEAD_DB", -100.0 if leads else 100.0)
    words = ["--columns", "1,1", "--strategy", "random", "--iterations", 4, "--batch-size", 2]
    words += ["--width", 4, "--patch-size", 32, "--data", photos, "--budget-mb", 5]
    result = clearer("search", *words, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    assert "some-gray" in result.stdout
    assert ("fits too and has" in result.stderr) == leads
    assert ("clearer train some-gray --fine-tune" in result.stderr) == leads
    again = clearer("train", tmp_path / "run", "--out", tmp_path / "again", "--json")
    report = json.loads(again.stdout)
    assert report["shipped_rival"] == "some-gray"
    assert set(report["validation"]["some-gray"]) == {"psnr_db", "ssim"}


def test_what_is_over_the_budget_can_be_cut() -> None:
    def to_cut(*budgets: Budget, **options: Any) -> str | None:
        found = network_to_cut(replace(settings(**options), budgets=budgets), SMALL)
        return None if found is None else found.name

    assert to_cut(Budget(metric="mb", limit=0.5)) == "gray-small"
    assert to_cut(Budget(metric="mb", limit=0.5), channels=3) == "rgb-tiny"
    assert to_cut(Budget(metric="mb", limit=2.0), channels=3) == "rgb-small"
    assert to_cut(Budget(metric="mb", limit=0.95)) == "gray-tiny"  # gray-small fits
    assert to_cut(Budget(metric="mb", limit=9.0)) is None
    assert to_cut() is None
    assert to_cut(Budget(metric="mb", limit=0.5), noise="poisson-gaussian") is None
