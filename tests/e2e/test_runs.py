"""The list of runs: what each is, and how far it has come."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from clearer.runs.run import Run
from clearer.runs.run_lock import lock_run
from tests.command import clearer
from tests.photographs import save_photographs
from tests.terminal import run_in_terminal

SHORT = ["--iterations", "30", "--batch-size", "2", "--patch-size", "32", "--precision", "fp32"]
RACE = ["--budget-mb", "0.1", "--contenders", "2", "--search-iterations", "2", *SHORT]
BENCH = ["--size", "48x48", "--runs", "3", "--max-seconds", "0.5", "--backend", "onnxruntime"]
NAME = "denoise-s25-rgb-0.1mb-0"


def listed(*words: object) -> list[dict[str, Any]]:
    result = clearer("runs", *words, "--json")
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.fixture(scope="module")
def benched(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one run that went through all commands, under its default name."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "photos").mkdir()
    names = {"train": ["astronaut", "motorcycle_left", "coffee"], "val": ["chelsea"]}
    save_photographs(folder / "photos", names, "RGB", (64, 48))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        of_search = [*RACE, "--validate-every", 6, "--color", "rgb", "--data", "photos"]
        for words in (["search", *of_search], ["export", "--int8"], ["bench", *BENCH]):
            result = clearer(*words)
            assert result.exit_code == 0, result.output
            (folder / f"{words[0]}.txt").write_text(result.output)
            (folder / f"{words[0]}-notes.txt").write_text(result.stderr)
    return folder


@pytest.fixture
def run(benched: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A copy of the run, in ``runs/`` of the test's working folder."""
    shutil.copytree(benched / "runs", tmp_path / "runs")
    monkeypatch.chdir(tmp_path)
    return Run(Path("runs") / NAME)


def test_a_run_is_listed_with_its_figures(run: Run) -> None:
    (row,) = listed()
    bench = json.loads(run.bench_report.read_text())
    times = [r["latency"]["median_ms"] for r in bench["rows"] if r["kind"] == "ours"]
    _, info = run.load_network()
    assert row == {
        "name": NAME,
        "folder": f"runs/{NAME}",
        "is_newest": True,
        "started": json.loads(run.config.read_text())["environment"]["started"],
        "task": "denoise, sigma 25",
        "color": "rgb",
        "budgets": {"mb": 0.1},
        "architecture": run.read_architecture().label,
        "mb": run.onnx.stat().st_size / 1e6,
        "ms": min(times),
        "psnr_db": info["val_psnr_db"],
        "state": "measured",
        "share": 1.0,
        "is_running": False,
        "problem": None,
    }


def test_each_command_ends_with_the_next(benched: Path) -> None:
    following = {
        "search": f"clearer export runs/{NAME}",
        "export": f"clearer bench runs/{NAME}",
        "bench": f"clearer restore photo.jpg --model runs/{NAME}",
    }
    for command, awaited in following.items():
        assert f"; next: {awaited}\n" in (benched / f"{command}.txt").read_text()


def test_where_no_terminal_listens_there_are_lines_alone(benched: Path) -> None:
    for command in ("search", "export", "bench"):
        notes = (benched / f"{command}-notes.txt").read_text()
        assert not any(letter in notes for letter in "\x1b\r━")
        assert all(notes.splitlines())


def test_bench_says_who_wins(benched: Path) -> None:
    lines = (benched / "bench.txt").read_text().splitlines()
    (line,) = (line for line in lines if " wins" in line)
    assert re.search(r"non-local means \(\d+\.\d\d dB at \d+\.\d ms\)", line)
    assert "clearer unshuffle" in line


def test_search_ends_with_what_more_training_would_give(benched: Path, run: Run) -> None:
    promise = (
        r"estimate from the validation curve: 60 iterations, about a minute, in place of 30 "
        r"would give [+-]\d+\.\d\d dB \([+-]\d+\.\d\d to [+-]\d+\.\d\d\)\n"
    )
    assert re.search(promise, (benched / "search.txt").read_text())
    words = ["--iterations", 10, "--validate-every", 5, "--data", benched / "photos"]
    short = clearer("train", run.path, *words, "--out", "short")
    assert short.exit_code == 0, short.output
    assert "estimate by" not in short.output


def _cut_training(run: Run) -> None:
    run.onnx.unlink()
    lines = run.train_log.read_text().splitlines(keepends=True)
    run.train_log.write_text("".join(line for line in lines if '"iteration": 20,' in line))


def _damage(run: Run) -> None:
    run.config.write_text("{")


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (lambda run: run.bench_report.unlink(), "exported"),
        (lambda run: run.onnx.unlink(), "trained"),
        (_cut_training, "training"),
        (lambda run: (run.onnx.unlink(), run.train_log.unlink()), "searched"),
        (lambda run: run.architecture.unlink(), "search"),
        (_damage, "damaged"),
    ],
)
def test_the_state_says_how_far_a_run_has_come(
    run: Run, change: Callable[[Run], object], state: str
) -> None:
    change(run)
    (row,) = listed()
    assert row["state"] == state
    assert (row["psnr_db"] is None) == (state in ("training", "searched", "search", "damaged"))
    assert (row["problem"] is not None) == (state == "damaged")
    shown = clearer("runs")
    assert shown.exit_code == 0
    assert state in shown.stdout
    if state == "training":
        assert "training 67%" in shown.stdout
    if state == "damaged":
        assert f"{NAME}: runs/{NAME}/config.json" in shown.stderr


def test_a_run_that_is_worked_on_is_marked(run: Run) -> None:
    with lock_run(run.path):
        assert listed()[0]["is_running"]
        assert "measured, running" in clearer("runs").stdout
    (run.path / ".lock-holder").write_text("1 elsewhere\n")  # left by a process that was killed
    assert not listed()[0]["is_running"]


def test_the_newest_comes_first_and_is_marked(run: Run) -> None:
    for name, day in (("a", 1), ("b", 3), ("c", 2)):
        shutil.copytree(run.path, Path("runs") / name)
        config = json.loads(run.config.read_text())
        config["environment"]["started"] = f"2096-01-0{day}T00:00:00+0000"
        (Path("runs") / name / "config.json").write_text(json.dumps(config))
    rows = listed()
    assert [row["name"] for row in rows] == ["b", "c", "a", NAME]
    assert [row["is_newest"] for row in rows] == [True, False, False, False]
    assert Run.newest() == Path("runs/b")
    assert not any(row["is_newest"] for row in listed("runs"))


@pytest.mark.parametrize("columns", [80, 110])
def test_the_table_fits_into_a_terminal(run: Run, columns: int) -> None:
    shown = run_in_terminal(["runs"], Path(), columns=columns)
    assert shown.returncode == 0
    assert NAME in shown.text.replace("\n", " ")
    (row,) = listed()
    for word in (f"{row['psnr_db']:.2f}", "0.1", "measured", f"{row['ms']:#.3g}".rstrip(".")):
        assert word in shown.text.split(), shown.text


def test_without_a_run_it_says_how_to_make_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = clearer("runs")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "clearer search" in result.stderr
    assert listed() == []
    assert clearer("runs", "nowhere").exit_code == 2
