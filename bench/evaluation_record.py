"""The report of an evaluation, as it is written."""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict

from clearer.bench.report_record import RunnerRecord

__all__ = [
    "EvaluationAbout",
    "EvaluationRecord",
    "EvaluationReport",
    "Figure",
    "FiguresRecord",
    "PictureRecord",
]

Figure = Literal[
    "psnr_db",
    "ssim",
    "input_psnr_db",
    "input_ssim",
    "y_psnr_db",
    "y_ssim",
    "y_input_psnr_db",
    "y_input_ssim",
]
"""Names of the figures of a picture."""


class FiguresRecord(TypedDict):
    """Figures of a picture, or their means; ``input_`` is the degraded picture, ``y_`` the luma."""

    psnr_db: float
    ssim: float
    input_psnr_db: float
    input_ssim: float
    y_psnr_db: NotRequired[float]
    y_ssim: NotRequired[float]
    y_input_psnr_db: NotRequired[float]
    y_input_ssim: NotRequired[float]


class PictureRecord(FiguresRecord):
    """Figures of one picture."""

    image: str


class EvaluationAbout(TypedDict):
    """The conditions under which the figures were measured."""

    schema_version: int
    clearer: str
    measured: str
    device: str
    model: RunnerRecord
    task: dict[str, str]
    protocol: str
    data: str
    color: Literal["gray", "rgb"]
    notes: list[str]
    noise_seed: int
    self_ensemble: bool
    patches: bool
    save_images: bool
    with_luma: bool


class EvaluationRecord(EvaluationAbout):
    """The file that ``clearer eval`` writes."""

    channels: list[str]
    """``gray`` or ``rgb``, and ``y`` if figures of the luma are there."""
    num_images: int
    mean: FiguresRecord
    psnr_db_interval_95: tuple[float, float]
    """95 % interval of the mean PSNR, by bootstrap over pictures."""
    rows: list[PictureRecord]


class EvaluationReport(EvaluationRecord):
    """What ``clearer eval`` prints."""

    file: str
    """Where it was written."""
