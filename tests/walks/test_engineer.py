"""An engineer: a limit on milliseconds and megabytes in int8, and the network in a Node app."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from clearer.bench import measured_costs
from clearer.cli import app
from tests.photographs import save_photographs

SIZE = (64, 96)
SHORT = ["--contenders", "2", "--search-iterations", "2", "--iterations", "60"]
SHORT += ["--batch-size", "2", "--patch-size", "32", "--precision", "fp32", "--width", "8"]


def clearer(*words: object) -> Any:
    """The JSON output of a command."""
    done = CliRunner().invoke(app, [*(str(word) for word in words), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def photos(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Her pictures. Times are short, and any machine meets the limit."""
    monkeypatch.setattr(measured_costs, "_QUICK_SECONDS", 0.05)
    monkeypatch.setattr(measured_costs, "_CHECK_SECONDS", 0.2)
    (folder / "photos").mkdir()
    names = {"train": ["astronaut", "coins", "motorcycle_left"], "val": ["camera"]}
    return save_photographs(folder / "photos", names, "L", (SIZE[1], SIZE[0]))


def test_from_a_budget_to_a_picture_that_node_restored(
    photos: Path, folder: Path, node_example: Path
) -> None:
    limits = ["--budget-ms", 5000, "--budget-mb", 0.06, "--budget-precision", "int8"]
    size = ["--size", f"{SIZE[0]}x{SIZE[1]}"]
    clearer("search", "--data", photos, *limits, *size, *SHORT, "--out", "run")
    found = clearer("show", "run")
    assert all(0 < budget["measured"] <= budget["limit"] for budget in found["budgets"])
    sizes = found["sizes_mb"]
    assert sizes["int8"] <= 0.06 < sizes["fp32"]  # in fp32 it would not have fit

    exported = clearer("export", "run", "--int8", "--io", "image")
    kept = {budget["metric"]: budget for budget in exported["budgets"]}
    assert kept["mb"]["file"] == "model.int8.onnx"
    assert kept["mb"]["measured"] == (folder / "run/model.int8.onnx").stat().st_size / 1e6 <= 0.06

    clean = np.asarray(Image.open(photos / "val" / "camera.png"))
    noise = np.random.default_rng(0).normal(scale=25, size=clean.shape)
    Image.fromarray((clean + noise).round().clip(0, 255).astype(np.uint8)).save("noisy.png")
    results = []
    for model in ("model.int8.onnx", "model.int8.image.onnx"):
        target = folder / f"{model}.png"
        words: list[str | Path] = [
            "node",
            "restore.mjs",
            folder / "run" / model,
            folder / "noisy.png",
            target,
        ]
        done = subprocess.run(words, cwd=node_example, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        results.append(np.asarray(Image.open(target)).astype(int))
    assert results[0].shape == clean.shape
    assert np.abs(results[0] - results[1]).max() <= 1
    assert np.mean((results[0] - clean) ** 2) < 0.7 * np.mean(noise**2)
