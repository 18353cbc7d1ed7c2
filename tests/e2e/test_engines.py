"""``clearer export`` with engines, as a user types it."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import onnx
import pytest

from clearer.errors import how_to_install
from clearer.export.engine_record import read_engine
from tests.command import clearer, searched
from tests.photographs import save_photographs

TINY = ["--width", "2", "--unshuffle", "2", "--columns", "1,1", "--search-iterations", "2"]
TINY += ["--iterations", "10", "--batch-size", "2"]
TINY += ["--patch-size", "32", "--precision", "fp32"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {"train": ["astronaut", "coins", "brick"], "val": ["camera"]}
    photos = save_photographs(tmp_path_factory.mktemp("photos"), names, "L", (48, 40))
    return searched(tmp_path_factory.mktemp("runs") / "run", photos, *TINY)


def test_what_can_be_built_is_built_and_what_is_missing_is_named(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without TensorRT, the ONNX file and the RTX engine are made; a line says what is missing."""
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    words = ["--trt", "--trt-rtx", "--trt-profile", "1x16x16,1x64x64,2x96x96", "--json"]
    result = clearer("export", trained, *words)
    assert result.exit_code == 1
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("error: ")]
    assert "the TensorRT library is missing" in line
    assert how_to_install("trt") in line
    onnx.checker.check_model(trained / "model.onnx", full_check=True)
    report = json.loads(result.stdout)
    assert [row["file"] for row in report["files"]] == ["model.onnx"]
    if importlib.util.find_spec("tensorrt_rtx") is None:
        assert "the TensorRT-RTX library is missing" in line
        pytest.skip('the rest needs pip install "clearer[trt-rtx]"')
    (engine,) = report["engines"]
    assert (engine["file"], engine["precision"]) == ("model.rtx.engine", "fp32")
    _, record = read_engine(trained / "model.rtx.engine")
    assert record["onnx_sha256"] == report["files"][0]["sha256"]["model.onnx"]
    assert record["profile"] == "1x16x16,1x64x64,2x96x96"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--trt-profile", "1x16x16,1x64x64,2x96x96"], "--trt"),
        (["--trt-rtx", "--trt-profile", "64,512,1088"], "NxHxW"),
    ],
)
def test_bad_profiles_are_refused_before_the_export(
    trained: Path, words: list[str], message: str
) -> None:
    before = {path.name for path in trained.iterdir()}
    result = clearer("export", trained, *words)
    assert result.exit_code == 2
    assert message in result.stderr
    assert {path.name for path in trained.iterdir()} == before
