"""The batch file for SLURM, with processes started as its srun does."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clearer.support.files import read_json, read_jsonl
from tests.docs.pages import ROOT

BATCH = ROOT / "examples" / "slurm" / "search.sbatch"
SRUN = f"""#!{sys.executable}
import os, subprocess, sys
nodes, tasks = int(os.environ["SLURM_NNODES"]), int(os.environ["SLURM_NTASKS_PER_NODE"])
processes = []
for rank in range(nodes * tasks):
    own = {{"PROCID": rank, "LOCALID": rank % tasks, "NODEID": rank // tasks, "STEP_ID": 0}}
    own |= {{"NTASKS": nodes * tasks, "STEP_NUM_NODES": nodes}}
    variables = {{f"SLURM_{{name}}": str(value) for name, value in own.items()}}
    processes.append(subprocess.Popen(sys.argv[1:], env=os.environ | variables))
sys.exit(max(process.wait() for process in processes))
"""
"""A stand-in for SLURM's command, with this machine as every node."""
TINY = ["--width", "4", "--unshuffle", "2", "--columns", "1,1", "--search-iterations", "2"]
TINY += ["--iterations", "4", "--batch-size", "4", "--patch-size", "32", "--precision", "fp32"]
TINY += ["--validate-every", "2", "--strategy", "gradient", "--device", "cpu"]


def test_the_batch_file_begins_and_goes_on(
    make_images: Callable[..., Path], tmp_path: Path
) -> None:
    data, programs = make_images("pictures", 6, size=(64, 64)), tmp_path / "programs"
    programs.mkdir()
    (programs / "srun").write_text(SRUN)
    (programs / "srun").chmod(0o755)
    (programs / "clearer").symlink_to(Path(sys.executable).parent / "clearer")
    environment = os.environ | {"PATH": f"{programs}:{os.environ['PATH']}"}
    for name, value in (
        *(("JOB_ID", str(os.getpid())), ("JOB_NAME", "clearer")),
        *(
            ("NNODES", "2"),
            ("NTASKS_PER_NODE", "1"),
        ),  # set by sbatch, for --nodes and the other option
        *(("NODELIST", "127.0.0.1"), ("JOB_NODELIST", "127.0.0.1")),
    ):
        environment[f"SLURM_{name}"] = value
    run = tmp_path / "run"
    words = ["bash", str(BATCH), str(run), "--data", str(data), *TINY]

    def submit(*more: str) -> None:
        done = subprocess.run([*words, *more], env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert "with 2 processes" in done.stdout + done.stderr

    submit("--minutes-now", "0.0001")
    assert read_json(run / "config.json")
    assert not (run / "architecture.json").exists()
    submit()
    assert read_jsonl(run / "train.jsonl")[-1]["iteration"] == 4
    assert (run / "weights.safetensors").is_file()


@pytest.mark.parametrize("word", ["nodes", "ntasks-per-node", "gres", "time", "signal"])
def test_the_batch_file_asks_for_all_that_it_needs(word: str) -> None:
    assert f"#SBATCH --{word}=" in BATCH.read_text()
