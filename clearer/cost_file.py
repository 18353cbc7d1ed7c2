"""Cost tables in milliseconds as JSON files, which one device writes and another reads."""

from __future__ import annotations

import math
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final

from clearer.cost import CostTable, Measurement
from clearer.errors import InputError
from clearer.files import read_json, write_json
from clearer.space import SearchSpace

__all__ = ["read_cost_table", "write_cost_table"]

_SCHEMA_VERSION: Final = 1
_KINDS: Final[dict[str, tuple[type, ...]]] = {"int": (int,), "float": (int, float), "str": (str,)}


def write_cost_table(path: Path, table: CostTable) -> None:
    """Write a measured table.

    Raises:
        ValueError: If the table was not measured.
    """
    if table.measurement is None:
        raise ValueError("only measured tables are kept: the others follow from the space")
    data = asdict(table.measurement)
    data["space"] = table.measurement.space.to_dict()
    write_json(
        path,
        {
            "schema_version": _SCHEMA_VERSION,
            "metric": table.metric,
            "unit": table.unit,
            "fixed": table.fixed,
            "columns": table.columns,
            "measurement": data,
        },
    )


def read_cost_table(path: Path) -> CostTable:
    """Read what :func:`write_cost_table` wrote.

    Raises:
        InputError: If the file is missing, damaged, or does not describe a table in ms.
    """
    data = read_json(path)
    try:
        if data["schema_version"] != _SCHEMA_VERSION or data["metric"] != "ms":
            raise ValueError(f"not a table in ms of schema version {_SCHEMA_VERSION}")
        measurement = _read_measurement(data["measurement"])
        columns = tuple((_cost(a), _cost(b)) for a, b in data["columns"])
        if len(columns) != measurement.space.num_columns:
            raise ValueError(f"{len(columns)} columns, but its space has another number")
        return CostTable(
            metric="ms",
            unit="ms",
            fixed=_cost(data["fixed"]),
            columns=columns,
            measurement=measurement,
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        reason = f"{error.args[0]} is missing" if isinstance(error, KeyError) else error
        raise InputError(
            f"{path} is not a usable cost table ({reason}): make it anew with clearer profile"
        ) from error


def _read_measurement(data: dict[str, Any]) -> Measurement:
    values = dict(data)
    values["space"] = SearchSpace.from_dict(values["space"])
    alone = values["modules_alone_ms"]
    values["modules_alone_ms"] = tuple((_cost(a), _cost(b)) for a, b in alone)
    for field in fields(Measurement):
        kinds = _KINDS.get(str(field.type))
        if kinds and not isinstance(values[field.name], kinds):
            raise ValueError(f"{field.name} must be of type {field.type}")
    for name in ("spread", "error", "max_error"):
        _cost(values[name])
    return Measurement(**values)


def _cost(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"{value!r} is not a number")
    if not (math.isfinite(value) and value >= 0):
        raise ValueError(f"{value} is not a finite number of at least 0")
    return float(value)
