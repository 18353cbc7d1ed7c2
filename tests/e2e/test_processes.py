"""Two processes that share each batch give what one process gives, up to rounding."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from clearer.cli import app
from clearer.runs.checkpoint import load_checkpoint
from clearer.runs.run import Run
from clearer.searching.race import read_race
from clearer.support.files import read_jsonl
from tests.patience import PATIENCE_S

COMMAND = Path(sys.executable).parent / "clearer"
WORDS = ["--iterations", "10", "--batch-size", "4", "--validate-every", "5"]
WORDS += ["--patch-size", "32", "--precision", "fp32", "--device", "cpu"]
PAPER = ["--strategy", "gradient", "--width", "4", "--columns", "2,2"]
PAPER += ["--search-iterations", "8"]


def alone(data: Path, out: Path, *words: str) -> None:
    """Search in this process."""
    given = ["search", "--data", str(data), "--out", str(out), *WORDS, "--devices", "1", *words]
    done = CliRunner().invoke(app, given)
    assert done.exit_code == 0, done.output


def together(data: Path, out: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Search in two processes."""
    command: list[str | Path] = [COMMAND, "search", "--data", data, "--out", out, *WORDS]
    command += ["--devices", "2", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)


def test_two_machines_learn_as_one_process(
    make_images: Callable[..., Path], tmp_path: Path
) -> None:
    """By torchrun, as docs/processes.md has it; both machines are this one."""
    data = make_images("pictures", 6, size=(64, 64))
    alone(data, tmp_path / "1", *PAPER)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"127.0.0.1:{free.getsockname()[1]}"
    words: list[str | Path] = [COMMAND.with_name("torchrun"), "--nproc-per-node", "1"]
    words += ["--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", endpoint, "--no-python"]
    words += [COMMAND, "search", "--data", data, "--out", tmp_path / "2", *WORDS, *PAPER]
    nodes = [
        subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for _ in range(2)
    ]
    try:
        said = [node.communicate(timeout=PATIENCE_S)[0] for node in nodes]
    finally:
        for node in nodes:
            node.kill()
    assert [node.returncode for node in nodes] == [0, 0], said
    assert sum("with 2 processes" in text for text in said) == 1, said
    for name, fields in (
        ("search.jsonl", ("loss_res", "loss_res_alpha")),
        ("train.jsonl", ("loss", "val_psnr_db")),
    ):
        one, two = (read_jsonl(tmp_path / devices / name) for devices in ("1", "2"))
        assert [r["iteration"] for r in one] == [r["iteration"] for r in two] != []
        for a, b in zip(one, two, strict=True):
            for field in set(fields) & set(a):
                assert b[field] == pytest.approx(a[field], rel=1e-3), (name, field)
    alphas = []
    for devices in ("1", "2"):
        state = load_checkpoint(tmp_path / devices / "checkpoint" / "search.json")
        alphas.append(state["supernet"]["alpha"].numpy().ravel())
    # Adam divides by the gradient's size, so rounding in a column shows in its alpha.
    assert np.corrcoef(alphas)[0, 1] > 0.8


def test_two_processes_race_as_one(make_images: Callable[..., Path], tmp_path: Path) -> None:
    data = make_images("pictures", 6, size=(64, 64))
    words = ["--budget-mb", "0.05", "--contenders", "2", "--search-iterations", "1", "--no-train"]
    alone(data, tmp_path / "1", *words)
    done = together(data, tmp_path / "2", *words)
    assert done.returncode == 0, done.stderr
    one, two = (read_race(Run(tmp_path / devices)) for devices in ("1", "2"))
    assert [architecture for architecture, _ in one] == [architecture for architecture, _ in two]
    for (_, (a,)), (_, (b,)) in zip(one, two, strict=True):
        assert a["iterations"] == b["iterations"] > 1
        assert b["psnr_db"] == pytest.approx(a["psnr_db"], rel=1e-3)
    for devices in ("1", "2"):
        run = Run(tmp_path / devices)
        assert run.settings().space == run.read_architecture().space
        assert not list((run.path / "checkpoint").iterdir())


def test_a_batch_that_cannot_be_shared_is_refused_once(
    make_images: Callable[..., Path], tmp_path: Path
) -> None:
    data = make_images("pictures", 6, size=(64, 64))
    done = together(data, tmp_path / "run", "--batch-size", "3")
    assert done.returncode == 2
    assert done.stderr.count("cannot be shared evenly") == 1
    assert not (tmp_path / "run").exists()
