"""What ``export.json`` holds of a file: the types by which an earlier one is checked."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from clearer.support.schema import AtLeast0, Text

__all__ = ["ExportRecord", "FileRecord"]


class _CheckRecord(TypedDict):
    passed: bool
    max_abs: AtLeast0
    mean_abs: AtLeast0
    psnr_torch_db: float
    psnr_file_db: float
    psnr_change_db: float


class _QuantizationRecord(TypedDict):
    calibration: Text
    weight_bits: Literal[7, 8]
    drops_db: dict[Text, float]
    """Loss of PSNR against fp32 on the processor that exported, by runtime."""
    num_layers: int
    float_layers: list[Text]


class FileRecord(TypedDict):
    """A file that was exported, and how it compares with torch."""

    file: Text
    precision: Text
    io: Literal["tensor", "image"]
    shape: list[int] | None
    bytes: Annotated[int, Meta(ge=0)]
    sha256: dict[Text, Text]
    """Of each of its files."""
    check: _CheckRecord
    quantization: NotRequired[_QuantizationRecord]


class ExportRecord(TypedDict):
    """What the next export into the same run needs to know."""

    schema_version: int
    weights_sha256: Text | None
    files: list[FileRecord]
