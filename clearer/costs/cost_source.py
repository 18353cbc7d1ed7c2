"""Where the costs of networks come from: their definition, their files, or a device."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence

from clearer.costs.cost import (
    FILE_PRECISIONS,
    CostTable,
    FilePrecision,
    Metric,
    cost_table,
    gmacs_table,
    network_cost,
)
from clearer.space.space import Architecture, SearchSpace

__all__ = ["CostSource"]


class CostSource:
    """Costs that follow from a network's definition and its file; others are added by a subclass.

    Args:
        image_size: (height, width) of the image that GMACs are counted for.
        measure_mb: Size in MB of the file of a precision that an architecture is exported to.
        precision: Of the file that MB and milliseconds are those of.
    """

    def __init__(
        self,
        image_size: tuple[int, int],
        measure_mb: Callable[[Architecture, FilePrecision], float],
        precision: FilePrecision = "fp32",
    ) -> None:
        self._image_size = image_size
        self._measure_mb = measure_mb
        self._precision = precision

    @property
    def precision(self) -> FilePrecision:
        """Of the file that MB and milliseconds are those of."""
        return self._precision

    def in_precision(self, precision: FilePrecision) -> CostSource:
        """The same source, for files of another precision."""
        other = copy.copy(self)
        other._precision = precision
        return other

    def backend(self, metric: Metric) -> str | None:
        """The runtime that a cost is measured with; None for what is counted."""
        return None

    def table(self, space: SearchSpace, metric: Metric) -> CostTable:
        """Costs of all modules of a space.

        Raises:
            InputError: If nothing here knows this cost.
        """
        if metric == "gmacs":
            return gmacs_table(space, *self._image_size)
        if metric == "ms":
            raise NotImplementedError("milliseconds need a device")
        return cost_table(space, metric, self._precision)

    def span(self, space: SearchSpace, metric: Metric) -> tuple[float, float]:
        """Cost of the cheapest and of the most expensive architecture of a space."""
        table = self.table(space, metric)
        return table.cheapest, table.most_expensive

    def estimate(self, architecture: Architecture, metric: Metric) -> float:
        """Cost of an architecture of any space, at once or nearly so."""
        if metric == "params" or metric == "mb":
            return network_cost(architecture, metric, self._precision)
        return self.table(architecture.space, metric).cost(architecture)

    def measure_quickly(
        self, architectures: Sequence[Architecture], metric: Metric
    ) -> list[float | None]:
        """Cost of several networks, each measured for less time than by :meth:`measure`."""
        return [self.measure(architecture, metric) for architecture in architectures]

    def measure(self, architecture: Architecture, metric: Metric) -> float | None:
        """Cost of what is really made of an architecture; None where that cannot be measured."""
        if metric == "mb":
            return self._measure_mb(architecture, self._precision)
        return self.table(architecture.space, metric).cost(architecture)

    def sizes_mb(self, architecture: Architecture) -> dict[FilePrecision, float]:
        """Size in MB of what an architecture is exported to, in every precision."""
        return {
            precision: self._measure_mb(architecture, precision) for precision in FILE_PRECISIONS
        }

    def usable(self, metric: Metric, limit: float) -> float:
        """What an estimate may reach under a limit: the margin stays free."""
        return limit / (1 + self.margin(metric))

    def margin(self, metric: Metric) -> float:
        """Share of a limit that stays unused, since the table may err and nothing is measured."""
        return 0.0
