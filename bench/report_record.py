"""What of a ``bench.json`` is compared: the types by which it is checked when it is read."""

from __future__ import annotations

from typing import Annotated, NotRequired, TypedDict

from msgspec import Meta

from clearer.support.schema import AtLeast0, Side, Text

__all__ = ["BenchRecord"]


class _Picture(TypedDict):
    image: Text
    psnr_db: float


class _Latency(TypedDict):
    times_ms: Annotated[list[AtLeast0], Meta(min_length=1)]


class _Row(TypedDict):
    name: Text
    kind: Text
    source: Text
    backend: Text
    provider: NotRequired[Text | None]
    precision: Text
    latency: _Latency
    images: Annotated[list[_Picture], Meta(min_length=1)]


class _Skipped(TypedDict):
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
    """Of schema version 2; docs/bench-schema.md says what it means."""

    task: Text
    protocol: Text
    data: Text
    num_images: int
    noise_seed: int
    timed_shape: Annotated[list[Side], Meta(min_length=4, max_length=4)]
    environment: _Environment
    noise: _Noise
    rows: list[_Row]
    skipped: list[_Skipped]
