"""The time of a network that its card shows: one row stands for all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from clearer.zoo.card_record import CardRecord, TimeRecord

__all__ = ["main_time", "measured_where", "ratio_to_ffdnet"]

_SHOWN: Final = ("ONNX Runtime", "fp32")
"""Backend and precision of the milliseconds that stand for a network in a table."""
_YARDSTICK: Final = "ffdnet"
"""How the names of the networks begin that the time of a denoiser is compared with."""


def main_time(card: CardRecord) -> TimeRecord | None:
    """The row of times that stands for a network; None where it has not been timed."""
    return _shown_time(card, lambda row: bool(row["is_this"]))


def ratio_to_ffdnet(card: CardRecord) -> float | None:
    """That time to the one of the FFDNet that took turns with the network; None without one."""
    own = main_time(card)
    other = _shown_time(card, lambda row: row["name"].startswith(_YARDSTICK))
    return own["median_ms"] / other["median_ms"] if own and other else None


def _shown_time(card: CardRecord, is_it: Callable[[TimeRecord], bool]) -> TimeRecord | None:
    """The first row of times, in the backend that is shown, of the network that is meant."""
    rows = card["times"]["rows"] if card["times"] else []
    return next(
        (row for row in rows if (row["backend"], row["precision"]) == _SHOWN and is_it(row)), None
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
