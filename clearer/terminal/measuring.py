"""Costs on this device, with the progress of their measurement on the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from clearer.terminal import console, live

if TYPE_CHECKING:
    from clearer.bench.measured_costs import MeasuredCosts
    from clearer.costs.cost import CostTable, FilePrecision

__all__ = ["costs_here"]


def costs_here(
    image_size: tuple[int, int], table: CostTable | None, precision: FilePrecision = "fp32"
) -> MeasuredCosts:
    """Costs on this device, whose measurement is shown on the terminal.

    Args:
        image_size: (height, width) of the image.
        table: A table measured before, here or elsewhere, or None.
        precision: Precision of the file that is timed.
    """
    from clearer.bench.measured_costs import MeasuredCosts

    return MeasuredCosts(image_size, table, console.say, precision, live.timing_bar)
