"""The latency of a network that tables show: one row of its card."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clearer.zoo.card_record import CardRecord, TimeRecord

__all__ = ["main_time", "measured_where", "ratio_to_ffdnet", "time_in"]

_SHOWN: Final = "ONNX Runtime"
"""Backend of the latency that tables show."""
_PRECISION: Final = "fp32"
_YARDSTICK: Final = "ffdnet"
"""Prefix of the names of the networks that latencies are compared with."""


def main_time(card: CardRecord) -> TimeRecord | None:
    """The row of times that tables show; None if the network was not timed."""
    return time_in(card, _SHOWN, lambda row: bool(row["is_this"]))


def ratio_to_ffdnet(card: CardRecord, backend: str = _SHOWN) -> float | None:
    """Ratio of its time to that of FFDNet in the same interleaved calls; None without one."""
    own = time_in(card, backend, lambda row: bool(row["is_this"]))
    other = time_in(card, backend, lambda row: row["name"].startswith(_YARDSTICK))
    return own["median_ms"] / other["median_ms"] if own and other else None


def time_in(
    card: CardRecord, backend: str, is_it: Callable[[TimeRecord], bool]
) -> TimeRecord | None:
    """The first row of times of the selected network in a backend, in the shown precision."""
    rows = card["times"]["rows"] if card["times"] else []
    wanted = (backend, _PRECISION)
    return next(
        (row for row in rows if (row["backend"], row["precision"]) == wanted and is_it(row)), None
    )


def measured_where(card: CardRecord) -> str:
    """Device, threads, size and date of the times."""
    times = card["times"]
    if times is None:
        return "not timed"
    height, width = times["size"]
    return (
        f"{times['device']}, {times['threads']} thread(s), one image of {height}x{width} "
        f"(height x width), {times['measured'][:10]}"
    )
