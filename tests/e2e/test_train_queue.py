"""The training queue, at tiny size: its list, its pictures, and work in pieces."""

from __future__ import annotations

import fcntl
import importlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from clearer.costs.cost import cost_table
from clearer.errors import InputError
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import append_jsonl, read_json, read_jsonl
from tests.patience import PATIENCE_S
from tests.zoo_material import TINY_QUEUE, make_sets

ROOT = Path(__file__).resolve().parents[2]
Run = Callable[..., tuple[int, str]]
SCRIPT = ROOT / "benchmarks" / "zoo" / "train_queue.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "zoo")
    return importlib.import_module


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_sets(tmp_path / "sets")
    monkeypatch.setenv("CLEARER_DATA", str(folder))
    return folder


def write_queue(folder: Path, iterations: int, *more: str) -> Path:
    path = folder / "queue.toml"
    path.write_text(TINY_QUEUE.format(iterations=iterations) + "".join(more))
    return path


def queue(folder: Path, *words: str) -> list[str]:
    """Arguments of a command that works in a folder."""
    where = ["--queue", str(folder / "queue.toml"), "--runs", str(folder / "zoo-runs")]
    return [sys.executable, str(SCRIPT), *where, *words]


@pytest.fixture
def run(
    script: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Run:
    """Run the queue in a folder; return its exit code and output."""
    monkeypatch.setenv("COLUMNS", "200")

    def call(*words: str) -> tuple[int, str]:
        code = script("train_queue").main(queue(tmp_path, *words)[2:])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def test_recipes(script: Any, sets: Path, tmp_path: Path) -> None:
    recipes = script("recipes")

    def names(recipe: str) -> dict[str, list[str]]:
        folder = recipes.picture_folder(recipe, tmp_path / "made")
        splits = ("train", "val")
        return {s: sorted(path.name for path in (folder / s).iterdir()) for s in splits}

    fair = names("bsds500-fair")
    assert fair["val"] == ["val1.jpg", "val2.jpg"]  # val0 is in BSD68
    assert fair["train"] == ["test0.jpg", "test1.jpg", *(f"train{i}.jpg" for i in range(5))]
    photos = names("photos-fair")
    assert photos["val"] == ["photo11.webp", *fair["val"]]
    assert len(photos["train"]) == 7 + 12
    assert len(names("photos-small")["train"]) == 4
    # What was changed is made again; files that are not links are kept.
    (tmp_path / "made" / "photos-fair" / "train" / "train0.jpg").unlink()
    assert names("photos-fair") == photos
    (tmp_path / "made" / "rain800" / "train").mkdir(parents=True)
    Image.new("RGB", (32, 16)).save(tmp_path / "made" / "rain800" / "train" / "1.png")
    unpacked = tmp_path / "made" / "rain800"
    assert recipes.picture_folder("rain800", tmp_path / "made") == unpacked
    with pytest.raises(InputError, match="'unknown': use one of bsds500-fair"):
        recipes.picture_folder("unknown", tmp_path)
    (sets / "bsd68" / "bsds500_val.txt").unlink()
    with pytest.raises(InputError, match="names 0 pictures, not 68: set CLEARER_DATA to"):
        recipes.picture_folder("bsds500-fair", tmp_path / "other")


def test_the_list_that_is_there_can_be_read(script: Any) -> None:
    pieces = script("pieces")
    entries = pieces.read_queue()
    assert [e.name for e in entries][:2] == ["gray-small", "gray"]
    assert {e.kind for e in entries} == {"training", "search"}
    assert pieces.find("gray-small-taught", "training", entries).options["teacher"] == "gray"
    gray = pieces.find("gray", "training", entries)
    assert gray.options["sigma"] == "0:75"
    space = SearchSpace(**{**gray.space, "columns": tuple(gray.space["columns"])})
    assert space.level_map
    assert cost_table(space, "mb").cost(Architecture.from_text(gray.architecture, space)) < 5
    with pytest.raises(InputError, match="no training 'paper-50'"):
        pieces.find("paper-50", "training", entries)


def test_what_is_true_in_the_list_is_a_switch(run: Run, sets: Path, tmp_path: Path) -> None:
    (tmp_path / "queue.toml").write_text(
        "[[training]]\nname='told'\nwhy=''\ndata='photos-fair'\nfine-tune='gray-25'\n"
        "level-map=true\niterations=1\nbatch-size=1\npatch-size=16\nvalidate-every=1"
    )
    code, said = run("run")
    assert code == 0, said
    settings = read_json(tmp_path / "zoo-runs" / "told" / "config.json")["settings"]
    assert settings["space"]["level_map"]


def test_a_piece_that_was_logged_in_old_words_is_no_other(script: Any, tmp_path: Path) -> None:
    pieces = script("pieces")
    for entry in pieces.read_queue(write_queue(tmp_path, 10)):
        plain = entry.plain
        for part in ("space", "options"):
            old = {"unshuffle": "stem", "stem": "entry"}
            plain[part] = {old.get(key, key): value for key, value in plain[part].items()}
        piece = {"started": "", "seconds": 1.0, "exit_code": 0}
        append_jsonl(pieces.pieces_path(entry.name, tmp_path), {**piece, "entry": plain})
        assert pieces.state_of(entry, tmp_path).text == "begun"
        other = {**plain, "data": "rain800"}
        append_jsonl(pieces.pieces_path(entry.name, tmp_path), {**piece, "entry": other})
        assert "the list has changed" in pieces.state_of(entry, tmp_path).text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[training", "cannot be read"),
        ("[[network]]\nname='a'", "only .*training.* and .*search.* may stand"),
        ("[[training]]\nname='a/b'", "letters, digits and dashes"),
        ("[[training]]\nname='a'\ndata='rain800'", "a lacks why, iterations or minutes"),
        ("[[search]]\nname='a'\nwhy=''\ndata='mine'", "no pictures are known as 'mine'"),
        ("[[training]]\nname='a'\nwhy=''\niterations=1\ndata='rain800'", "fine-tune or archit"),
        (
            "[[training]]\nname='a'\nwhy=''\niterations=1\ndata='rain800'\nfine-tune='x'",
            "no network 'x' comes with clearer",
        ),
        (
            "[[training]]\nname='a'\nwhy=''\niterations=1\ndata='rain800'\narchitecture='P-F'",
            "space and color go with an architecture",
        ),
        (2 * "[[search]]\nname='a'\nwhy=''\ndata='rain800'\n", "names a twice"),
    ],
)
def test_bad_lists_are_refused(script: Any, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "queue.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        script("pieces").read_queue(path)


@pytest.mark.usefixtures("sets")
def test_pieces_until_all_is_done(tmp_path: Path, run: Run) -> None:
    write_queue(tmp_path, 30)
    assert "waiting" in run("status")[1]
    # A piece without any time does one iteration.
    assert run("run", "--minutes", "0.0001", "--pieces", "1")[0] == 0
    runs = tmp_path / "zoo-runs"
    assert read_json(runs / "tiny" / "checkpoint" / "train.json")["state"]["iteration"] == 1
    _, told = run("status")
    assert "1 / 30" in told
    assert "begun" in told
    code, told = run("run", "--minutes", "10")
    assert code == 0, told
    assert "30 of 30" in told
    pieces = read_jsonl(runs / "tiny.pieces.jsonl", dict)
    assert [piece["exit_code"] for piece in pieces] == [0, 0]
    settings = read_json(runs / "tiny" / "config.json")["settings"]
    assert settings["train"]["reduce"] == 2
    assert settings["task"]["sigma"] == "5:50"
    _, told = run("status")
    best = max(line.get("val_psnr_db", 0) for line in read_jsonl(runs / "tiny" / "train.jsonl"))
    assert f"{best:.3f}" in told
    assert "done" in told
    assert run("run") == (0, "")  # nothing is left to do
    write_queue(tmp_path, 31)
    assert "the list has changed" in run("status")[1]


@pytest.mark.usefixtures("sets")
def test_it_stops_at_a_checkpoint(tmp_path: Path, run: Run) -> None:
    write_queue(tmp_path, 100_000)
    process = subprocess.Popen(
        queue(tmp_path, "run", "--minutes", "60"), env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    runs = tmp_path / "zoo-runs"
    try:
        deadline = time.monotonic() + PATIENCE_S
        while len(read_jsonl(runs / "tiny" / "train.jsonl")) < 3 and time.monotonic() < deadline:
            time.sleep(0.1)
        code, told = run("run")
        assert code == 2
        assert "a queue works in" in told
    finally:
        process.send_signal(signal.SIGINT)
        exit_code = process.wait(PATIENCE_S)
    assert exit_code == 130
    checkpoint = runs / "tiny" / "checkpoint" / "train.json"
    stopped = read_json(checkpoint)["state"]["iteration"]
    assert stopped >= read_jsonl(runs / "tiny" / "train.jsonl")[-1]["iteration"] > 0
    assert "begun" in run("status")[1]
    with (runs / ".lock").open("w") as lock:  # no work that holds it is left
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.usefixtures("sets")
def test_a_network_that_fails_does_not_hold_up_the_others(tmp_path: Path, run: Run) -> None:
    bad = TINY_QUEUE.partition("[[search]]")[0].format(iterations=3)
    bad = bad.replace('"tiny"', '"bad"').replace("patch-size = 16", "patch-size = 48")
    path = write_queue(tmp_path, 3)
    path.write_text(bad + path.read_text())
    code, told = run("run")
    assert code == 1
    assert "3 of 3" in told
    told = " ".join(run("status")[1].split())
    assert "failed: error:" in told
    assert "patch" in told
