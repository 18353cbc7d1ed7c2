"""A machine with only torch and the common packages: all stages work from the source tree."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from clearer.cli import app
from clearer.errors import ClearerError, how_to_install
from clearer.export.fixed_sizes import with_fixed_sizes
from clearer.support.files import read_json
from clearer.support.user_cache import user_cache
from clearer.training.processes import launch

ROOT = Path(__file__).resolve().parents[2]
MISSING = (
    *("imagecodecs", "pooch", "platformdirs", "lightning_fabric", "pywt", "onnxscript", "onnx_ir"),
    *("openvino", "tensorboard", "hypothesis", "bm3d", "playwright"),
)
# Python imports it at startup, also in the processes that a command starts.
SITE = f"""
import sys
for name in {MISSING}:
    sys.modules[name] = None
"""
TINY = ["--budget-mb", "0.05", "--contenders", "2", "--search-iterations", "1"]
TINY += ["--iterations", "4", "--batch-size", "2", "--patch-size", "16", "--precision", "fp32"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pictures, and a module that hides packages."""
    path, rng = tmp_path_factory.mktemp("bare"), np.random.default_rng(0)
    (path / "site").mkdir()
    (path / "site" / "sitecustomize.py").write_text(SITE)
    (path / "photos").mkdir()
    for index in range(4):
        pixels = rng.integers(256, size=(32, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / "photos" / f"{index}.{['png', 'jpg'][index % 2]}")
    return path


def test_every_stage_works(folder: Path) -> None:
    stages = [
        ["search", "--data", "photos", "--sigma", "5:50", "--out", "run", *TINY],
        ["export", "run", "--fp16", "--io", "image"],
        [
            "bench",
            "run",
            "--size",
            "16x24",
            "--runs",
            "3",
            "--backend",
            "torch",
            "--backend",
            "onnxruntime",
        ],
        ["restore", "photos", "--model", "run", "--out", "restored"],
        ["restore", "photos/0.png", "--model", "run/model.onnx", "--out", "again"],
    ]
    code = f"from clearer.cli import app\nfor words in {stages}: app(words, standalone_mode=False)"
    paths = os.pathsep.join([str(folder / "site"), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": paths, "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "non-local means are left out: pywt is needed here" in " ".join(done.stderr.split())
    assert len(read_json(folder / "run" / "bench.json")["rows"]) >= 2
    assert len(list((folder / "restored").iterdir())) == 4


@pytest.mark.parametrize(
    ("package", "extra", "words"),
    [
        ("pooch", "data", ["data", "get", "set12", "--to", "sets"]),
        ("requests", "data", ["data", "get", "set12", "--to", "sets"]),
        ("imagecodecs", None, ["restore", "deep.png", "--model", "rgb"]),
        ("matplotlib", "bench", ["bench", "rgb", "--data", "photos"]),
        (
            "matplotlib",
            "bench",
            ["eval", "rgb", "--data", "photos", "--save-images", "--out", "eval"],
        ),
        ("matplotlib", "bench", ["profile", "--width", "2", "--check", "2"]),
        ("onnxruntime", "cpu", ["search", "--budget-ms", "9", "--out", "run"]),
    ],
)
def test_what_is_missing_is_said_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    package: str,
    extra: str | None,
    words: list[str],
) -> None:
    import imagecodecs

    monkeypatch.chdir(tmp_path)
    deep = np.arange(3 * 16 * 16, dtype=np.uint16).reshape(16, 16, 3)
    Path("deep.png").write_bytes(imagecodecs.png_encode(deep))
    Path("photos").mkdir()
    Image.new("RGB", (32, 32)).save("photos/0.png")
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 1, result.output
    advice = f"pip install {package}" if extra is None else how_to_install(extra)
    assert f"install it with: {advice}" in " ".join(result.stderr.split())
    files = {path.name for path in tmp_path.rglob("*") if path.is_file()}
    assert files == {"deep.png", "0.png"}, "the work began before the package was missed"


def test_the_cache_lies_where_platformdirs_would_put_it(monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    for _ in range(2):
        places.append(user_cache())
        monkeypatch.setitem(sys.modules, "platformdirs", None)
    assert places[0] == places[1]


def test_fixed_sizes_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxscript.ir", None)
    with pytest.raises(ClearerError, match=r"pip install .*\[shapes\]"):
        with_fixed_sizes(b"", (1, 16, 16))


def test_processes_that_train_together_need_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "lightning_fabric", None)
    with pytest.raises(ClearerError, match=r"pip install .*\[distributed\]"):
        launch("cpu", 2, None)
