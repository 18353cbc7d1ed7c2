"""A run that is killed again and again, at random moments, ends like one that was not."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from typer.testing import CliRunner

from clearer.cli import app
from clearer.support.files import read_jsonl
from tests.forked import start_forked

KILLS, MOST_KILLS = 10, 60
WORDS = ["--budget-mb", "0.1", "--contenders", "3", "--search-iterations", "2"]
WORDS += ["--iterations", "100", "--batch-size", "2", "--patch-size", "32", "--precision", "fp32"]
WORDS += ["--checkpoint-seconds", "0.05"]
FILES = ("race.json", "architecture.json", "weights.safetensors", "last.safetensors")


def clearer(*words: object) -> int:
    return CliRunner().invoke(app, [str(word) for word in words]).exit_code


def newest(run: Path) -> float:
    """Time at which the newest checkpoint was written."""
    times = [0.0]
    for path in (run / "checkpoint").glob("*.json"):
        with suppress(FileNotFoundError):  # a race that has ended removes its checkpoints
            times.append(path.stat().st_mtime)
    return max(times)


def test_kill_9_ten_times_or_more_at_random_moments(
    make_images: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_images("pictures", 6, size=(64, 64))
    unbroken, run = tmp_path / "unbroken", tmp_path / "killed"
    assert clearer("search", "--data", data, "--out", unbroken, *WORDS) == 0
    rng = np.random.default_rng(0)
    words = ["search", "--data", data, "--out", run, *WORDS]
    seen: set[str] = set()
    for kill in range(MOST_KILLS):
        if kill >= KILLS and "train.json" in seen:  # a slow machine needs longer to get there
            break
        before, child = newest(run), start_forked(clearer, *words)
        while (
            kill > 0 and newest(run) == before and child.is_alive()
        ):  # but the first may come before any work
            time.sleep(0.005)
        time.sleep(rng.uniform(0, 0.25))
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL, f"it ended by itself after {kill} kills"
        seen |= {path.name for path in (run / "checkpoint").glob("*.json")}
        if (run / "config.json").exists():
            words = ["search", "--resume", "--out", run, "--checkpoint-seconds", "0.05"]
    assert "train.json" in seen, "no kill came in the training"
    assert any(name.startswith("race-") for name in seen), "no kill came in the race"
    assert clearer("search", "--resume", "--out", run) == 0
    for name in FILES:
        assert (run / name).read_bytes() == (unbroken / name).read_bytes(), name
    logs = [read_jsonl(folder / "train.jsonl") for folder in (run, unbroken)]
    for record in logs[0] + logs[1]:
        record.pop("iterations_per_s", None)
    assert logs[0] == logs[1]
    assert not list((run / "checkpoint").glob("race-*"))
