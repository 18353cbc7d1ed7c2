"""``clearer export``, and ``clearer show`` of what it wrote, as users type them."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

import clearer.export.export
from clearer.cli import app
from clearer.costs.budget import Budget
from clearer.export.artefact import Artefact
from clearer.export.metadata import read_model_info
from clearer.export.openvino import OpenVinoSession
from clearer.export.parity import LIMITS, Check, Reference, check_artefact
from clearer.networks.network import load_network, save_network
from clearer.runs.run import Run
from clearer.space.space import Architecture
from clearer.support.files import write_json
from clearer.tasks.denoise import Denoise
from tests.export.test_parity import SPACE, settings

FILES: dict[str, tuple[str, str, list[int] | None]] = {
    "model.onnx": ("fp32", "tensor", None),
    "model.image.onnx": ("fp32", "image", None),
    "model.2x16x24.onnx": ("fp32", "tensor", [2, 16, 24]),
    "model.image.2x16x24.onnx": ("fp32", "image", [2, 16, 24]),
    "model.fp16.onnx": ("fp16", "tensor", None),
    "model.fp16.image.onnx": ("fp16", "image", None),
    "model.fp16.2x16x24.onnx": ("fp16", "tensor", [2, 16, 24]),
    "model.fp16.image.2x16x24.onnx": ("fp16", "image", [2, 16, 24]),
    "model.pt2": ("fp32", "tensor", None),
}


def clearer_(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words], env={"COLUMNS": "150"})


@pytest.fixture(scope="module")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the smallest architecture, under a budget, before training."""
    folder = tmp_path_factory.mktemp("export")
    rng = np.random.default_rng(0)
    (folder / "pictures").mkdir()
    for index in range(4):
        ramp = np.linspace(0, 255, 40 + index)[:, None] + rng.normal(0, 3, (1, 48))
        Image.fromarray(ramp.clip(0, 255).astype(np.uint8)).save(folder / f"pictures/{index}.png")
    limit = (Budget(metric="mb", limit=0.1),)
    run = Run.create(
        folder / "run", replace(settings(Denoise(), folder / "pictures"), budgets=limit)
    )
    write_json(run.architecture, Architecture.from_text("F", SPACE).to_dict())
    return run.path


@pytest.fixture(scope="module")
def trained(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("trained") / "run"
    shutil.copytree(untrained, run)
    result = clearer_("train", run, "--json")
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture(scope="module")
def exported(trained: Path) -> Path:
    words = ["--fp16", "--io", "image", "--shapes", "2x16x24", "--torch"]
    result = clearer_("export", trained, *words)
    assert result.exit_code == 0, result.output
    for name in FILES:
        assert name in result.stdout.replace("\n", "")
    return trained


def report(run: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((run / "export.json").read_text())
    return data


@pytest.fixture
def copied(exported: Path, tmp_path: Path) -> Path:
    """The exported run, to be changed."""
    return Path(shutil.copytree(exported, tmp_path / "run"))


def test_every_file_is_whole_and_reported(exported: Path) -> None:
    assert {path.name for path in exported.glob("model.*")} == set(FILES)
    rows = {row["file"]: row for row in report(exported)["files"]}
    assert set(rows) == set(FILES)
    for name, (precision, io, shape) in FILES.items():
        row = rows[name]
        assert (row["precision"], row["io"], row["shape"]) == (precision, io, shape)
        assert row["bytes"] == (exported / name).stat().st_size
        check = row["check"]
        assert check["passed"]
        assert abs(check["psnr_change_db"]) < 0.01
        assert check["psnr_torch_db"] > 15
        if name.endswith(".onnx"):
            onnx.checker.check_model(exported / name, full_check=True)
            info = read_model_info(exported / name)
            assert (info.precision, info.io, info.is_trained) == (precision, io, True)
            assert info.shape == (tuple(shape) if shape else (None, None, None))
            assert info.task == Denoise()
    (budget,) = report(exported)["budgets"]
    assert budget["measured"] == rows["model.onnx"]["bytes"] / 1e6 <= budget["limit"]


def test_the_files_run(exported: Path) -> None:
    planes = np.random.default_rng(0).random((2, 1, 16, 24), dtype=np.float32)
    pixels = np.rint(planes * 255).astype(np.uint8).transpose(0, 2, 3, 1)
    results = []
    for name, (_, io, _) in FILES.items():
        if name.endswith(".pt2"):
            program = torch.export.load(exported / name).module()
            results.append(program(torch.from_numpy(planes)).numpy())
            continue
        session = onnxruntime.InferenceSession(exported / name, providers=["CPUExecutionProvider"])
        (result,) = session.run(None, {"input": planes if io == "tensor" else pixels})
        if io == "image":
            assert result.dtype == np.uint8
            result = result.transpose(0, 3, 1, 2) / np.float32(255)
        results.append(result)
    for result in results:
        np.testing.assert_allclose(result.clip(0, 1), results[0].clip(0, 1), atol=0.02)


def test_show_prints_what_a_file_says(exported: Path) -> None:
    result = clearer_("show", exported / "model.fp16.image.onnx")
    assert result.exit_code == 0, result.output
    text = " ".join(result.stdout.split())
    for word in (
        "denoise sigma 25",
        "8-bit pictures",
        "fp16",
        "pictures",
        "val_psnr_db",
        "trained",
    ):
        assert word in text
    result = clearer_("show", exported / "model.onnx", "--json")
    row = json.loads(result.stdout)
    assert row["task"]["sigma"] == "25"
    assert row["architecture"]["choices"] == "F"
    assert clearer_("show", exported / "model.onnx", "--front").exit_code == 2


def test_eval_reads_the_task_of_a_file(exported: Path, tmp_path: Path) -> None:
    data = Run(exported).settings().data
    result = clearer_("eval", exported / "model.onnx", "--data", data, "--out", tmp_path, "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["task"]["sigma"] == "25"


def test_a_later_export_keeps_what_still_holds(copied: Path) -> None:
    (copied / "model.pt2").unlink()
    (copied / "model.fp16.onnx").write_bytes(b"changed")
    assert clearer_("export", copied).exit_code == 0
    names = {row["file"] for row in report(copied)["files"]}
    assert names == set(FILES) - {"model.pt2", "model.fp16.onnx"}
    assert report(copied)["outdated"] == []
    # With other weights, only what was made from them is reported, and the rest is named.
    network, info = load_network(copied / "last.safetensors")
    with torch.no_grad():
        network.output.head.weight.mul_(1 + 1e-6)
    save_network(copied / "weights.safetensors", network.architecture, network.state_dict(), info)
    result = clearer_("export", copied)
    assert result.exit_code == 0, result.output
    assert [row["file"] for row in report(copied)["files"]] == ["model.onnx"]
    assert "model.image.onnx" in result.stderr
    assert "of earlier weights" in result.stderr


def test_a_file_that_fails_is_not_put_in_place(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in copied.glob("model.*"):
        path.unlink()
    strict = {**LIMITS, "fp16": replace(LIMITS["fp16"], max_abs=1e-9)}
    monkeypatch.setattr("clearer.export.parity.LIMITS", strict)
    result = clearer_("export", copied, "--fp16", "--force", "--json")
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert "model.fp16.onnx failed: it differs from torch by" in line
    assert "kept as model.fp16.failed.onnx" in line
    assert {path.name for path in copied.glob("model.*")} == {
        "model.onnx",
        "model.fp16.failed.onnx",
    }
    assert json.loads(result.stdout) == {**report(copied), "engines": []}
    passed = {row["file"]: row["check"]["passed"] for row in report(copied)["files"]}
    assert passed == {"model.onnx": True, "model.fp16.onnx": False}


def test_int8_and_openvino(copied: Path) -> None:
    result = clearer_("export", copied, "--int8", "--openvino")
    assert result.exit_code == 0, result.output
    rows = {row["file"]: row for row in report(copied)["files"]}
    made = {"model.int8.onnx": "cpu", "model.int8.trt.onnx": "tensorrt"}
    for name, flavour in made.items():
        assert rows[name]["precision"] == "int8"
        assert rows[name]["quantization"]["flavour"] == flavour
        assert rows[name]["check"]["psnr_change_db"] >= -LIMITS["int8"].psnr_drop_db
        assert read_model_info(copied / name).precision == "int8"
        assert f"{name}: calibrated by" in result.stderr
    for name, precision in (("model", "fp32, fp16 weights"), ("model.int8", "int8")):
        row = rows[f"{name}.xml"]
        assert row["precision"] == precision
        assert set(row["sha256"]) == {f"{name}.xml", f"{name}.bin"}
        image = np.random.default_rng(0).random((1, 1, 17, 19), dtype=np.float32)
        restored = OpenVinoSession(copied / f"{name}.xml", "f32", 1)(image)
        assert restored.shape == image.shape


def test_bench_gives_openvino_its_own_int8_file(copied: Path) -> None:
    assert clearer_("export", copied, "--int8", "--openvino").exit_code == 0
    words = ["--backend", "openvino", "--runs", "3", "--size", "32x32", "--no-classical"]
    result = clearer_("bench", copied, *words, "--batch", "0", "--json")
    assert result.exit_code == 0, result.output
    found = {row["source"]: row for row in json.loads(result.stdout)["rows"]}
    assert set(found) == {"model.onnx", "model.int8.xml"}
    row = found["model.int8.xml"]
    assert row["precision"].startswith("int8")
    files = [copied / f"model.int8.{ending}" for ending in ("xml", "bin")]
    assert row["file_bytes"] == sum(path.stat().st_size for path in files)
    (copied / "export.json").unlink()  # nothing says any more of which weights the file is
    found = json.loads(clearer_("bench", copied, *words, "--batch", "0", "--json").stdout)
    assert {row["source"] for row in found["rows"]} == {"model.onnx", "model.int8.onnx"}


def test_ctrl_c_between_files_leaves_whole_ones(
    copied: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = (copied / "model.image.onnx").read_bytes()

    def check(artefact: Artefact, reference: Reference) -> Check:
        if artefact.io == "image":
            raise KeyboardInterrupt
        return check_artefact(artefact, reference)

    monkeypatch.setattr(clearer.export.export, "check_artefact", check)
    result = clearer_("export", copied, "--io", "image", "--shapes", "1x8x8")
    assert result.exit_code == 130
    assert "whole and checked" in result.stderr
    assert (copied / "model.image.onnx").read_bytes() == before
    assert not list(copied.glob(".model*"))
    assert "model.onnx" in {row["file"] for row in report(copied)["files"]}


@pytest.fixture
def small_files() -> Iterator[None]:
    """Limit files to 4 kB, as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    previous = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    signal.signal(signal.SIGXFSZ, previous)


@pytest.mark.usefixtures("small_files")
def test_a_full_disk_is_one_line_and_leaves_older_files(exported: Path) -> None:
    before = {path.name: path.read_bytes() for path in exported.iterdir() if path.is_file()}
    result = clearer_("export", exported)
    assert result.exit_code == 1
    (line,) = result.stderr.strip().splitlines()
    assert "no space left to write" in line
    after = {path.name: path.read_bytes() for path in exported.iterdir() if path.is_file()}
    assert after == before


def test_a_network_that_was_never_trained(untrained: Path) -> None:
    result = clearer_("export", untrained)
    assert result.exit_code == 2
    assert "--untrained" in result.stderr
    assert not list(untrained.glob("model*"))
    result = clearer_("export", untrained, "--untrained")
    assert result.exit_code == 0, result.output
    assert "warning: these weights have never been trained" in result.stderr
    assert read_model_info(untrained / "model.onnx").is_trained is False
    assert "never trained" in clearer_("show", untrained / "model.onnx").stdout


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--opset", "11"], "--opset 11 cannot be written: it must lie in 15..25"),
        (["--opset", "99"], "--opset 99 cannot be written"),
        (["--opset", "x"], "Invalid value"),
        (["--shapes", "256x256"], "is not BATCHxHEIGHTxWIDTH"),
        (["--shapes", "1x0x8"], "each side must be above 0"),
        (["--shapes", "1x-8x8"], "is not BATCHxHEIGHTxWIDTH"),
        (["--shapes", "axbxc"], "is not BATCHxHEIGHTxWIDTH"),
        (["--shapes", ""], "is not BATCHxHEIGHTxWIDTH"),
        (["--shapes", "1x99999x99999"], "all pixels together"),
        (["--shapes", "1x8x8," * 20], "at most 16 sizes"),
        (["--io", "sound"], "Invalid value"),
        (["--untrained"], "has been trained: leave out --untrained"),
    ],
)
def test_bad_options_end_with_2_before_any_work(
    trained: Path, words: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work(*_: object, **__: object) -> None:
        raise AssertionError("work was begun")

    monkeypatch.setattr("clearer.export.artefacts.to_onnx", work)
    result = clearer_("export", trained, *words)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())


@pytest.mark.parametrize("command", ["show", "eval"])
@pytest.mark.parametrize(
    "content", [b"", b"\x00\xff not a model \x1b[31m", None], ids=["empty", "bytes", "missing"]
)
def test_files_that_are_no_network(command: str, content: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    if content is not None:
        path.write_bytes(content)
    words = ["--data", tmp_path] if command == "eval" else []
    result = clearer_(command, path, *words)
    assert result.exit_code == 2
    assert "model.onnx" in result.stderr
    assert "\x1b[31m" not in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_show_prints_no_control_characters(exported: Path, tmp_path: Path) -> None:
    model = onnx.load(exported / "model.onnx")
    for entry in model.metadata_props:
        if entry.key == "training_data":
            entry.value = "pictures\x1b[31m\x07"
    onnx.save(model, tmp_path / "red.onnx")
    for words in ([], ["--json"]):
        result = clearer_("show", tmp_path / "red.onnx", *words)
        assert result.exit_code == 0
        assert "\x1b[31m" not in result.stdout
        assert "\x07" not in result.stdout


def test_a_budget_that_the_file_exceeds(copied: Path) -> None:
    before = (copied / "model.onnx").read_bytes()
    config = json.loads((copied / "config.json").read_text())
    config["settings"]["budgets"][0]["limit"] = 0.001
    (copied / "config.json").write_text(json.dumps(config))
    result = clearer_("export", copied)
    assert result.exit_code == 1
    assert "over --budget-mb 0.001" in result.stderr
    assert (copied / "model.onnx").read_bytes() == before
