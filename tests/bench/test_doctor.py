from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import onnxruntime
import pytest
import torch
from typer.testing import CliRunner, Result

from clearer.bench import doctor
from clearer.bench.doctor import Finding, examine
from clearer.cli import app
from clearer.errors import how_to_install


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["doctor", *words])


def found(part: str) -> Finding:
    (finding,) = [finding for finding in examine() if finding.part == part]
    return finding


def test_this_machine() -> None:
    result = run("--json")
    assert result.exit_code == 0, result.output
    rows: list[dict[str, Any]] = json.loads(result.stdout)
    by_part = {row["part"]: row for row in rows}
    assert by_part["torch"]["found"].startswith(torch.__version__)
    assert by_part["ONNX Runtime"]["found"] == onnxruntime.__version__
    assert by_part["ONNX Runtime, CPU"] == {
        "part": "ONNX Runtime, CPU",
        "state": "ok",
        "found": "starts",
        "advice": "",
    }
    assert {"NVIDIA GPU", "TensorRT", "TensorRT-RTX", "OpenVINO"} <= set(by_part)
    assert all(row["advice"] for row in rows if row["state"] != "ok")
    assert not any(row["advice"] for row in rows if row["state"] == "ok")
    assert (by_part["torch, CUDA"]["state"] == "ok") == torch.cuda.is_available()


def test_the_table_names_every_part() -> None:
    result = run()
    assert result.exit_code == 0, result.output
    for part in ("Python", "torch", "ONNX Runtime, CPU", "TensorRT-RTX", "NVIDIA GPU"):
        assert part in result.stdout


def test_two_onnx_runtimes_that_overwrite_each_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second package claims to own the module, as pip leaves it."""
    for name in ("onnxruntime", "onnxruntime-gpu"):
        folder = tmp_path / f"{name.replace('-', '_')}-9.0.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 9.0\n")
        (folder / "top_level.txt").write_text("onnxruntime\n")
    monkeypatch.syspath_prepend(tmp_path)
    result = run()
    assert result.exit_code == 1
    assert "broken: ONNX Runtime" in result.stderr
    finding = found("ONNX Runtime")
    assert "onnxruntime and onnxruntime-gpu are both installed" in finding.found
    assert "pip uninstall onnxruntime onnxruntime-gpu" in finding.advice
    assert "[gpu]" in finding.advice


def test_a_provider_that_is_listed_but_cannot_start(monkeypatch: pytest.MonkeyPatch) -> None:
    if "AzureExecutionProvider" not in onnxruntime.get_available_providers():
        pytest.skip("this ONNX Runtime lists no provider that cannot start")
    monkeypatch.setattr(doctor, "_REMOTE_PROVIDERS", set())
    finding = found("ONNX Runtime, Azure")
    assert finding.state == "absent"
    assert finding.found.startswith("listed, but does not start")
    assert "falls back to the CPU silently" in finding.advice


def test_a_package_that_is_there_but_damaged(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tensorrt.py").write_text("raise OSError('libnvinfer.so.11: no such file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tensorrt", raising=False)
    finding = found("TensorRT")
    assert finding.state == "broken"
    assert "libnvinfer.so.11" in finding.found
    assert run().exit_code == 1


def test_what_is_not_installed_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    real = importlib.util.find_spec

    def hide(name: str, package: str | None = None) -> Any:
        return None if name == "openvino" else real(name, package)

    monkeypatch.setattr("importlib.util.find_spec", hide)
    finding = found("OpenVINO")
    assert (finding.state, finding.advice) == ("absent", how_to_install("openvino"))
    assert run().exit_code == 0
