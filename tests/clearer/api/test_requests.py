"""Impossible searches, trainings and exports are refused before anything is made."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import clearer
from clearer.errors import InputError


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"resume": True, "seed": 3}, "--resume continues .* leave out --seed"),
        ({"resume": True, "task_options": {"sigma": 5}}, "leave out --task-options"),
        ({"source": "run", "width": 8}, "--from keeps the search .* leave out --width"),
        ({"resume": True, "source": "run"}, "leave out --from"),
        ({"changed_data": True}, "--changed-data is for --resume"),
        ({"size": (0, 8)}, "both sides must lie in 1..8192"),
        ({"budget_mb": -1}, "finite number above 0"),
        ({"budget_mb": 1, "lambda_comp": 0.1}, "a budget sets its own"),
        ({"cost": "table.json"}, "--cost is for --budget-ms"),
        ({"minutes": 1, "iterations": 5}, "--minutes sets the iterations itself"),
        ({"minutes_now": 0}, "--minutes-now must be a number above 0"),
        ({"strategy": "race", "columns": (2, 2)}, "--strategy race chooses the space"),
        ({"strategy": "gradient", "contenders": 4}, "--contenders does nothing"),
        ({"preset": "slow"}, "unknown preset 'slow'"),
        ({"task_options": {"sigma": -1}}, "sigma"),
        ({"device": "tpu"}, "unknown device"),
        ({"resume": True}, "no run under runs/"),
    ],
)
def test_a_search_that_cannot_be(asked: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=message) as refused:
        clearer.search(clearer.SearchRequest(**asked))
    assert "\n" not in str(refused.value)
    assert not [*tmp_path.iterdir()]


def test_a_request_is_plain_data() -> None:
    request = clearer.SearchRequest(budget_mb=1, budget_params=1e5, task_options={"sigma": 25})
    assert [budget.metric for budget in request.budgets] == ["mb", "params"]
    assert request == clearer.SearchRequest(
        budget_mb=1, budget_params=1e5, task_options={"sigma": 25}
    )
    with pytest.raises(AttributeError):
        request.seed = 1  # type: ignore[misc]


def test_a_training_that_cannot_be() -> None:
    with pytest.raises(InputError, match="no run under runs/"):
        clearer.train()
    with pytest.raises(InputError, match="fine-tune it with --fine-tune"):
        clearer.train("gray-25")
    with pytest.raises(InputError, match="--changed-data is for a run that continues"):
        clearer.train("gray-25", fine_tune=True, changed_data=True)


def test_an_export_that_cannot_be() -> None:
    with pytest.raises(InputError, match="each side must be above 0"):
        clearer.export_network("gray-25", shapes=[(1, 0, 8)])
    with pytest.raises(InputError, match="--trt-profile is for engines"):
        clearer.export_network("gray-25", profile="1x8x8,1x8x8,1x8x8")
    with pytest.raises(InputError, match="no run under runs/"):
        clearer.export_network()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sigma": 10}, "--sigma is for a network with a level map"),
        ({"untrained": True}, "gray-25 has been trained: leave out --untrained"),
    ],
)
def test_a_refused_export_leaves_no_folder(
    options: Any, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=message):
        clearer.export_network("gray-25", **options)
    assert not list(tmp_path.iterdir())


def test_a_profile_and_a_benchmark_that_cannot_be() -> None:
    with pytest.raises(InputError, match="--check '1' is neither"):
        clearer.profile(check=1)
    with pytest.raises(InputError, match="both sides must lie in"):
        clearer.profile(size=(8, 10_000))
    with pytest.raises(InputError, match="both sides must lie in"):
        clearer.benchmark(size=(8, 0))
    with pytest.raises(InputError, match="the cores of this process are"):
        clearer.benchmark(["gray-25"], cores=[100_000])


@pytest.mark.parametrize("options", [{"sigma": 300}, {"strength": -1}, {"strength": float("nan")}])
def test_a_restoring_that_cannot_be(options: Any, tmp_path: Path) -> None:
    Image.fromarray(np.full((20, 24), 90, np.uint8)).save(tmp_path / "gray.png")
    with pytest.raises(InputError, match="must lie in"):
        clearer.restore(tmp_path, model="gray-25", out=tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_pictures_are_restored_and_a_bad_one_stops_no_other(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "bad.png").write_bytes(b"no picture")
    Image.fromarray(np.full((20, 24), 90, np.uint8)).save(folder / "good.png")
    bad, good = clearer.restore(folder, model="gray-25", out=tmp_path / "out")
    assert bad["status"] == "failed"
    assert bad["reason"]
    assert good["status"] == "restored"
    assert (good["width"], good["height"]) == (24, 20)
    assert Path(good["output"]).is_file()
    again = clearer.restore([folder / "good.png"], model="gray-25", out=Path(good["output"]).parent)
    assert [record["status"] for record in again] == ["skipped"]
    for options in ({"sigma": 300}, {"strength": -1}, {"sigma": 20}):
        with pytest.raises(InputError, match="sigma|strength"):
            clearer.restore(folder, model="gray-25", **options)  # type: ignore[arg-type]
