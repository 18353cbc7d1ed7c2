"""The content of ``bench.json``, and the part that is compared; see docs/bench-schema.md."""

from __future__ import annotations

from typing import Annotated, Literal, NotRequired, TypedDict

from msgspec import Meta

from clearer.support.schema import AtLeast0, Side, Text

__all__ = [
    "AboutRecord",
    "AccuracyRecord",
    "BenchRecord",
    "BenchReport",
    "BenchRow",
    "ComparedRow",
    "Interval",
    "MeanRecord",
    "NoiseRecord",
    "RunnerRecord",
    "Skipped",
    "Strip",
    "Throughput",
    "TimesRecord",
]

Interval = tuple[float, float]
"""95 % interval: low, high."""


class _Picture(TypedDict):
    image: Text
    psnr_db: float


class _Latency(TypedDict):
    times_ms: Annotated[list[AtLeast0], Meta(min_length=1)]


class ComparedRow(TypedDict):
    """The part of a row that is compared with the row of another report."""

    name: Text
    kind: Text
    source: Text
    backend: Text
    provider: NotRequired[Text | None]
    precision: Text
    latency: _Latency
    images: Annotated[list[_Picture], Meta(min_length=1)]


class Skipped(TypedDict):
    """What could not be measured, and why."""

    name: Text
    backend: Text
    reason: Text


class _Environment(TypedDict):
    device: Text
    gpu: NotRequired[Text | None]
    threads: int
    pinned_cores: list[int] | None


class _Noise(TypedDict):
    is_quiet: bool
    reference_ms: AtLeast0


class BenchRecord(TypedDict):
    """The part of a report that is compared; this type checks it when it is read."""

    task: Text
    protocol: Text
    data: Text
    num_images: int
    noise_seed: int
    timed_shape: Annotated[list[Side], Meta(min_length=4, max_length=4)]
    environment: _Environment
    noise: _Noise
    rows: list[ComparedRow]
    skipped: list[Skipped]


class MeanRecord(TypedDict):
    """Means over the pictures."""

    psnr_db: float
    ssim: float
    psnr_db_interval_95: Interval | None
    """None for one picture."""


class _ImageRecord(TypedDict):
    image: str
    psnr_db: float
    ssim: float


class AccuracyRecord(MeanRecord):
    """Means, and the figures of each picture."""

    images: list[_ImageRecord]


class TimesRecord(TypedDict):
    """Times of the calls of a row, in ms."""

    median_ms: float
    p5_ms: float
    p95_ms: float
    p99_ms: float
    min_ms: float
    n: int
    spread: float
    """1.4826 times the median absolute deviation, divided by the median."""
    times_ms: list[float]


class Throughput(TypedDict):
    """Throughput of calls with several images."""

    batch: int
    images_per_s: float


class _Versus(TypedDict):
    psnr_db: float
    psnr_db_interval_95: Interval | None
    time_ratio: float
    time_ratio_interval_95: Interval


class RunnerRecord(TypedDict):
    """What computed, and how: :class:`clearer.bench.runners.RunnerInfo`."""

    name: str
    backend: str
    version: str
    precision: str
    threads: int
    provider: str
    file_bytes: int | None
    load_ms: float | None


class BenchRow(RunnerRecord, AccuracyRecord):
    """One network or method in one backend."""

    kind: Literal["ours", "other", "classical"]
    source: str
    """Name of the file."""
    num_params: int | None
    peak_memory_mb: float | None
    latency: TimesRecord
    """Float array in, float array out."""
    end_to_end: TimesRecord
    """8-bit picture in, 8-bit picture out."""
    throughput: Throughput | None
    predicted_ms: float | None
    """Latency predicted by the cost table of the run."""
    versus_first: _Versus
    on_front: bool
    """Whether no other row dominates it."""


class Strip(TypedDict):
    """A picture to show."""

    image: str
    file: str
    """Relative to ``bench.json``."""
    panels: list[str]
    """From left to right."""


class _EnvironmentRecord(TypedDict):
    device: str
    gpu: str | None
    os: str
    python: str
    packages: dict[str, str | None]
    threads: int
    pinned_cores: list[int] | None


class NoiseRecord(TypedDict):
    """Whether times can be trusted, and why."""

    is_quiet: bool
    reference_spread: float
    reference_ms: float
    text: str


class AboutRecord(TypedDict):
    """The conditions under which the figures of a report were measured."""

    schema_version: int
    clearer: str
    measured: str
    command: list[str]
    environment: _EnvironmentRecord
    task: str
    protocol: str
    color: str
    data: str
    data_use: str
    num_images: int
    noise_seed: int
    timed_shape: list[int]
    """``[1, channels, height, width]``."""
    num_rounds: int | None
    warm_up: dict[str, float]
    input: MeanRecord


class BenchReport(AboutRecord):
    """The whole content of ``bench.json``."""

    noise: NoiseRecord
    rows: list[BenchRow]
    skipped: list[Skipped]
    notes: list[str]
    strips: list[Strip]
