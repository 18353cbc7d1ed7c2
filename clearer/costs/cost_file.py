"""Cost tables in milliseconds as JSON files: written on one device, read on another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

from clearer.costs.cost import CostTable, Measurement
from clearer.errors import InputError
from clearer.space.old_words import space_in_words_of_today
from clearer.space.space import SearchSpace
from clearer.support.files import read_json, write_json
from clearer.support.schema import AtLeast0, checked

__all__ = ["cost_file_name", "read_cost_table", "write_cost_table"]

_SCHEMA_VERSION: Final = 3
_ADVICE: Final = "make it again with clearer profile"


class _TableRecord(TypedDict):
    schema_version: Literal[2, 3]
    metric: Literal["ms"]
    unit: str
    fixed: AtLeast0
    choices: list[tuple[AtLeast0, ...]]
    measurement: Measurement


def cost_file_name(table: CostTable) -> str:
    """Default file name of a measured table."""
    m = table.measurement
    assert m is not None
    suffix = f"-unshuffle{m.space.unshuffle}" if m.space.unshuffle > 1 else ""
    return f"cost-{m.backend}-{m.precision}-w{m.space.width}{suffix}-{m.height}x{m.width}.json"


def write_cost_table(path: Path, table: CostTable) -> None:
    """Write a measured table.

    Raises:
        ValueError: If the table was not measured.
    """
    if table.measurement is None:
        raise ValueError("only measured tables are kept: the others follow from the space")
    write_json(
        path,
        {
            "schema_version": _SCHEMA_VERSION,
            "metric": table.metric,
            "unit": table.unit,
            "fixed": table.fixed,
            "choices": table.choices,
            "measurement": _plain(table.measurement),
        },
    )


def _plain(measurement: Measurement) -> dict[str, Any]:
    return {**asdict(measurement), "space": measurement.space.to_dict()}


def _in_words_of_today(data: Any) -> Any:
    """Rename the fields of the space in a table that an earlier version wrote."""
    measurement = data.get("measurement") if isinstance(data, dict) else None
    if not isinstance(measurement, dict) or "space" not in measurement:
        return data
    space = space_in_words_of_today(measurement["space"])
    return {**data, "measurement": {**measurement, "space": space}}


def read_cost_table(path: Path) -> CostTable:
    """Read what :func:`write_cost_table` wrote.

    Raises:
        InputError: If the file is missing, damaged, or does not describe a table in ms.
    """
    where = f"{path} is not a usable cost table"
    try:
        plain = _in_words_of_today(read_json(path))
    except InputError as error:
        raise InputError(f"{error}; {_ADVICE}") from error
    data = checked(plain, _TableRecord, where, advice=_ADVICE)
    measurement, choices = data["measurement"], tuple(data["choices"])
    SearchSpace.from_dict(plain["measurement"]["space"])  # raises if a field is missing
    space = measurement.space
    rows = [len(space.candidates)] * space.num_choices
    alone = [len(row) for row in measurement.modules_alone_ms]
    if [len(row) for row in choices] != rows or alone != rows:
        raise InputError(f"{where}: its space has other choices; {_ADVICE}")
    return CostTable(
        metric="ms",
        unit="ms",
        fixed=data["fixed"],
        choices=choices,
        measurement=measurement,
    )
