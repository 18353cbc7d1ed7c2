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
    """Costs that follow from a network's definition and its file; a subclass adds others.

    Args:
        image_size: (height, width) of the image that GMACs are counted for.
        measure_mb: Gives the size in MB of an architecture's file in a precision.
        precision: Precision of the file that MB and milliseconds refer to.
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
        """Precision of the file that MB and milliseconds refer to."""
        return self._precision

    def in_precision(self, precision: FilePrecision) -> CostSource:
        """The same source, for files of another precision."""
        other = copy.copy(self)
        other._precision = precision
        return other

    def backend(self, metric: Metric) -> str | None:
        """The runtime that a cost is measured with; None if it is counted."""
        return None

    def table(self, space: SearchSpace, metric: Metric) -> CostTable:
        """Costs of all modules of a space.

        Raises:
            NotImplementedError: For milliseconds, unless a subclass knows a device.
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
        """Predicted cost of an architecture of any space, without measuring its file."""
        if metric == "params" or metric == "mb":
            return network_cost(architecture, metric, self._precision)
        return self.table(architecture.space, metric).cost(architecture)

    def learn(self, architectures: Sequence[Architecture], metric: Metric) -> None:
        """Predict costs from now on from those of these networks, which resemble the next ones.

        What is counted needs no prediction: only a subclass that measures learns.
        """

    def measure_quickly(
        self, architectures: Sequence[Architecture], metric: Metric
    ) -> list[float | None]:
        """Costs of several networks, each measured for less time than by :meth:`measure`."""
        return [self.measure(architecture, metric) for architecture in architectures]

    def measure(self, architecture: Architecture, metric: Metric) -> float | None:
        """Cost of an architecture's real file; None where that cannot be measured."""
        if metric == "mb":
            return self._measure_mb(architecture, self._precision)
        return self.table(architecture.space, metric).cost(architecture)

    def sizes_mb(self, architecture: Architecture) -> dict[FilePrecision, float]:
        """Size in MB of an architecture's exported file, in every precision."""
        return {
            precision: self._measure_mb(architecture, precision) for precision in FILE_PRECISIONS
        }

    def usable(self, metric: Metric, limit: float) -> float:
        """The part of a limit that an estimate may use: the margin stays free."""
        return limit / (1 + self.margin(metric))

    def margin(self, metric: Metric) -> float:
        """Share of a limit kept free where nothing is measured, since the table may err."""
        return 0.0
