"""Tasks other than plain denoising, and figures of any model, as a user types them."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.errors import Interrupted
from clearer.runs.run import Run
from clearer.support.files import read_jsonl
from tests.command import clearer

TINY = ["--budget-mb", "0.1", "--contenders", "2", "--search-iterations", "2"]
TINY += ["--iterations", "12", "--batch-size", "2"]
TINY += ["--patch-size", "32", "--precision", "fp32"]
NARROW = ["--width", "2", "--unshuffle", "2", "--columns", "1,1", *TINY[4:]]
MakeImages = Callable[..., Path]


@pytest.fixture(scope="module")
def rain(tmp_path_factory: pytest.TempPathFactory, real_data: Path) -> Iterator[Path]:
    """Six small pairs cut from Rain800: clean left, rainy right."""
    folder = tmp_path_factory.mktemp("rain") / "rain"
    folder.mkdir()
    for path in sorted((real_data / "rain800" / "train").glob("1*.jpg"))[:6]:
        with Image.open(path) as both:
            middle = both.width // 2
            halves = [both.crop((x, 0, x + 72, 64)) for x in (0, middle)]
        pair = Image.fromarray(np.concatenate([np.asarray(half) for half in halves], axis=1))
        pair.save(folder / f"{path.stem}.png")
    yield folder
    shutil.rmtree(folder)


def test_derain_from_pairs_to_figures(rain: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["--task", "derain", "--data", rain, "--color", "rgb", "--out", run, *TINY]
    result = clearer("search", *words)
    assert result.exit_code == 0, result.stderr
    assert "derain, protocol pairs" in result.stderr
    assert clearer("export", run).exit_code == 0
    reports = []
    for model in (run, run / "model.onnx"):
        result = clearer("eval", model, "--data", rain, "--out", tmp_path / "eval", "--json")
        assert result.exit_code == 0, result.stderr
        reports.append(json.loads(result.stdout))
    assert reports[0]["task"] == {"name": "derain", "pairs": "clean-left"} == reports[1]["task"]
    assert reports[0]["mean"] == pytest.approx(reports[1]["mean"], rel=1e-5)
    assert clearer("bench", run, "--data", rain, "--runs", 3, "--size", "64x64").exit_code == 0


@pytest.mark.parametrize(
    "words",
    [
        ["--sigma", "5:50"],
        ["--noise", "poisson-gaussian", "--shot", "0.01:0.05", "--sigma", "3"],
        ["--task", "dejpeg", "--quality", "10:40"],
        ["--task", "photo", "--shot", "0.001:0.01"],
        ["--sigma", "30", "--protocol", "paper"],
    ],
    ids=["blind", "camera", "jpeg", "photo", "paper"],
)
def test_synthetic_tasks_from_search_to_figures(
    words: list[str], make_images: MakeImages, tmp_path: Path
) -> None:
    data, run = make_images("pictures", 4, size=(96, 80)), tmp_path / "run"
    result = clearer("search", *words, "--data", data, "--out", run, *NARROW)
    assert result.exit_code == 0, result.stderr
    result = clearer("eval", run, "--data", data, "--out", tmp_path / "eval", "--json")
    assert result.exit_code == 0, result.stderr
    report = json.loads(result.stdout)
    for option, value in zip(words[::2], words[1::2], strict=True):
        assert report["task"]["name" if option == "--task" else option[2:]] == value
    low, high = report["psnr_db_interval_95"]
    assert low <= report["mean"]["psnr_db"] <= high
    assert len(report["rows"]) == 4


def without_iterations(words: list[str]) -> list[str]:
    place = words.index("--iterations")
    return [*words[:place], *words[place + 2 :]]


@pytest.fixture
def minutes(make_images: MakeImages, tmp_path: Path) -> float:
    """A few times the minimum that a training asks for, since a busy machine needs more."""
    data, run = make_images("pictures", 4, size=(96, 80)), tmp_path / "asked"
    words = ["--data", data, "--out", run, "--no-train", *without_iterations(NARROW)]
    assert clearer("search", *words).exit_code == 0
    refused = clearer("train", run, "--minutes", 1e-4)
    assert refused.exit_code == 2
    advice = re.search(r"is too short: give at least (\S+)", refused.stderr)
    assert advice is not None, refused.stderr
    return 5 * float(advice[1])


def test_minutes_count_after_a_stop_before_the_training(
    make_images: MakeImages, tmp_path: Path, minutes: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise Interrupted("stopped")

    data, run = make_images("pictures", 4, size=(96, 80)), tmp_path / "a"
    words = ["search", "--data", data, "--out", run, *without_iterations(NARROW)]
    with monkeypatch.context() as patch:
        patch.setattr("clearer.api.session.fit_training_to_time", stop)
        assert clearer(*words, "--minutes", minutes).exit_code != 0
    preset = Run(run).settings().train.iterations
    result = clearer("search", "--resume", "--out", run)
    assert result.exit_code == 0, result.stderr
    settings = Run(run).settings()
    assert settings.train.iterations != preset
    assert read_jsonl(run / "train.jsonl")[-1]["iteration"] == settings.train.iterations
    assert settings.minutes is None


def test_minutes_shape_the_schedule(
    make_images: MakeImages, tmp_path: Path, minutes: float
) -> None:
    data, run, longer = make_images("pictures", 4, size=(96, 80)), tmp_path / "a", tmp_path / "b"
    words = ["search", "--data", data, "--out", run, *without_iterations(NARROW)]
    result = clearer(*words, "--minutes", minutes)
    assert result.exit_code == 0, result.stderr
    result = clearer("train", run, "--minutes", 1.2 * minutes, "--out", longer)
    assert result.exit_code == 0, result.stderr
    result = clearer("train", run, "--resume", "--minutes", 1)
    assert result.exit_code == 2
    assert "leave out --minutes" in result.stderr
    for folder in (run, longer):
        log = read_jsonl(folder / "train.jsonl")
        settings = Run(folder).settings().train
        assert log[-1]["iteration"] == settings.iterations
        assert sum("val_psnr_db" in record for record in log) <= 6
        rates = [record["learning_rate"] for record in log if "learning_rate" in record]
        # The cosine has ended, however few steps a busy machine took.
        assert rates[-1] < 0.05 * settings.learning_rate


@pytest.mark.parametrize("are_pairs", [True, False])
def test_halves_that_are_no_pairs_are_named(are_pairs: bool, tmp_path: Path) -> None:
    folder, rng = tmp_path / "pictures", np.random.default_rng(0)
    folder.mkdir()
    for index in range(2):
        left, other = rng.integers(256, size=(2, 32, 40, 3))
        right = (left + 12 if are_pairs else other).clip(0, 255)
        pair = np.concatenate([left, right], axis=1).astype(np.uint8)
        Image.fromarray(pair).save(folder / f"{index}.png")
    words = ["--task", "derain", "--color", "rgb", "--data", folder, "--out", tmp_path]
    result = clearer("eval", "gray-small", *words)
    assert result.exit_code == 0, result.stderr
    assert ("unrelated pictures" in " ".join(result.stderr.split())) == (not are_pairs)


def test_eval_prints_a_table_and_changes_the_noise(make_images: MakeImages, tmp_path: Path) -> None:
    data = make_images("pictures", 2)
    words = ["eval", "nlm", "--data", data, "--sigma", "15", "--out", tmp_path / "eval"]
    result = clearer(*words)
    assert result.exit_code == 0, result.stderr
    assert "sigma 15, protocol awgn" in " ".join(result.stdout.split())
    assert "95 % interval" in result.stdout
    reports = tmp_path / "eval"
    assert clearer(*words[:-2], "--out", reports, "--sigma", "30").exit_code == 0
    names = {f"nlm-pictures-awgn-sigma{level}.json" for level in (15, 30)}
    assert {path.name for path in reports.iterdir()} == names


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["eval", "nlm"], "with --data"),
        (["eval", "nothing.onnx", "--data", "."], "nothing.onnx does not exist"),
        (["eval", "nothing", "--data", "."], "nothing does not exist here"),
        (["eval", "nlm", "--data", "nowhere"], "nowhere is not a folder"),
        (["eval", "nlm", "--data", ".", "--task", "blur"], "unknown task 'blur'"),
        (["search", "--task", "derain"], "needs pairs of pictures"),
        (["search", "--task", "dejpeg", "--sigma", "5"], "task dejpeg has no --sigma"),
        (["search", "--sigma", "50:5"], "--sigma 50:5"),
        (["search", "--minutes", "5", "--iterations", "9"], "leave out --iterations"),
        (["search", "--minutes", "0"], "must be a number above 0"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(words: list[str], message: str) -> None:
    result = clearer(*words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) <= 3


def test_tasks_lists_every_option() -> None:
    result = clearer("tasks", "--json")
    assert result.exit_code == 0
    names = {row["task"]: set(row["options"]) for row in json.loads(result.stdout)}
    assert names["denoise"] == {"sigma", "noise", "shot", "protocol"}
    assert "--quality" in clearer("tasks").stdout
