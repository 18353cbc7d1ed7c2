"""What counts as a regression between two reports."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clearer.bench.compare import compare, read_bench
from clearer.bench.markdown import bench_markdown, comparison_markdown
from clearer.errors import InputError

Report = Any
NAMES = ("clearer PPPP", "FFDNet")


def row(name: str, ms: float, db: float) -> Any:
    rng = np.random.default_rng(len(name))
    psnrs = db + rng.normal(0, 2, size=8)
    times = (ms * rng.normal(1, 0.01, size=50)).tolist()
    kind = "ours" if name.startswith("clearer") else "other"
    latency = {"median_ms": float(np.median(times)), "times_ms": times}
    return {
        "name": name,
        "kind": kind,
        "source": "model.onnx",
        "backend": "ONNX Runtime",
        "provider": "CPUExecutionProvider",
        "version": "1",
        "precision": "fp32",
        "file_bytes": 1_000_000,
        "psnr_db": float(psnrs.mean()),
        "ssim": 0.8,
        "psnr_db_interval_95": [db - 1, db + 1],
        "latency": latency,
        "end_to_end": latency,
        "images": [{"image": f"{i}.png", "psnr_db": float(p)} for i, p in enumerate(psnrs)],
        "on_front": True,
    }


def report(ms: float = 10.0, db: float = 28.0) -> Report:
    return {
        "schema_version": 2,
        "environment": {"device": "a CPU", "gpu": None, "threads": 2, "pinned_cores": None},
        "task": "denoise, sigma 25",
        "protocol": "awgn",
        "data": "set12",
        "data_use": "test",
        "num_images": 8,
        "noise_seed": 1,
        "timed_shape": [1, 1, 64, 64],
        "input": {"psnr_db": 20.0, "ssim": 0.3, "psnr_db_interval_95": None},
        "noise": {"is_quiet": True, "reference_ms": 5.0, "reference_spread": 0.01, "text": "quiet"},
        "rows": [row(NAMES[0], ms, db), row(NAMES[1], 7.0, 29.0)],
        "skipped": [],
    }


def test_a_report_is_the_same_as_itself() -> None:
    result = compare(report(), report())
    assert not result.is_regression
    assert [r.ratio for r in result.rows] == [1.0, 1.0]
    assert not any(r.is_faster or r.is_better or r.is_slower or r.is_worse for r in result.rows)


@pytest.mark.parametrize(
    ("ms", "db", "flag"),
    [
        (12.0, 28.0, "is_slower"),
        (8.0, 28.0, "is_faster"),
        (10.0, 27.8, "is_worse"),
        (10.0, 28.2, "is_better"),
        (10.3, 28.0, None),  # a few percent, as between any two starts of a program
        (10.0, 27.995, None),  # rounding
    ],
)
def test_changes_beyond_noise(ms: float, db: float, flag: str | None) -> None:
    result = compare(report(), report(ms, db))
    flags = {"is_slower", "is_faster", "is_worse", "is_better"}
    assert {f for f in flags if getattr(result.rows[0], f)} == ({flag} if flag else set())
    assert not any(getattr(result.rows[1], f) for f in flags)
    assert result.is_regression is (flag in ("is_slower", "is_worse"))


def test_what_the_whole_machine_lost_is_no_regression() -> None:
    new = report(12.0)
    new["noise"]["reference_ms"] = 6.5
    assert not compare(report(), new).is_regression
    assert compare(report(), new).note.startswith("the fixed reference workload took 1.30 times")


def test_a_busy_machine_gives_no_verdict_on_times_but_on_quality() -> None:
    new = report(30.0)
    new["noise"]["is_quiet"] = False
    result = compare(report(), new)
    assert not result.is_regression
    assert "not judged" in result.note
    new["rows"][0] = row(NAMES[0], 30.0, 27.0)
    assert compare(report(), new).is_regression


def test_a_row_that_fails_now_is_a_regression_and_one_left_out_is_not() -> None:
    new = report()
    del new["rows"][1]
    result = compare(report(), new)
    assert not result.is_regression
    assert result.only_old == ["FFDNet, ONNX Runtime, fp32"]
    new["skipped"] = [{"name": "FFDNet", "backend": "ONNX Runtime", "reason": "no numbers"}]
    result = compare(report(), new)
    assert result.is_regression
    assert result.lost == ["FFDNet, ONNX Runtime, fp32: no numbers"]


def test_another_architecture_takes_the_place_of_ours() -> None:
    new = report(20.0)
    new["rows"][0]["name"] = "clearer FFFF"
    result = compare(report(), new)
    assert result.rows[0].is_slower
    new["rows"][1]["name"] = "DnCNN"
    assert len(compare(report(), new).rows) == 1


def changed(change: Callable[[Report], Any]) -> Report:
    new = copy.deepcopy(report())
    change(new)
    return new


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(protocol="paper"), "protocol: awgn and paper"),
        (lambda r: r.update(data="kodak24"), "data: set12 and kodak24"),
        (lambda r: r.update(timed_shape=[1, 1, 32, 32]), "image size"),
        (lambda r: r["environment"].update(device="a board"), "device: a CPU and a board"),
        (lambda r: r["environment"].update(threads=4), "threads: 2 and 4"),
        (lambda r: r["rows"][0].update(precision="bf16"), "precision of clearer PPPP.*fp32 and bf"),
        (lambda r: r["rows"][0]["images"][0].update(image="x"), "pictures of clearer PPPP"),
    ],
)
def test_what_was_not_measured_alike_is_refused(
    change: Callable[[Report], Any], message: str
) -> None:
    with pytest.raises(InputError, match=f"cannot be compared: .*{message}"):
        compare(report(), changed(change))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda r: r.update(schema_version=1), "schema version 1, not 2"),
        (lambda r: r.pop("rows"), "not the report of clearer bench"),
        (lambda r: r.pop("task"), "damaged: object missing required field task"),
        (
            lambda r: r["rows"][0]["latency"].update(times_ms=[-1]),
            "times_ms.0.: expected float >= 0",
        ),
        (
            lambda r: r["rows"][1]["latency"].update(times_ms=[1.0, 0]),
            "FFDNet, ONNX Runtime, fp32 .* a time of 0 ms",
        ),
        (
            lambda r: r["rows"][0]["latency"].update(times_ms=[]),
            "times_ms: expected array of length >= 1",
        ),
        (lambda r: r["rows"][0].update(images=[]), "rows.0..images: expected array of length >= 1"),
        (lambda r: r["rows"].insert(0, 7), "damaged"),
        (lambda r: r["noise"].update(reference_ms="x"), "damaged"),
    ],
)
def test_files_that_are_no_report(
    tmp_path: Path, change: Callable[[Report], Any], message: str
) -> None:
    path = tmp_path / "bench.json"
    path.write_text(json.dumps(report()))
    assert read_bench(path) == json.loads(json.dumps(report()))
    path.write_text(json.dumps(changed(change)))
    with pytest.raises(InputError, match=message):
        read_bench(path)


def test_json_of_something_else(tmp_path: Path) -> None:
    path = tmp_path / "list.json"
    path.write_text("[1]")
    with pytest.raises(InputError, match="not the report of clearer bench"):
        read_bench(path)


def test_markdown_survives_odd_names() -> None:
    odd = report()
    odd["rows"][1]["name"] = "a|b\nc<script>`"
    lines = bench_markdown(odd).splitlines()
    table = [line for line in lines if line.startswith("|")]
    assert len(table) == 2 + 1 + 2
    assert len({line.replace("\\|", "").count("|") for line in table}) == 1
    assert "<script>" not in bench_markdown(odd)
    assert "slower" in comparison_markdown(compare(report(), report(20.0)))


def set_a_time_to_zero(report: Report) -> None:
    report["rows"][1]["latency"]["times_ms"][3] = 0


def set_the_reference_to_zero(report: Report) -> None:
    report["noise"]["reference_ms"] = 0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (set_a_time_to_zero, "FFDNet, ONNX Runtime, fp32 cannot be compared"),
        (
            set_the_reference_to_zero,
            "clearer PPPP, .*FFDNet, .* cannot be compared, since the fixed",
        ),
    ],
)
def test_a_time_of_zero_says_which_row_it_is(
    tmp_path: Path, change: Callable[[Report], None], message: str
) -> None:
    data, path = report(), tmp_path / "old.json"
    change(data)
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=f"old.json: {message}"):
        read_bench(path)
