"""The folder of a run: one writer at a time, safe to kill, with unchanged pictures."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.runs.run_lock import lock_run
from clearer.support.files import read_json
from tests.command import clearer
from tests.forked import SignalIn, run_forked, start_forked
from tests.patience import PATIENCE_S
from tests.started import started, wait_for_file

SHORT = ["--iterations", "6", "--batch-size", "2", "--patch-size", "32", "--precision", "fp32"]
SHORT += ["--device", "cpu"]
PAPER = ["--strategy", "gradient", "--width", "4", "--columns", "1,1"]
TINY = [*PAPER, "--search-iterations", "4", *SHORT]
RACE = ["--budget-mb", "0.05", "--contenders", "2", "--search-iterations", "2", *SHORT]
LONG = {
    "search.json": [*PAPER, "--search-iterations", "100000", *SHORT],
    "race-0.json": [*RACE[:4], "--search-iterations", "100000", *SHORT],
}
MakeImages = Callable[..., Path]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)
    for index in range(6):
        pixels = rng.integers(256, size=(48, 48), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{index}.png")
    return folder


@pytest.fixture
def begun(photos: Path, tmp_path: Path) -> Path:
    """A run whose search is done, and whose training has not begun."""
    run = tmp_path / "run"
    result = clearer("search", *TINY, "--data", photos, "--out", run, "--no-train")
    assert result.exit_code == 0, result.output
    return run


def test_two_processes_never_write_one_run(begun: Path) -> None:
    with lock_run(begun):
        for words in (
            ["search", "--resume", "--out"],
            ["train"],
            ["train", "--resume"],
            ["export"],
        ):
            result = clearer(*words, begun)
            assert result.exit_code == 1
            assert f"is in use by process {os.getpid()} on " in result.stderr.replace("\n", " ")
            assert len(result.stderr.splitlines()) == 1
    result = clearer("train", begun)
    assert result.exit_code == 0, result.output
    assert not list(begun.glob(".*"))


def lock_and_die(run: Path) -> None:
    with lock_run(run):
        os.kill(os.getpid(), signal.SIGKILL)


def test_the_lock_of_a_killed_process_is_taken_over(begun: Path) -> None:
    child = start_forked(lock_and_die, begun)
    child.join()
    assert child.exitcode == -signal.SIGKILL
    (begun / "checkpoint" / ".clearer-abcdefgh.tmp").write_text("half of a file")
    (begun / ".clearer-abcdefgh.tmp").write_text("half of a file")
    assert (begun / ".lock").exists()
    result = clearer("train", begun)
    assert result.exit_code == 0, result.output
    assert not list(begun.rglob(".*"))


def test_a_kill_in_the_first_write_leaves_a_folder_for_the_same_command(
    photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in (".lock", ".lock-holder", ".clearer-01234567.tmp", "pictures.json", "cost.json"):
        (run / name).write_text("")
    (run / "race.json").write_text("")
    words = ["search", *RACE, "--data", photos, "--out", run, "--no-train"]
    result = clearer(*words)
    assert result.exit_code == 0, result.output
    result = clearer(*words)
    assert result.exit_code == 2
    assert "exists: choose another --out" in result.stderr.replace("\n", " ")


def test_files_of_others_are_not_taken_for_those_of_a_killed_process(
    photos: Path, tmp_path: Path
) -> None:
    (tmp_path / "architecture.json").write_text("mine")
    result = clearer("search", *TINY, "--data", photos, "--out", tmp_path)
    assert result.exit_code == 2
    assert (tmp_path / "architecture.json").read_text() == "mine"


@pytest.mark.parametrize(
    ("checkpoint", "function"),
    [
        ("search.json", "clearer.searching.search.cosine"),
        ("race-0.json", "clearer.searching.race_turn.save_checkpoint"),
    ],
)
def test_sigterm_ends_a_search_as_ctrl_c_does(
    photos: Path, tmp_path: Path, checkpoint: str, function: str
) -> None:
    run = tmp_path / "run"
    words = ["search", *LONG[checkpoint], "--data", photos, "--out", run, "--checkpoint-seconds", 0]
    ended = run_forked(*words, prepare=SignalIn(function, 2, signal.SIGTERM))
    check_that_it_stopped(run, ended.exit_code, ended.stderr)


@pytest.mark.parametrize("checkpoint", LONG)
def test_sigterm_ends_all_processes_of_a_search(
    photos: Path, tmp_path: Path, checkpoint: str
) -> None:
    run = tmp_path / "run"
    words = ["--data", photos, "--out", run, "--devices", "2", "--checkpoint-seconds", "0"]
    with started("search", *LONG[checkpoint], *words) as process:
        wait_for_file(run / "checkpoint" / checkpoint, process)
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENCE_S)
    check_that_it_stopped(run, process.returncode, errors)


def check_that_it_stopped(run: Path, exit_code: int, errors: str) -> None:
    assert exit_code == 143, errors
    assert errors.count("error:") == errors.count("--resume --out") == 1
    assert "Traceback" not in errors
    assert list((run / "checkpoint").iterdir())
    assert not list(run.rglob(".*"))


def test_sigterm_while_packages_load_or_pictures_are_read(photos: Path, tmp_path: Path) -> None:
    for delay in (0.3, 1.5):
        with started("eval", "nlm", "--data", photos, "--out", tmp_path / "eval") as process:
            time.sleep(delay)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE_S)
        if process.returncode != 0:  # a fast machine may be finished
            assert process.returncode in (143, -signal.SIGTERM), errors
            assert errors.count("error: interrupted") == (process.returncode == 143)


@pytest.mark.parametrize("command", ["search", "train"])
def test_a_run_goes_on_with_the_pictures_that_it_began_with(
    make_images: MakeImages, tmp_path: Path, command: str
) -> None:
    photos, run = make_images("photos", 6), tmp_path / "run"
    result = clearer("search", *TINY, "--data", photos, "--out", run, "--no-train")
    assert result.exit_code == 0, result.output
    (photos / "picture3.png").rename(photos / "other.png")
    with Image.open(photos / "picture1.png") as picture:
        picture.rotate(180).save(photos / "picture1.png")
    words = (
        ["search", "--resume", "--train", "--out", run] if command == "search" else ["train", run]
    )
    result = clearer(*words)
    assert result.exit_code == 2
    text = result.stderr.replace("\n", " ")
    for line in ("other.png is new", "picture1.png has other content", "picture3.png is gone"):
        assert line in text
    assert "--changed-data" in text
    result = clearer(*words, "--changed-data")
    assert result.exit_code == 0, result.output
    (change,) = read_json(run / "pictures.json")["changes"]
    assert "picture3.png is gone" in change["what"]


def test_a_picture_that_moved_from_test_to_train_is_named(
    make_images: MakeImages, tmp_path: Path
) -> None:
    train, run = make_images("set/train", 5), tmp_path / "run"
    make_images("set/val", 1)
    test = make_images("set/test", 2)
    (test / "picture1.png").rename(test / "held.png")
    words = ["--data", train.parent, "--out", run, "--no-train"]
    assert clearer("search", *TINY, *words).exit_code == 0
    (test / "held.png").rename(train / "held.png")
    result = clearer("train", run)
    assert result.exit_code == 2
    assert "test/held.png is gone; train/held.png is new" in result.stderr.replace("\n", " ")


def test_changed_data_is_for_a_run_that_goes_on(photos: Path) -> None:
    result = clearer("search", "--data", photos, "--changed-data")
    assert result.exit_code == 2
    assert "--changed-data is for --resume" in result.stderr
