from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from clearer.costs.budget import Budget
from clearer.costs.cost import FilePrecision
from clearer.errors import ClearerError
from clearer.export.file_budgets import budget_notes, check_first_file, file_budgets
from clearer.runs.settings import RunSettings
from clearer.tasks.denoise import Denoise
from tests.export.test_parity import settings

BUDGETS = (Budget(metric="mb", limit=0.3), Budget(metric="params", limit=100))


def made(precision: FilePrecision) -> RunSettings:
    return replace(settings(Denoise(), None), budgets=BUDGETS, budget_precision=precision)


def row(name: str, num_bytes: int, passed: bool = True, **more: Any) -> Any:
    return {"file": name, "bytes": num_bytes, "check": {"passed": passed}, **more}


def notes(precision: FilePrecision, *files: Any) -> list[str]:
    budgets = file_budgets(made(precision), 50, files)
    assert budgets[1] == {"metric": "params", "limit": 100, "measured": 50}
    report: Any = {"budgets": budgets, "files": files}
    return budget_notes(report)


def test_the_fp32_file_is_bound_by_a_budget_of_its_own_alone() -> None:
    with pytest.raises(ClearerError, match=r"0\.400 MB, over --budget-mb 0\.3: no file"):
        check_first_file(made("fp32"), 50, 400_000)
    check_first_file(made("fp32"), 50, 300_000)
    check_first_file(made("int8"), 50, 400_000)
    with pytest.raises(ClearerError, match="over --budget-params 100"):
        check_first_file(made("int8"), 101, 10)


@pytest.mark.parametrize("precision", ["fp16", "int8"])
def test_a_file_that_is_not_made_yet_is_asked_for(precision: FilePrecision) -> None:
    (note,) = notes(precision, row("model.onnx", 10), row(f"model.{precision}.onnx", 10, False))
    assert note == (
        f"--budget-mb 0.3 is for model.{precision}.onnx: make it with clearer export --{precision}"
    )


def test_an_int8_file_that_turned_out_too_large_is_named() -> None:
    about = {"float_layers": ["a", "b", "c"], "num_layers": 40}
    int8 = row("model.int8.onnx", 312_000, quantization=about)
    (note,) = notes("int8", row("model.onnx", 10), int8)
    assert note == (
        "warning: model.int8.onnx has 0.312 MB, over --budget-mb 0.3: 3 of its 40 convolutions "
        "stay in floating point"
    )


def test_files_within_the_budget_need_no_word() -> None:
    assert notes("fp32", row("model.onnx", 300_000)) == []
    assert notes("int8", row("model.onnx", 900_000), row("model.int8.onnx", 300_000)) == []
