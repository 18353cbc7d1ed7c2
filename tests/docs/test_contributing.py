"""What CONTRIBUTING says about new tasks, operations and backends is true."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from PIL import Image

from clearer.bench.backends import BACKENDS
from clearer.bench.rows import RowSpec, open_runner
from clearer.bench.targets import choose_backends
from clearer.export.metadata import model_metadata
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import read_json
from tests.command import clearer
from tests.docs.pages import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
WITH_IT = """
import deblur, json, sys, clearer.tasks.registry as registry
registry.TASKS["deblur"] = deblur.Deblur
from clearer.cli import app
from typer.testing import CliRunner
done = [CliRunner().invoke(app, words) for words in json.loads(sys.argv[1])]
print(json.dumps([(result.exit_code, result.output) for result in done]))
"""
TINY = ["--width", "2", "--search-iterations", "2", "--iterations", "2", "--batch-size", "2"]
TINY += ["--patch-size", "16", "--precision", "fp32", "--unshuffle", "2", "--columns", "1,1"]


def section(title: str) -> str:
    """The text from its heading to the next one."""
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


def code_of(what: str) -> str:
    """The file that a walk-through writes."""
    text = section(f"A new {what}, step by step")
    found = re.search(r"^    ```python\n(.*?)^    ```$", text, re.M | re.S)
    assert found is not None
    return textwrap.dedent(found[1])


def module_of(what: str, folder: Path) -> ModuleType:
    """The same file, imported."""
    path = folder / f"new_{what}.py"
    path.write_text(code_of(what))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_new_task_works(make_images: Callable[..., Path], tmp_path: Path) -> None:
    """Run in a new process: options are created when the command loads."""
    make_images("photos", 4, size=(48, 48))
    (tmp_path / "deblur.py").write_text(code_of("task"))
    search = ["search", "--data", "photos", "--out", "run", *TINY, "--task", "deblur", "--blur"]
    done = subprocess.run(
        [sys.executable, "-c", WITH_IT, json.dumps([["tasks"], [*search, "9"], [*search, "1:2"]])],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    (_, tasks), (refused, _), (code, said) = json.loads(done.stdout)
    assert "--blur" in tasks
    assert refused == 2
    assert code == 0, said
    assert "deblur, blur 1:2, protocol blur" in said
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert read_json(tmp_path / "run" / "config.json")["settings"]["task"]["blur"] == "1:2"


def test_the_new_operation_works(
    make_images: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is searched, frozen, trained, drawn, and exported, which compares the file with torch."""
    monkeypatch.setitem(OPERATIONS, "single", module_of("operation", tmp_path).Single())
    data, run = make_images("photos", 4, size=(48, 48)), tmp_path / "run"
    words = ["search", "--data", data, "--out", run, *TINY, "--preset", "paper"]
    # Too few parameters for any residual block.
    words += ["--operations", "parallel,single", "--budget-params", "1998"]
    done = clearer(*words)
    assert done.exit_code == 0, done.output
    assert read_json(run / "architecture.json")["choices"] == "S-S"
    assert "< > a 3x3 convolution" in clearer("show", run).output
    done = clearer("export", run)
    assert done.exit_code == 0, done.output
    assert (run / "model.onnx").is_file()


def test_the_new_backend_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It restores and measures like ONNX Runtime, times networks, and is named in messages."""
    monkeypatch.setitem(BACKENDS, "reference", module_of("backend", tmp_path).Reference())
    torch.manual_seed(0)
    network = RestorationNet(Architecture.from_text("P", SearchSpace(width=2, columns=(1,)))).eval()
    model, picture = tmp_path / "model.onnx", tmp_path / "picture.png"
    model.write_bytes(to_onnx(network, model_metadata(network.architecture, {})))
    pixels = np.random.default_rng(0).integers(256, size=(21, 18), dtype=np.uint8)
    Image.fromarray(pixels).save(picture)
    for name in ("reference", "onnxruntime"):
        words = ["restore", picture, "--model", model, "--backend", name, "--out", tmp_path / name]
        done = clearer(*words)
        assert done.exit_code == 0, done.output
    restored = [
        np.asarray(Image.open(tmp_path / name / "picture.png"), dtype=int)
        for name in ("reference", "onnxruntime")
    ]
    assert np.abs(restored[0] - restored[1]).max() <= 1
    assert np.abs(restored[0] - pixels).max() > 1

    assert choose_backends(["reference"]) == (["reference"], [])
    spec = RowSpec(
        name="x",
        kind="other",
        backend="reference",
        path=str(model),
        source="",
        channels=1,
        height=21,
        width=18,
        threads=1,
    )
    batch = np.random.default_rng(1).random((1, 1, 21, 18), dtype=np.float32)
    expected = open_runner(replace(spec, backend="onnxruntime"))(batch)
    runner = open_runner(spec)
    np.testing.assert_allclose(runner(batch), expected, atol=1e-5)
    assert runner.info.precision == "fp32"

    words = ["profile", "--backend", "reference", "--width", 2, "--columns", 1, "--size", "8x8"]
    done = clearer(*words, "--seconds", 0.1, "--out", tmp_path / "cost.json")
    assert done.exit_code == 0, done.output
    assert read_json(tmp_path / "cost.json")["measurement"]["backend"] == "reference"
    refused = clearer("profile", "--backend", "tvm")
    assert refused.exit_code == 2
    assert "unknown --backend tvm: use one of torch, torch-cuda" in refused.output
    assert "reference" in refused.output
