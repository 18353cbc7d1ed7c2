"""The content of ``export.json``, as types that check an earlier one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from clearer.errors import InputError
from clearer.support.files import read_json
from clearer.support.schema import Above0, AtLeast0, Count, Text, checked

__all__ = [
    "CheckRecord",
    "DifferenceRecord",
    "ExportRecord",
    "FileBudget",
    "FileRecord",
    "QuantizationRecord",
    "int8_ir",
]


class DifferenceRecord(TypedDict):
    """Difference between a file and torch on one input, on the scale 0 to 1."""

    shape: list[int]
    """Shape of the input, ``(N, C, H, W)``."""
    max_abs: AtLeast0
    mean_abs: AtLeast0


class CheckRecord(TypedDict):
    """How a file compares with torch."""

    passed: bool
    failure: Text | None
    """What is wrong, in one line."""
    limit_max_abs: AtLeast0 | None
    limit_psnr_drop_db: AtLeast0
    inputs: list[DifferenceRecord]
    max_abs: AtLeast0
    mean_abs: AtLeast0
    psnr_torch_db: float
    psnr_file_db: float
    psnr_change_db: float
    num_images: Count


class QuantizationRecord(TypedDict):
    """How an int8 file was made."""

    flavour: Text
    calibration: Text
    weight_bits: Literal[7, 8]
    drop_db: float
    drops_db: dict[Text, float]
    """Loss of PSNR against fp32 on the exporting machine's processor, by runtime."""
    num_layers: int
    float_layers: list[Text]


class FileRecord(TypedDict):
    """An exported file, and how it compares with torch."""

    file: Text
    kept_as: Text | None
    """Its name if it failed and was kept."""
    precision: Text
    io: Literal["tensor", "image"]
    shape: list[int] | None
    bytes: Annotated[int, Meta(ge=0)]
    sha256: dict[Text, Text]
    """SHA-256 of each of its files."""
    check: CheckRecord
    quantization: NotRequired[QuantizationRecord]


class FileBudget(TypedDict):
    """A budget that concerns a file."""

    metric: Literal["mb", "params"]
    limit: Above0
    measured: AtLeast0 | None
    """None if the file has not been made."""
    file: NotRequired[Text]
    """The file that a budget in MB limits."""


class ExportRecord(TypedDict):
    """``export.json``."""

    schema_version: int
    clearer: Text
    architecture: Text
    weights_sha256: Text | None
    """None for a network that was never trained."""
    opset: int
    data: Text
    """Pictures for the comparison of files."""
    num_images: Count
    params: AtLeast0
    budgets: list[FileBudget]
    files: list[FileRecord]
    outdated: list[Text]
    """Files of earlier weights."""


def int8_ir(path: Path, report: Path) -> Path | None:
    """OpenVINO's own form of an exported int8 file, which is the faster one there.

    None if there is none, or if not both were made of the weights that were exported last.

    Args:
        path: The ONNX file.
        report: The record of the exports, beside it.
    """
    try:
        record: ExportRecord = read_json(report)
        checked(record, ExportRecord, report)
    except InputError:  # none, or damaged
        return None
    ir = path.with_suffix(".xml")
    made = {row["file"] for row in record["files"] if row["precision"] == "int8"}
    return ir if ir.is_file() and {ir.name, path.name} <= made else None
