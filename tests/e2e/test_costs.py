"""Costs measured on a device, and budgets that hold, as a user types them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clearer.bench import device_timer, measured_costs
from tests.command import clearer
from tests.photographs import save_photographs

FAST = ["--search-iterations", "10", "--iterations", "4", "--batch-size", "2"]
FAST += ["--patch-size", "32", "--precision", "fp32", "--size", "32x48"]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path / ".cache"))
    monkeypatch.setattr(measured_costs, "_CHECK_SECONDS", 0.2)
    monkeypatch.setattr(measured_costs, "_QUICK_SECONDS", 0.05)
    monkeypatch.chdir(tmp_path)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {"train": ["astronaut", "brick", "coins"], "val": ["camera"]}
    return save_photographs(tmp_path_factory.mktemp("photos"), names, "RGB", (64, 48))


@pytest.fixture(scope="module")
def cost(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cost table of this machine for a narrow network, measured briefly."""
    folder = tmp_path_factory.mktemp("cost")
    warm_up, device_timer.WARMUP_SECONDS = device_timer.WARMUP_SECONDS, 0.01
    patch = pytest.MonkeyPatch()
    patch.setattr("platformdirs.user_cache_dir", lambda _: str(folder / ".cache"))
    path = folder / "cost.json"
    words = ["--width", 4, "--columns", "2,2", "--size", "32x48", "--threads", 1]
    result = clearer("profile", *words, "--check", 4, "--out", path, "--seconds", 1)
    patch.undo()
    device_timer.WARMUP_SECONDS = warm_up
    assert result.exit_code == 0, result.output
    return path


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def test_profile_writes_a_table_its_check_and_a_picture(cost: Path) -> None:
    table = read(cost)
    m = table["measurement"]
    assert (m["backend"], m["height"], m["width"], m["threads"]) == ("onnxruntime", 32, 48, 1)
    assert m["device"]
    assert m["measured"]
    assert table["fixed"] >= 0
    assert len(table["choices"]) == 4
    check = read(cost.with_suffix(".check.json"))
    assert check["num_networks"] == len(check["measured_ms"]) == 4
    with Image.open(cost.with_suffix(".check.png")) as picture:
        assert min(picture.size) > 300


def test_search_by_a_table_meets_all_budgets(cost: Path, photos: Path) -> None:
    table = read(cost)
    dear = table["fixed"] + sum(max(pair) for pair in table["choices"])
    many = 1000 * dear  # more than a busy machine takes, so that the other limits bind
    words = ["--cost", cost, "--budget-ms", many, "--budget-mb", 0.4, "--budget-gmacs", 0.05]
    result = clearer("search", *FAST, *words, "--data", photos, "--out", "run")
    assert result.exit_code == 0, result.output
    decision = read(Path("run/architecture.json"))
    assert decision["space"]["width"] == 4
    assert {b["metric"] for b in decision["budgets"]} == {"mb", "ms", "gmacs"}
    assert all(0 < b["measured"] <= b["limit"] for b in decision["budgets"])
    assert read(Path("run/cost.json")) == table
    resumed = clearer("search", "--resume", "--out", "run")
    assert resumed.exit_code == 0, resumed.output


def test_a_table_of_another_device_predicts_with_room(cost: Path, photos: Path) -> None:
    table = read(cost)
    table["measurement"].update(device="a board", max_error=0.25)
    Path("board.json").write_text(json.dumps(table))
    cheap = table["fixed"] + sum(min(pair) for pair in table["choices"])
    words = ["--cost", "board.json", "--budget-ms", 1.3 * cheap, "--no-train", "--out", "run"]
    result = clearer("search", *FAST, *words, "--data", photos)
    assert result.exit_code == 0, result.output
    assert "not measured here" in result.stderr
    (budget,) = read(Path("run/architecture.json"))["budgets"]
    assert budget["measured"] is None
    assert budget["predicted"] * 1.25 <= budget["limit"]
    tight = ["--cost", "board.json", "--budget-ms", 1.2 * cheap, "--out", "other"]
    refused = clearer("search", *FAST, *tight, "--data", photos)
    assert refused.exit_code == 2
    assert "the smallest possible" in refused.stderr
    assert not Path("other").exists()


def test_emit_and_collect(photos: Path) -> None:
    emitted = clearer("profile", "--emit", "board", "--width", 2, "--size", "16x16")
    assert emitted.exit_code == 0, emitted.output
    assert "device_timer.py" in emitted.stdout
    assert clearer("profile", "--collect", "board").exit_code == 2
    again = clearer("profile", "--emit", "board", "--width", 2)
    assert again.exit_code == 2
    assert "new folder" in again.stderr


def test_one_search_many_budgets(photos: Path) -> None:
    words: list[object] = ["--data", photos, "--width", 4, "--columns", "2,2", "--no-train"]
    words += ["--out", "run"]
    searched = clearer("search", "--strategy", "gradient", *FAST, *words, "--seeds", 2)
    assert searched.exit_code == 0, searched.output
    assert "2 searches prefer" in searched.stderr
    decision = read(Path("run/architecture.json"))
    assert len(decision["seeds"]) == 2
    assert 0 <= decision["agreement"] <= 1
    assert (Path("run") / "seed-1" / "search.jsonl").exists()

    shown = clearer("show", "run", "--front", "--metric", "params", "--quality", "--json")
    assert shown.exit_code == 0, shown.output
    front = json.loads(shown.stdout)["front"]
    costs = [row["cost"] for row in front]
    assert costs == sorted(costs, reverse=True)
    assert len(set(costs)) == len(costs)
    chances = [row["log_probability"] for row in front]
    assert chances == sorted(chances, reverse=True)
    assert all(row["supernet_psnr_db"] > 5 for row in front)
    with Image.open("run/front-params.png") as picture:
        assert min(picture.size) > 300
    for more in (["--front"], []):
        text = clearer("show", "run", *more)
        assert text.exit_code == 0, text.output
        assert decision["choices"] in text.output

    limit = (costs[0] + costs[-1]) / 2
    frozen = clearer("search", "--from", "run", "--budget-params", limit, "--out", "small")
    assert frozen.exit_code == 0, frozen.output
    small = read(Path("small/architecture.json"))
    assert small["params"] <= limit
    assert small["choices"] == next(r["architecture"] for r in front if r["cost"] <= limit)
    assert small["searched_in"] == "run"
    assert (Path("small") / "weights.safetensors").exists()


def test_a_race_under_measured_budgets_and_what_it_was_between(photos: Path) -> None:
    """The limit in milliseconds is generous, as tests do not time; the file binds."""
    words = ["--data", photos, "--budget-mb", 0.2, "--budget-ms", 2000, "--contenders", 3]
    result = clearer(
        "search", *FAST, *words, "--search-iterations", 2, "--no-train", "--out", "run"
    )
    assert result.exit_code == 0, result.output
    decision = read(Path("run/architecture.json"))
    assert decision["strategy"] == "race"
    budgets = {b["metric"]: b for b in decision["budgets"]}
    assert 0.94 * 0.2 < budgets["mb"]["measured"] <= 0.2  # to 95 %, by the estimate
    assert 0 < budgets["ms"]["measured"] <= 2000
    assert not Path("run/cost.json").exists()
    race = read(Path("run/race.json"))
    assert sorted(map(len, race["scores"])) == [1, 2, 2]

    for metric in ("mb", "ms"):
        shown = clearer("show", "run", "--front", "--metric", metric, "--json")
        assert shown.exit_code == 0, shown.output
        front = json.loads(shown.stdout)["front"]
        costs = [row["cost"] for row in front]
        assert costs == sorted(costs)
        assert all(cost > 0 for cost in costs)
        assert {row["architecture"] for row in front} == {a["choices"] for a in race["contenders"]}
        (winner,) = [row for row in front if row["is_winner"]]
        assert winner["architecture"] == decision["choices"]
        assert winner["rounds"] == 2
        best = max(front, key=lambda row: row["psnr_db"])
        assert best["on_front"]
        with Image.open(f"run/front-{metric}.png") as picture:
            assert min(picture.size) > 300
    pages: tuple[tuple[list[str], str], ...] = (([], "won"), (["--front"], "on_front|front"))
    for more, text in pages:
        told = clearer("show", "run", *more)
        assert told.exit_code == 0, told.output
        assert any(part in told.output for part in text.split("|"))
        assert "*" in told.output
    for refused_words, message in (
        (["--front", "--quality"], "--quality is for a search by gradient"),
        (["--front", "--cost", "x.json"], "--cost is for a search by gradient"),
    ):
        refused = clearer("show", "run", *refused_words)
        assert refused.exit_code == 2
        assert message in refused.stderr
    again = clearer("search", "--from", "run", "--budget-mb", 0.1)
    assert again.exit_code == 2
    assert "was not searched by gradient" in again.stderr


def test_a_random_architecture_is_under_the_budget(photos: Path) -> None:
    words = ["--data", photos, "--width", 4, "--strategy", "random", "--no-train"]
    texts = set()
    for seed in range(3):
        out = Path(f"run{seed}")
        limit = ["--budget-params", 9e4, "--seed", seed, "--out", out]
        result = clearer("search", *FAST, *words, *limit)
        assert result.exit_code == 0, result.output
        decision = read(out / "architecture.json")
        assert decision["params"] <= 9e4
        texts.add(decision["choices"])
    assert len(texts) > 1
    refused = clearer("show", "run0", "--front")
    assert refused.exit_code == 2
    assert "was not searched by gradient" in refused.stderr


def test_the_user_may_choose_cells_and_columns(photos: Path) -> None:
    words = ["--data", photos, "--columns", "2,1", "--budget-params", 2e5, "--no-train"]
    result = clearer("search", *FAST, *words, "--strategy", "random", "--out", "run")
    assert result.exit_code == 0, result.output
    decision = read(Path("run/architecture.json"))
    assert decision["space"]["columns"] == [2, 1]
    assert [len(cell) for cell in decision["choices"].split("-")] == [2, 1]
    assert 1e5 < decision["params"] <= 2e5  # wider, since there are fewer scales


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["search", "--cost", "absent.json", "--budget-ms", 5], "absent.json does not exist"),
        (["search", "--cost", "bad.json", "--budget-ms", 5], "bad.json is not a readable JSON"),
        (["search", "--cost", "list.json", "--budget-ms", 5], "list.json is not a usable cost"),
        (["search", "--cost", "list.json"], "--cost is for --budget-ms"),
        (["search", "--budget-ms", 0], "--budget-ms must be a finite number above 0"),
        (["search", "--budget-gmacs", "nan"], "--budget-gmacs must be a finite number"),
        (["search", "--budget-gmacs", 1e-9], "the smallest possible"),
        (["search", "--budget-mb", 5, "--size", "0x8"], "both sides must lie in"),
        (["search", "--from", "nowhere", "--budget-mb", 2], "nowhere is not the folder of a run"),
        (["search", "--from", "nowhere", "--width", 4], "leave out --width"),
        (["search", "--seeds", 0], "--seeds"),
        (["profile", "--check", "some"], "neither a number above 1 nor 'all'"),
        (["profile", "--check", "999"], "use 'all'"),
        (["profile", "--width", 1], "width must lie in"),
        (["profile", "--collect", "."], "plan.json does not exist"),
        (["profile", "--backend", "abacus"], "unknown --backend abacus"),
        (["show", "nowhere"], "nowhere does not exist here"),
    ],
)
def test_bad_input_ends_with_2_and_makes_no_run(words: list[object], message: str) -> None:
    Path("bad.json").write_text("{")
    Path("list.json").write_text("[]")
    before = set(Path.cwd().iterdir())
    result = clearer(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert {p for p in Path.cwd().iterdir() if p.name != ".cache"} == before


def test_a_table_for_another_network_says_what_differs(cost: Path, photos: Path) -> None:
    words = ["--cost", cost, "--budget-ms", 50, "--data", photos]
    for more, message in (
        (["--width", 6], "width 4 instead of 6"),
        (["--size", "64x64"], "32x48 instead of 64x64"),
        (["--color", "rgb"], "channels 1 instead of 3"),
        (["--preset", "paper", "--patch-size", 32], "residual True instead of False"),
    ):
        result = clearer("search", *words, *more)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
    assert not Path("runs").exists()
