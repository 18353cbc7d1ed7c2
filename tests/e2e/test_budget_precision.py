"""``--budget-precision`` as a user types it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from clearer.cli import app

FAST = ["--search-iterations", "2", "--iterations", "2", "--batch-size", "2", "--no-train"]
FAST += ["--patch-size", "16", "--precision", "fp32", "--size", "24x24", "--data", "photos"]
SPACE = ["--width", "8", "--columns", "1,1"]


def clearer(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "150"})


@pytest.fixture(autouse=True)
def with_photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("photos").mkdir()
    rng = np.random.default_rng(0)
    for index in range(4):
        pixels = rng.integers(256, size=(32, 40), dtype=np.uint8)
        Image.fromarray(pixels).save(f"photos/{index}.png")


def read(path: str) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(Path(path).read_text())
    return data


def test_a_budget_for_the_int8_file_from_search_to_export() -> None:
    words = ["--budget-mb", "0.15", "--budget-precision", "int8", "--out", "run"]
    result = clearer("search", *FAST, *SPACE, *words)
    assert result.exit_code == 0, result.output
    assert "at most 0.150 MB (int8)" in result.stderr
    assert read("run/config.json")["settings"]["budget_precision"] == "int8"
    decision = read("run/architecture.json")
    (budget,) = decision["budgets"]
    assert decision["budget_precision"] == "int8"
    assert decision["sizes_mb"]["int8"] == budget["measured"] <= 0.15 < decision["sizes_mb"]["fp32"]

    shown = clearer("show", "run")
    assert "MB (int8): predicted" in shown.stderr
    assert f"int8 {budget['measured']:.4g} MB" in shown.stderr

    exported = clearer("export", "run", "--untrained")
    assert exported.exit_code == 0, exported.output
    note = "--budget-mb 0.15 is for model.int8.onnx: make it with clearer export --int8"
    assert note in exported.stderr
    row = {"metric": "mb", "limit": 0.15, "measured": None, "file": "model.int8.onnx"}
    assert read("run/export.json")["budgets"] == [row]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--budget-precision", "int8"], "give one of them"),
        (["--budget-precision", "fp16", "--budget-params", "1e6"], "--budget-mb and --budget-ms"),
        (
            [*SPACE, "--budget-precision", "int8", "--budget-ms", "50"],
            "--budget-ms with --budget-precision int8 is for --strategy race",
        ),
        (
            ["--width", "16", "--columns", "1,1", "--budget-mb", "0.18"],
            "raise --budget-mb; --budget-precision int8 would fit: about 0.1",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(words: list[str], message: str) -> None:
    result = clearer("search", *FAST, *words, "--out", "run")
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not Path("run").exists()
