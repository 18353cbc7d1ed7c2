"""Finds int8 rows that lose more on this processor than their export allowed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from clearer.export.int8 import MAX_DROP_DB

__all__ = ["Measured", "int8_losses"]


class Measured(NamedTuple):
    """The fields of a row that are needed here."""

    name: str
    """Name of the network."""
    backend: str
    precision: str
    psnr_db: float


def int8_losses(rows: Sequence[Measured]) -> Iterable[str]:
    """A warning for each int8 row that is too far below the same network in fp32.

    8-bit sums saturate on some processors and not on others, so a file that passed its check on one
    may fail on another.
    """
    for row in rows:
        exact = [r.psnr_db for r in rows if r.name == row.name and r.precision == "fp32"]
        if "int8" in row.precision and exact and exact[0] - row.psnr_db > MAX_DROP_DB:
            yield (
                f"warning: {row.name} in int8 loses {exact[0] - row.psnr_db:.2f} dB in "
                f"{row.backend} on this processor: export it here again (clearer export --int8)"
            )
