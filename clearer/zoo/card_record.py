"""The types that check the card of a network when it is read."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from clearer.runs.run_records import ConfigRecord, DecisionRecord
from clearer.support.schema import Above0, AtLeast0, Count, Side, Text

__all__ = ["CardRecord", "CleanRecord", "FiguresRecord", "TimeRecord", "TrainingRecord"]

_WholeNumber = Annotated[int, Meta(ge=0)]


class FiguresRecord(TypedDict):
    """Figures on a set of pictures or pairs."""

    data: Text
    num_images: Count
    sigma_255: AtLeast0 | None
    """None for pairs."""
    input_psnr_db: float
    input_ssim: float
    psnr_db: float
    ssim: float
    psnr_db_interval_95: tuple[float, float]
    quality: NotRequired[Annotated[int, Meta(ge=1, le=100)]]
    """JPEG quality; then the next two are given: :func:`clearer.restoring.metrics.psnr_b_db`."""
    input_psnr_b_db: NotRequired[float]
    psnr_b_db: NotRequired[float]
    y_input_psnr_db: NotRequired[float]
    """PSNR of the degraded luma: see :func:`clearer.restoring.metrics.luma_y`."""
    y_input_ssim: NotRequired[float]
    y_psnr_db: NotRequired[float]
    y_ssim: NotRequired[float]


class CleanRecord(TypedDict):
    """How little clean pictures change: PSNR of each against itself restored."""

    data: Text
    num_images: Count
    psnr_db: float
    least_psnr_db: float
    ssim: float


class _Quality(TypedDict):
    backend: NotRequired[Text]
    version: NotRequired[Text]
    precision: NotRequired[Text]
    protocol: Text
    noise_seed: NotRequired[int]
    max_megapixels: NotRequired[Above0]
    left_out: NotRequired[list[Text]]
    """Pairs with a larger picture than that."""
    rows: Annotated[list[FiguresRecord], Meta(min_length=1)]
    num_tuned: NotRequired[Count]
    """Number of first pairs by name that are left out of the figures."""
    num_ssim_lost: NotRequired[Annotated[int, Meta(ge=0)]]
    """Number of pictures whose SSIM is below that of the input."""
    clean: NotRequired[CleanRecord]


class TimeRecord(TypedDict):
    """Latency of a network in interleaved calls."""

    name: Text
    is_this: bool
    backend: Text
    version: Text
    precision: Text
    median_ms: Above0
    p95_ms: Above0
    n: Count


class _Times(TypedDict):
    measured: Text
    device: Text
    threads: Count
    size: tuple[Side, Side]
    noise: Text
    of: NotRequired[Text]
    rows: list[TimeRecord]


class _Probe(TypedDict):
    image: Text
    box: tuple[int, int, int, int]
    """Top, left, height, width."""
    psnr_db: float
    ssim: float


class _Probes(TypedDict):
    """Photographs that scikit-image installs, and how they are restored."""

    sigma_255: NotRequired[AtLeast0 | None]
    """Level of the noise that is added; None if they stay clean."""
    noise_seed: NotRequired[int | None]
    rows: list[_Probe]


class TrainingRecord(TypedDict):
    """The pictures that trained and selected the weights, and the length of the training."""

    num_train: Count
    num_val: Count
    train: dict[Text, Count]
    """Number of pictures by set and folder, such as ``bsds500 train``."""
    val: dict[Text, Count]
    """Likewise."""
    num_in_bsd68: NotRequired[_WholeNumber]
    """How many of them are in BSD68."""
    num_in_test: NotRequired[_WholeNumber]
    """How many of them are in the other test sets."""
    left_out: NotRequired[list[Text]]
    """Pictures of the set that were not used."""
    fine_tuned_from: NotRequired[Text | None]
    fine_tuned_from_sha256: NotRequired[Text | None]
    teacher: NotRequired[Text | None]
    """The network whose results were learned."""
    teacher_sha256: NotRequired[Text | None]
    iteration: _WholeNumber
    """Iteration of the weights, which are the best by validation."""
    iterations: Count
    batch_size: Count
    patch_size: Side
    """In pixels."""
    precision: Text
    seed: _WholeNumber
    selection: Text
    val_psnr_db: float
    val_ssim: float
    curve: NotRequired[list[tuple[_WholeNumber, float]]]
    """Iterations, and PSNR on the pictures that select, in dB; it begins at what was given."""
    hours: NotRequired[Above0]
    """Time of its steps, on ``run.config.environment``'s device and threads."""


class _RunRecord(TypedDict):
    config: ConfigRecord
    architecture: DecisionRecord


class CardRecord(TypedDict):
    """``<name>.json``."""

    schema_version: Literal[2]
    name: Text
    clearer: Text
    purpose: Text
    channels: Literal[1, 3]
    task: dict[str, Text]
    architecture: Text
    space: Text
    params: Count
    macs_per_pixel: Above0
    weights_sha256: Text
    weights_bytes: NotRequired[Count]
    onnx_bytes: Count
    licence: Text
    training: TrainingRecord
    run: _RunRecord
    figures: _Quality
    probes: NotRequired[_Probes]
    times: _Times | None
