"""Checks exported files against the budgets of their run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clearer.costs.budget import Budget
from clearer.costs.cost import FilePrecision
from clearer.errors import ClearerError
from clearer.export.export_record import ExportRecord, FileBudget, FileRecord
from clearer.runs.settings import RunSettings

__all__ = ["budget_notes", "check_first_file", "file_budgets"]

_FILES: Final[dict[FilePrecision, str]] = {
    "fp32": "model.onnx",
    "fp16": "model.fp16.onnx",
    "int8": "model.int8.onnx",
}
"""The file that ``--budget-mb`` limits, by precision."""


def check_first_file(settings: RunSettings, params: float, num_bytes: int) -> None:
    """Refuse a network that is over a budget, as far as its fp32 file shows.

    Latency and multiply-accumulates were checked when the architecture was chosen.

    Args:
        settings: Settings of the run.
        params: Trained parameters of the network.
        num_bytes: Size of the fp32 file.

    Raises:
        ClearerError: If a limit is not met.
    """
    sizes = {"params": params}
    if settings.budget_precision == "fp32":
        sizes["mb"] = num_bytes / 1e6
    for budget in settings.budgets:
        if sizes.get(budget.metric, 0) > budget.limit:
            raise ClearerError(
                f"the file has {budget.text(sizes[budget.metric])}, over {budget.option} "
                f"{budget.limit:g}: no file was written; search again with the same budget"
            )


def file_budgets(
    settings: RunSettings, params: float, files: Sequence[FileRecord]
) -> list[FileBudget]:
    """The budgets that concern files, for ``export.json``.

    Args:
        settings: Settings of the run.
        params: Trained parameters of the network.
        files: Rows of ``export.json``.

    Returns:
        Rows; ``measured`` is None if the file has not been made.
    """
    name = _FILES[settings.budget_precision]
    mb = [row["bytes"] / 1e6 for row in files if row["file"] == name and row["check"]["passed"]]
    rows: list[FileBudget] = []
    for budget in settings.budgets:
        if budget.metric == "mb":
            size = mb[0] if mb else None
            rows.append({"metric": "mb", "limit": budget.limit, "measured": size, "file": name})
        elif budget.metric == "params":
            rows.append({"metric": "params", "limit": budget.limit, "measured": params})
    return rows


def budget_notes(report: ExportRecord) -> list[str]:
    """Notes on the budgets in ``export.json``: a file over its limit, or not made yet.

    An int8 file may be larger than the search predicted: layers that int8 hurts stay in floating
    point.
    """
    notes = []
    for row in report["budgets"]:
        budget = Budget(metric=row["metric"], limit=row["limit"])
        what = f"{budget.option} {budget.limit:g}"
        if row["measured"] is None:
            option = row["file"].split(".")[1]
            notes.append(f"{what} is for {row['file']}: make it with clearer export --{option}")
        elif row["measured"] > row["limit"]:
            why = _floating_point(row["file"], report["files"])
            size = budget.text(row["measured"])
            notes.append(f"warning: {row['file']} has {size}, over {what}{why}")
    return notes


def _floating_point(name: str, files: Sequence[FileRecord]) -> str:
    for row in files:
        if row["file"] == name and "quantization" in row:
            about = row["quantization"]
            number, total = len(about["float_layers"]), about["num_layers"]
            return f": {number} of its {total} convolutions stay in floating point"
    return ""
