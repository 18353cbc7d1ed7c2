"""A trained network that is cut to a budget, and trained again."""

from __future__ import annotations

import hashlib
import importlib
import json
import shutil
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from clearer import Limits
from clearer.costs.budget import Budget
from clearer.errors import InputError
from clearer.networks.network import load_network
from clearer.networks.weights_file import read_weights
from clearer.runs.run import Run
from clearer.support.files import read_json, read_jsonl
from tests.command import GRADIENT, clearer, searched
from tests.forked import SignalIn, run_forked
from tests.photographs import save_photographs

TINY = [*GRADIENT, "--width", "8", "--columns", "1,2", "--stem", "conv", "--iterations", "8"]
TINY += ["--batch-size", "2", "--patch-size", "32", "--precision", "fp32"]
SHORT = ["--iterations", "6", "--batch-size", "2", "--patch-size", "32", "--validate-every", "3"]
LIMIT_MB = 0.1


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched(tmp_path_factory.mktemp("runs") / "whole", photos, *TINY)


@pytest.fixture(scope="module")
def cut(trained: Path) -> Path:
    run = trained.with_name("cut")
    words = ["--fine-tune", "--budget-mb", LIMIT_MB, *SHORT, "--out", run]
    result = clearer("train", trained, *words)
    assert result.exit_code == 0, result.output
    assert "cut from whole" in result.stderr
    return run


@pytest.fixture
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def records(run: Path) -> list[dict[str, Any]]:
    """The log of the training, without its speed."""
    return [
        {name: value for name, value in record.items() if name != "iterations_per_s"}
        for record in read_jsonl(run / "train.jsonl")
    ]


def test_the_run_says_what_was_cut_and_who_teaches(trained: Path, cut: Path) -> None:
    old, new = Run(trained).settings(), Run(cut).settings()
    whole = digest(trained / "weights.safetensors")
    assert new.teacher is not None
    assert (new.teacher.name, new.teacher.sha256) == ("whole", whole)
    assert (cut / "teacher.safetensors").read_bytes() == (
        trained / "weights.safetensors"
    ).read_bytes()
    assert new.fine_tuned_from is not None
    assert new.fine_tuned_from.name == "whole, cut"
    assert new.fine_tuned_from.sha256 == digest(cut / "start.safetensors") != whole
    assert new.budgets == (Budget(metric="mb", limit=LIMIT_MB),)
    assert (new.image_size, new.budget_precision) == ((256, 256), "fp32")
    assert new.train.learning_rate == old.train.learning_rate  # it has much to learn again
    decision = read_json(cut / "architecture.json")
    assert decision["strategy"] == "pruned"
    assert decision["pruned_from"] == {"name": "whole", "sha256": whole}
    assert decision["params"] < read_json(trained / "architecture.json")["params"]
    architecture = Run(cut).read_architecture()
    assert architecture.space == new.space
    for name in ("start", "weights", "last"):
        assert load_network(cut / f"{name}.safetensors")[0].architecture == architecture


def test_its_exported_file_meets_the_budget(cut: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(cut, run)
    result = clearer("export", run)
    assert result.exit_code == 0, result.output
    assert (run / "model.onnx").stat().st_size <= LIMIT_MB * 1e6
    (row,) = read_json(run / "architecture.json")["budgets"]
    assert row["measured"] <= LIMIT_MB


def test_commands_read_it(cut: Path, photos: Path, tmp_path: Path) -> None:
    shown = clearer("show", cut)
    assert shown.exit_code == 0
    assert "cut from whole" in shown.output
    assert "cut" in clearer("runs", cut.parent).output
    described = json.loads(clearer("show", cut, "--json").stdout)
    assert "pruned_from" in json.dumps(described)
    result = clearer("eval", cut, "--data", photos, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    result = clearer("train", "--resume", cut)
    assert result.exit_code == 0, result.output
    result = clearer("search", "--from", cut, "--budget-mb", 1, "--out", tmp_path / "frozen")
    assert result.exit_code == 2
    assert "was not searched by gradient" in result.stderr


def test_pieces_end_like_a_training_at_once(trained: Path, cut: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--fine-tune", "--budget-mb", LIMIT_MB, *SHORT, "--minutes-now", 0.0001, "--out", run]
    result = clearer("train", trained, *words)
    assert result.exit_code == 0, result.output
    assert "this piece is done" in result.stderr
    for _ in range(2):
        result = clearer("train", "--resume", run, "--minutes-now", 0.0001)
        assert result.exit_code == 0, result.output
    result = clearer("train", "--resume", run)
    assert result.exit_code == 0, result.output
    for name in ("start.safetensors", "weights.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (cut / name).read_bytes(), name
    assert records(run) == records(cut)


def test_it_is_cut_again_and_fine_tuned_to_another_level(cut: Path, tmp_path: Path) -> None:
    run = tmp_path / "twice"
    words = ["--fine-tune", "--budget-params", 9000, *SHORT, "--sigma", 10]
    result = clearer("train", cut, *words, "--learning-rate", 0.001, "--out", run)
    assert result.exit_code == 0, result.output
    settings = Run(run).settings()
    assert settings.budgets == (Budget(metric="params", limit=9000),)
    assert settings.train.learning_rate == 0.001
    assert settings.teacher is None  # it does not know that level
    decision = read_json(run / "architecture.json")
    assert decision["pruned_from"] == {"name": "cut", "sha256": digest(cut / "weights.safetensors")}
    params = sum(p.numel() for p in load_network(run / "weights.safetensors")[0].parameters())
    assert params == decision["params"] <= 9000


def test_a_network_that_meets_the_budget_is_fine_tuned_as_it_is(
    trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["--fine-tune", "--budget-mb", 5, *SHORT, "--out", run]
    result = clearer("train", trained, *words)
    assert result.exit_code == 0, result.output
    assert "whole meets the budgets as it is: nothing is cut" in result.stderr
    assert Run(run).read_architecture() == Run(trained).read_architecture()
    assert (run / "start.safetensors").read_bytes() == (
        trained / "weights.safetensors"
    ).read_bytes()
    settings = Run(run).settings()
    assert settings.train.learning_rate == Run(trained).settings().train.learning_rate / 4


def test_colour_at_half_resolution_to_an_int8_file(tmp_path: Path) -> None:
    names = {"train": ["astronaut", "coffee"], "val": ["chelsea"]}
    colours = tmp_path / "colours"
    colours.mkdir()
    save_photographs(colours, names, "RGB", (72, 64))
    words = [*TINY, "--unshuffle", 2, "--color", "rgb", "--width", 7]
    whole = searched(tmp_path / "whole", colours, *words)
    run = tmp_path / "run"
    words = ["--fine-tune", "--budget-mb", 0.08, "--budget-precision", "int8", *SHORT]
    words += ["--budget-gmacs", 0.004, "--size", "64x64", "--out", run]
    result = clearer("train", whole, *words)
    assert result.exit_code == 0, result.output
    settings, decision = Run(run).settings(), read_json(run / "architecture.json")
    assert (settings.budget_precision, settings.image_size) == ("int8", (64, 64))
    assert decision["sizes_mb"]["int8"] <= 0.08
    for row in decision["budgets"]:
        assert row["measured"] <= row["limit"]
    assert decision["space"]["channels"] == 3


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_nothing_is_left_of_a_cut_that_is_interrupted(
    trained: Path, tmp_path: Path, number: int
) -> None:
    run = tmp_path / "run"
    words = ["train", trained, "--fine-tune", "--budget-mb", LIMIT_MB, *SHORT, "--out", run]
    ended = run_forked(
        *words, prepare=SignalIn("clearer.pruning.prune.channel_importance", 2, number)
    )
    assert ended.exit_code == (130 if number == signal.SIGINT else -signal.SIGKILL)
    assert not run.exists()


@pytest.mark.usefixtures("_empty_folder")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget-mb", "0.1"], "--budget-mb cuts a trained network: add --fine-tune"),
        (["--resume", "--budget-params", "900"], "--budget-params cuts a trained network"),
        (["--fine-tune", "--resume", "--budget-mb", "1"], "add --fine-tune, for a new run"),
        (["--warm-start", "WHOLE", "--budget-mb", "1"], "add --fine-tune, for a new run"),
        (["--fine-tune", "--budget-mb", "0.0001"], "whole cannot be cut to --budget-mb 0.0001"),
        (["--fine-tune", "--budget-mb", "-1"], "must be a finite number above 0, got -1"),
        (["--fine-tune", "--budget-params", "nan"], "must be a finite number above 0, got nan"),
        (["--fine-tune", "--size", "64x64"], "--size is for --budget-ms and --budget-gmacs"),
        (["--fine-tune", "--budget-mb", "1", "--size", "64x64"], "--size is for --budget-ms"),
        (["--fine-tune", "--budget-gmacs", "1", "--size", "0x64"], "both sides must lie in"),
        (["--fine-tune", "--budget-gmacs", "1", "--size", "64"], "--size"),
        (["--fine-tune", "--budget-precision", "int8"], "--budget-precision int8 is for"),
        (["--fine-tune", "--level-map", "--budget-mb", "0.1"], "whose input changes"),
        (["--fine-tune", "--budget-mb", "0.1", "--out", "WHOLE"], "choose another --out"),
    ],
)
def test_bad_use_is_one_line_and_makes_no_run(
    words: list[str], message: str, trained: Path
) -> None:
    result = clearer("train", trained, *(trained if w == "WHOLE" else w for w in words))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    errors = [line for line in result.stderr.splitlines() if not line.startswith("images,")]
    assert len(errors) == 1, result.stderr
    assert not list(Path().iterdir())


def test_bottlenecks_are_refused(photos: Path, tmp_path: Path) -> None:
    whole = searched(tmp_path / "whole", photos, *TINY, "--stem", "bottlenecks", "--width", 2)
    words = ["--fine-tune", "--budget-params", 500, *SHORT, "--out", tmp_path / "run"]
    result = clearer("train", whole, *words)
    assert result.exit_code == 2
    assert "has the stem bottlenecks" in result.stderr
    assert not (tmp_path / "run").exists()


def test_limits_are_plain_data() -> None:
    limits = Limits(budget_gmacs=2, budget_ms=5, size=(64, 48))
    assert [budget.metric for budget in limits.budgets] == ["ms", "gmacs"]
    assert limits.image_size == (64, 48)
    assert replace(limits, size=None).image_size == (256, 256)
    limits.check(fine_tune=True, resume=False)
    Limits().check(fine_tune=False, resume=True)
    with pytest.raises(InputError, match="--size is for"):
        Limits(budget_params=9, size=(64, 48)).check(fine_tune=True, resume=False)


def test_what_meets_the_budgets_records_them(trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "same"
    words = ["train", str(trained), "--fine-tune", "--budget-mb", "3", "--out", str(out), *SHORT]
    result = clearer(*words)
    assert result.exit_code == 0, result.stderr
    assert "whole meets the budgets as it is: nothing is cut" in result.stderr
    (row,) = Run(out).read_decision()["budgets"]
    assert (row["metric"], row["limit"]) == ("mb", 3)
    assert [budget.limit for budget in Run(out).settings().budgets] == [3]
    assert Run(out).settings().train.learning_rate < Run(trained).settings().train.learning_rate


def test_what_is_left_claims_nothing_of_the_whole(cut: Path) -> None:
    info = read_weights(cut / "start.safetensors").info
    assert info["pruned_from"]["name"] == "whole"
    assert not {"val_psnr_db", "val_ssim", "iteration", "selection"} & set(info)


def test_the_record_of_the_search_stays_with_the_whole(trained: Path, cut: Path) -> None:
    searched_for = {"argmax", "seeds", "agreement", "op_weights", "margins"}
    assert searched_for <= set(Run(trained).read_decision())
    assert not searched_for & set(Run(cut).read_decision())


def test_a_folder_in_use_is_refused_before_the_cut(trained: Path, cut: Path) -> None:
    words = ["train", str(trained), "--fine-tune", "--budget-mb", "0.01", "--out", str(cut), *SHORT]
    result = clearer(*words)
    assert result.exit_code == 2
    assert "exists: choose another --out" in result.stderr
    assert "cutting" not in result.stderr


def test_a_network_that_comes_with_clearer_is_cut_to_widths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = {"train": ["astronaut", "coins"], "val": ["camera"]}
    photos = save_photographs(tmp_path, names, "L", (120, 100))
    monkeypatch.syspath_prepend(Path(__file__).resolve().parents[2] / "benchmarks" / "zoo")
    monkeypatch.chdir(tmp_path)
    script = importlib.import_module("cut")
    monkeypatch.setattr(sys, "argv", ["cut.py", "gray-small", "cut", str(photos), "12", "24", "64"])
    script.main()
    network, info = load_network(tmp_path / "cut" / "weights.safetensors")
    assert network.architecture.space.widths == (12, 24, 64)
    assert info["pruned_from"]["name"] == "gray-small"
    done = clearer("train", "cut", "--fine-tune", *SHORT, "--out", "tuned")
    assert done.exit_code == 0, done.stderr
    assert Run(Path("tuned")).weights.exists()
    with pytest.raises(InputError, match="the widths have to be 3 numbers, of at most"):
        script.check_widths([16, 24, 64], network.architecture.space)
