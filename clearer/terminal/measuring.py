"""Costs on this device, with lines and bars that tell how their measurement goes."""

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
    """Costs of which the measurement is told on the terminal.

    Args:
        image_size: (height, width) of the image.
        table: What was measured before, here or elsewhere.
        precision: Of the file that is timed.
    """
    from clearer.bench.measured_costs import MeasuredCosts

    return MeasuredCosts(image_size, table, console.say, precision, live.timing_bar)
