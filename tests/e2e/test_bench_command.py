"""``clearer bench`` as a user types it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clearer.bench.measure import Timings, time_rounds
from clearer.bench.memory import peak_memory_mb
from clearer.bench.rows import RowSpec
from clearer.costs.cost import CostTable, Measurement
from clearer.costs.cost_file import write_cost_table
from clearer.runs.run import Run
from clearer.support.device import device_name
from tests.bench import tiny_onnx
from tests.command import clearer

MakeImages = Callable[..., Path]
QUICK = ["--size", "32x40", "--runs", "3", "--batch", "2", "--max-seconds", "2"]
TINY = ["--budget-mb", "0.1", "--contenders", "2", "--search-iterations", "2"]
TINY += ["--iterations", "12", "--batch-size", "2"]
TINY += ["--patch-size", "32", "--precision", "fp32"]


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Smooth pictures, in which a blur beats noise."""
    folder = tmp_path_factory.mktemp("data") / "waves"
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        (folder / split).mkdir(parents=True)
        for index in range(count):
            rows, columns = np.mgrid[:64, :72] / (5 + index)
            waves = 127 + 60 * np.sin(rows) + 60 * np.cos(columns)
            Image.fromarray(waves.astype(np.uint8)).save(folder / split / f"{index}.png")
    return folder


@pytest.fixture(scope="module")
def trained(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "run"
    result = clearer("search", *TINY, "--data", pictures, "--out", run)
    assert result.exit_code == 0, result.output
    assert clearer("export", run).exit_code == 0
    return run


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    return shutil.copytree(trained, tmp_path / "run")


@pytest.fixture
def lean(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skip the process that measures a row's memory, and pictures: another test covers both."""
    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", lambda spec: None)
    monkeypatch.setattr("clearer.bench.bench.write_strips", lambda *arguments: [])
    monkeypatch.setattr("clearer.bench.bench.plot_frontier", lambda *arguments: None)
    monkeypatch.setattr("clearer.bench.bench.plot_strip", lambda *arguments: None)


def names(report: dict[str, Any]) -> list[tuple[str, str]]:
    return [(row["name"].split()[0], row["backend"]) for row in report["rows"]]


@pytest.fixture
def memory_of_backends(monkeypatch: pytest.MonkeyPatch) -> dict[str, float | None]:
    """Measure memory for one row of each backend: it takes a process and seconds."""
    measured: dict[str, float | None] = {}

    def once(spec: RowSpec) -> float | None:
        if spec.backend not in measured:
            measured[spec.backend] = peak_memory_mb(spec)
        return measured[spec.backend]

    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", once)
    return measured


def test_rows_of_a_run_and_of_others(
    run: Path, tmp_path: Path, memory_of_backends: dict[str, float | None]
) -> None:
    copy = shutil.copy(run / "model.onnx", tmp_path / "copy.onnx")
    other = tiny_onnx.blur(tmp_path / "other.onnx")
    words = ["--backend", "torch", "--backend", "onnxruntime", "--backend", "openvino"]
    result = clearer("bench", run, *QUICK, *words, "--against", copy, "--against", other)
    assert result.exit_code == 0, result.output
    report = read(run / "bench.json")
    engines = ["torch eager", "ONNX Runtime", "OpenVINO"]
    expected = [("clearer", engine) for engine in [*engines, *engines[1:]]]
    expected += [("other", engine) for engine in engines[1:]]
    assert names(report) == [*expected, ("non-local", "scikit-image")]
    assert [row["kind"] for row in report["rows"]][-3:] == ["other", "other", "classical"]
    ours = [row["psnr_db"] for row in report["rows"][:5]]
    assert ours == pytest.approx([ours[0]] * 5, abs=1e-3)
    assert ours[1] == ours[3]  # the same bytes in the same backend
    assert report["rows"][5]["psnr_db"] > report["input"]["psnr_db"] + 3
    assert (report["data"], report["data_use"], report["num_images"]) == ("waves", "test", 2)
    assert report["timed_shape"] == [1, 1, 32, 40]
    for row in report["rows"]:
        for key in ("latency", "end_to_end"):
            assert row[key]["n"] == len(row[key]["times_ms"]) == 3
            assert row[key]["min_ms"] <= row[key]["median_ms"] <= row[key]["p99_ms"]
        assert [image["image"] for image in row["images"]] == ["0.png", "1.png"]
        assert row["precision"] == "fp32"
        assert row["peak_memory_mb"] is None or 0 <= row["peak_memory_mb"] < 500
        assert (row["throughput"] is None) is (row["kind"] == "classical")
        assert (row["load_ms"] is None) is (row["kind"] == "classical")
    assert set(memory_of_backends) >= {"torch", "onnxruntime", "openvino"}
    assert any(row["on_front"] for row in report["rows"])
    assert report["rows"][1]["num_params"] == report["rows"][0]["num_params"] > 1000
    for strip in report["strips"]:
        assert strip["panels"] == [
            "degraded",
            report["rows"][0]["name"],
            "other",
            "non-local means",
            "clean",
        ]
    files = [strip["file"] for strip in report["strips"]]
    for name in ("bench.png", "restored.png", *files):
        with Image.open(run / name) as picture:
            assert min(picture.size) > 300


@pytest.mark.usefixtures("lean")
def test_markdown_json_and_threads(run: Path) -> None:
    words = [*QUICK, "--backend", "onnxruntime", "--no-classical", "--batch", 0, "--threads"]
    before = torch.get_num_threads()
    result = clearer("bench", run, *words, 2, "--markdown")
    assert result.exit_code == 0, result.output
    assert torch.get_num_threads() == before
    table = [line for line in result.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 4
    assert "| **clearer" in table[-1]
    core = min(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    pin = [] if core is None else ["--pin", core]
    result = clearer("bench", run, *words, 1, "--json", *pin)
    report = json.loads(result.stdout)
    assert report["environment"]["threads"] == 1
    assert report["environment"]["pinned_cores"] == (None if core is None else [core])
    assert report["rows"][0]["throughput"] is None


@pytest.mark.usefixtures("lean")
def test_without_export_it_goes_on_with_what_is_there(run: Path) -> None:
    (run / "model.onnx").unlink()
    result = clearer("bench", run, *QUICK, "--json", "--no-classical")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert names(report) == [("clearer", "torch eager")]
    # On a processor without bf16, that row is left out too.
    assert any("clearer export" in entry["reason"] for entry in report["skipped"])


@pytest.mark.usefixtures("lean")
def test_rows_that_fail_are_left_out_with_their_reason(run: Path, tmp_path: Path) -> None:
    shrinking = tiny_onnx.shrinking(tmp_path / "shrinking.onnx")
    nan = tiny_onnx.not_a_number(tmp_path / "nan.onnx")
    corrupt = tmp_path / "corrupt.onnx"
    corrupt.write_bytes((run / "model.onnx").read_bytes()[:5000])
    words = ["--backend", "onnxruntime", "--backend", "tensorrt", "--no-classical", *QUICK]
    for path in (shrinking, nan, corrupt):
        words += ["--against", str(path)]
    result = clearer("bench", run, *words)
    assert result.exit_code == 0, result.output
    report = read(run / "bench.json")
    assert names(report) == [("clearer", "ONNX Runtime")]
    reasons = {entry["name"]: entry["reason"] for entry in report["skipped"]}
    assert "not image to image" in reasons["shrinking"]
    assert "NaN or infinite values for 0.png" in reasons["nan"]
    assert "not an ONNX file" in reasons["corrupt"]
    assert "no file for it" in reasons["tensorrt"]
    assert all(reason in " ".join(result.stderr.split()) for reason in reasons.values())


@pytest.mark.usefixtures("lean")
def test_nothing_left_is_an_error_and_writes_nothing(pictures: Path, tmp_path: Path) -> None:
    nan = tiny_onnx.not_a_number(tmp_path / "nan.onnx")
    words = ["--backend", "onnxruntime", "--no-classical", "--out", tmp_path / "out", *QUICK]
    result = clearer("bench", nan, "--data", pictures, *words)
    assert result.exit_code == 1
    assert "nothing is left to measure" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.usefixtures("lean")
def test_files_without_a_run_at_a_level_and_on_one_picture(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tiny_onnx.blur(tmp_path / "blur.onnx")
    words = ["--data", pictures / "val", "--sigma", 40, "--backend", "onnxruntime", *QUICK]
    result = clearer("bench", path, *words)
    assert result.exit_code == 0, result.output
    report = read(tmp_path / "bench" / "bench.json")
    assert report["task"] == "denoise, sigma 40, protocol awgn"
    assert report["input"]["psnr_db"] == pytest.approx(16.1, abs=0.3)
    assert [row["psnr_db_interval_95"] for row in report["rows"]] == [None, None]
    assert report["rows"][1]["versus_first"]["psnr_db_interval_95"] is None


@pytest.mark.usefixtures("lean")
def test_a_blind_network_at_one_level(run: Path) -> None:
    config = read(run / "config.json")
    config["settings"]["task"]["sigma"] = "5:50"
    (run / "config.json").write_text(json.dumps(config))
    words = ["--backend", "onnxruntime", "--json", *QUICK]
    blind, fixed = (
        json.loads(clearer("bench", run, *words, *more).stdout) for more in ([], ["--sigma", 50])
    )
    assert blind["task"] == "denoise, sigma 5:50, protocol awgn"
    assert fixed["task"] == "denoise, sigma 50, protocol awgn"
    assert fixed["input"]["psnr_db"] == pytest.approx(14.15, abs=0.3)


@pytest.mark.usefixtures("lean")
def test_predicted_beside_measured(run: Path) -> None:
    """Only if the table is for this device, backend, precision, size and threads."""
    source = Run(run)
    architecture = source.read_architecture()
    space = architecture.space
    measurement = Measurement(
        space=space,
        height=32,
        width=40,
        device=device_name("cpu"),
        backend="onnxruntime",
        version="1",
        precision="fp32",
        threads=torch.get_num_threads(),
        measured="then",
        num_rounds=9,
        spread=0.01,
        error=0.01,
        max_error=0.02,
        modules_alone_ms=((1.0,) * len(space.candidates),) * space.num_choices,
    )
    rows = ((0.5, 0.25, 0.0)[: len(space.candidates)],) * space.num_choices
    made = CostTable(metric="ms", unit="ms", fixed=1.0, choices=rows, measurement=measurement)
    write_cost_table(source.cost, made)
    words = ["--backend", "torch", "--backend", "onnxruntime", "--no-classical", "--json"]
    report = json.loads(clearer("bench", run, *QUICK, *words).stdout)
    found = {row["backend"]: row["predicted_ms"] for row in report["rows"]}
    assert found == {"torch eager": None, "ONNX Runtime": pytest.approx(made.cost(architecture))}
    result = clearer("bench", run, *QUICK, *words, "--size", "48x48")
    assert [row["predicted_ms"] for row in json.loads(result.stdout)["rows"]] == [None, None]


@pytest.mark.usefixtures("lean")
def test_compare_refuses_accepts_and_fails(run: Path, tmp_path: Path) -> None:
    words = ["--backend", "onnxruntime", "--no-classical", *QUICK]
    assert clearer("bench", run, *words).exit_code == 0
    old = run / "bench.json"
    same = clearer("bench", "--compare", old, old)
    assert same.exit_code == 0, same.output
    assert "the same" in same.stdout
    report = read(old)
    for image in report["rows"][0]["images"]:
        image["psnr_db"] -= 0.5
    new = tmp_path / "new.json"
    new.write_text(json.dumps(report))
    worse = clearer("bench", "--compare", old, new, "--json")
    assert worse.exit_code == 1
    assert json.loads(worse.stdout)["rows"][0]["verdict"] == "worse"
    assert "| worse |" in clearer("bench", "--compare", old, new, "--markdown").stdout
    report["protocol"] = "paper"
    new.write_text(json.dumps(report))
    refused = clearer("bench", "--compare", old, new)
    assert refused.exit_code == 2
    assert "protocol: awgn and paper" in refused.stderr
    assert clearer("bench", "--compare", old, run / "config.json").exit_code == 2
    assert clearer("bench", "--compare", old, tmp_path / "none.json").exit_code == 2
    assert clearer("bench", run, "--compare", old, old).exit_code == 2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--backend", "tvm"], "unknown --backend tvm: use one of torch"),
        (["--against", "none.onnx"], "none.onnx is not a file"),
        (["--pin", "x"], "not a list of cores"),
        (["--pin", "9999"], "the cores of this process are"),
        (["--task", "derain", "--sigma", "5"], "task derain has no --sigma"),
        (["--data", "nowhere"], "nowhere is not a folder"),
        (["--size", "0x5"], "both sides must lie in"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(run: Path, words: list[str], message: str) -> None:
    if words[0] == "--pin" and not hasattr(os, "sched_setaffinity"):
        pytest.skip("this system cannot bind a process to cores")
    before = sorted(run.iterdir())
    result = clearer("bench", run, *words)
    assert result.exit_code == 2, result.output
    assert message in " ".join(result.stderr.split())
    assert sorted(run.iterdir()) == before


@pytest.mark.usefixtures("lean")
def test_networks_for_different_levels_are_measured_at_one_that_is_given(
    run: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(run, tmp_path / "other")
    config = read(other / "config.json")
    config["settings"]["task"]["sigma"] = "5:50"
    (other / "config.json").write_text(json.dumps(config))
    words = ["bench", run, other, *QUICK, "--backend", "onnxruntime", "--no-classical"]
    refused = clearer(*words)
    assert refused.exit_code == 2
    assert "say which by options like --sigma 25" in " ".join(refused.stderr.split())
    result = clearer(*words, "--sigma", 30, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert "sigma 30" in report["task"]
    assert len(report["rows"]) == 2


def test_networks_for_other_pictures_are_refused(run: Path, tmp_path: Path) -> None:
    color = tiny_onnx.blur(tmp_path / "color.onnx", channels=3)
    result = clearer("bench", run, "--against", color)
    assert result.exit_code == 2
    assert "color.onnx is for rgb pictures" in result.stderr
    result = clearer("bench", tiny_onnx.blur(tmp_path / "gray.onnx"))
    assert result.exit_code == 2
    assert "with --data" in result.stderr


@pytest.mark.usefixtures("lean")
def test_ctrl_c_leaves_no_half_a_report(run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real signal after a round, when rows in OpenVINO have been loaded and released."""

    def interrupted(*arguments: Any, listener: Callable[[int, int], None], **words: Any) -> Timings:
        def after_round(done: int, total: int) -> None:
            listener(done, total)
            if done == 1:  # on a busy machine there may be no second one
                signal.raise_signal(signal.SIGINT)

        return time_rounds(*arguments, listener=after_round, **words)

    monkeypatch.setattr("clearer.bench.bench.time_rounds", interrupted)
    before = sorted(run.iterdir())
    result = clearer("bench", run, "--backend", "onnxruntime", *QUICK)
    assert result.exit_code == 130, result.output
    assert "no bench.json was written" in result.stderr
    assert sorted(run.iterdir()) == before


def test_files_that_no_picture_fits_are_refused(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "junk.onnx").write_bytes(b"junk")
    bytes_, fixed = tiny_onnx.of_bytes(tmp_path / "u8.onnx"), tmp_path / "fixed.onnx"
    tiny_onnx.of_one_size(fixed)
    words = ["--data", pictures, "--sigma", 25]
    for command, path, message in (
        ("bench", tmp_path / "junk.onnx", "junk.onnx is not an ONNX file"),
        ("bench", bytes_, "takes uint8 and gives float32"),
        ("eval", bytes_, "takes uint8 and gives float32"),
        ("eval", fixed, "takes pictures of one size only"),
    ):
        result = clearer(command, path, *words)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
