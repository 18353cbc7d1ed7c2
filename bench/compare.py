"""Finds what got slower or worse from one ``bench.json`` to another, beyond noise."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
from numpy.typing import NDArray

from clearer.bench.accuracy import difference
from clearer.bench.bench import SCHEMA_VERSION
from clearer.bench.report_record import BenchRecord, ComparedRow
from clearer.errors import InputError
from clearer.support.files import read_json
from clearer.support.schema import checked

__all__ = ["LEAST_DB", "LEAST_RATIO", "Comparison", "RowChange", "compare", "read_bench"]

LEAST_RATIO: Final = 0.05
"""Minimum relative change of a median: the same program, run again, differs by a few percent."""
LEAST_DB: Final = 0.01
"""Minimum difference in dB: smaller ones may come from rounding in another library version."""
_RESAMPLINGS: Final = 2000

_SAME: Final[dict[str, Callable[[BenchRecord], Any]]] = {
    "task": lambda report: report["task"],
    "protocol": lambda report: report["protocol"],
    "data": lambda report: report["data"],
    "number of images": lambda report: report["num_images"],
    "noise seed": lambda report: report["noise_seed"],
    "image size": lambda report: report["timed_shape"],
    "device": lambda report: report["environment"]["device"],
    "GPU": lambda report: report["environment"].get("gpu"),
    "threads": lambda report: report["environment"]["threads"],
    "pinned cores": lambda report: report["environment"]["pinned_cores"],
}
"""What two reports must share to be compared."""


@dataclass(frozen=True, kw_only=True, slots=True)
class RowChange:
    """One row before and after."""

    name: str
    backend: str
    precision: str
    old_ms: float
    new_ms: float
    ratio: float
    ratio_interval_95: tuple[float, float]
    is_slower: bool
    is_faster: bool
    change_db: float
    change_interval_95: tuple[float, float] | None
    is_worse: bool
    is_better: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Comparison:
    """All rows that two reports share, and those that they do not."""

    rows: list[RowChange]
    lost: list[str]
    """Rows of the old report that failed in the new one, with the reason."""
    only_old: list[str]
    only_new: list[str]
    note: str
    """Whether times could be judged, and by what."""

    @property
    def is_regression(self) -> bool:
        """Whether something got slower or worse, or fails now."""
        return bool(self.lost) or any(row.is_slower or row.is_worse for row in self.rows)


def read_bench(path: Path) -> BenchRecord:
    """Read a ``bench.json``.

    Raises:
        InputError: If it is missing, of another schema, or damaged.
    """
    report = read_json(path)
    version = report.get("schema_version") if isinstance(report, dict) else None
    if not isinstance(report, dict) or not isinstance(report.get("rows"), list):
        raise InputError(f"{path} is not the report of clearer bench: give a bench.json")
    if version != SCHEMA_VERSION:
        raise InputError(
            f"{path} is of schema version {version}, not {SCHEMA_VERSION}: measure again"
        )
    checked(report, BenchRecord, f"{path} is damaged", advice="measure again")
    compared = cast(BenchRecord, report)
    _require_times(compared, path)
    return compared


def _require_times(report: BenchRecord, path: Path) -> None:
    """Refuse times of zero, whose ratios are meaningless.

    Raises:
        InputError: If there is one; the text names the rows.
    """
    zero = [row for row in report["rows"] if min(row["latency"]["times_ms"]) == 0]
    labels = ", ".join(_label(row) for row in zero or report["rows"])
    if zero:
        raise InputError(
            f"{path}: {labels} cannot be compared, having a time of 0 ms: measure again"
        )
    if report["noise"]["reference_ms"] == 0:
        raise InputError(
            f"{path}: {labels} cannot be compared, since the fixed workload beside took 0 ms: "
            "measure again"
        )


def _psnrs(row: ComparedRow) -> NDArray[np.float64]:
    return np.array([image["psnr_db"] for image in row["images"]], dtype=float)


def compare(old: BenchRecord, new: BenchRecord) -> Comparison:
    """Compare a new report with an old one.

    A row is slower if the 95 % interval of the ratio of medians (bootstrap over rounds) lies above
    1.05, and above the ratio of the fixed reference workload. It is worse if its mean PSNR fell by
    more than 0.01 dB and the 95 % interval of the difference, paired over pictures, lies below 0;
    with one picture, if it fell by more than 0.01 dB. Times are not judged if either report was
    measured on a busy machine.

    Raises:
        InputError: If they were not measured alike; the text names the differences.
    """
    differences = [
        f"{name}: {get(old)} and {get(new)}" for name, get in _SAME.items() if get(old) != get(new)
    ]
    pairs = _pairs(old["rows"], new["rows"])
    for before, after in pairs:
        if before["precision"] != after["precision"]:
            words = f"{before['precision']} and {after['precision']}"
            differences.append(f"precision of {_label(after)}: {words}")
        if [i["image"] for i in before["images"]] != [i["image"] for i in after["images"]]:
            differences.append(f"pictures of {_label(after)}")
    if differences:
        raise InputError(f"the two cannot be compared: {'; '.join(differences)}")
    is_quiet = old["noise"]["is_quiet"] and new["noise"]["is_quiet"]
    drift = new["noise"]["reference_ms"] / old["noise"]["reference_ms"]
    reasons = {(entry["name"], entry["backend"]): entry["reason"] for entry in new["skipped"]}
    old_alone = [row for row in old["rows"] if not any(row is before for before, _ in pairs)]
    lost = [row for row in old_alone if (row["name"], row["backend"]) in reasons]
    return Comparison(
        rows=[_change(before, after, drift, is_quiet=is_quiet) for before, after in pairs],
        lost=[f"{_label(row)}: {reasons[row['name'], row['backend']]}" for row in lost],
        only_old=[_label(row) for row in old_alone if row not in lost],
        only_new=[
            _label(row) for row in new["rows"] if not any(row is after for _, after in pairs)
        ],
        note=_note(is_quiet=is_quiet, drift=drift),
    )


def _note(*, is_quiet: bool, drift: float) -> str:
    if not is_quiet:
        return "times are not judged: one of the two was measured on a busy machine"
    return (
        f"the fixed reference workload took {drift:.2f} times as long in the new one; a row is "
        f"slower only if it lost more than that, and more than {LEAST_RATIO:.0%}"
    )


def _label(row: ComparedRow) -> str:
    return f"{row['name']}, {row['backend']}, {row['precision']}"


_MATCHES: Final = (
    (False, ("kind", "name", "source", "backend", "provider", "precision")),
    (False, ("kind", "name", "source", "backend", "provider")),
    # Our network may have another architecture by now: match the same file of a run.
    (True, ("kind", "source", "backend", "provider", "precision")),
    (True, ("kind", "source", "backend", "provider")),
)
"""Fields that rows are matched by, the strictest first, and whether only for our networks."""


def _pairs(old: list[ComparedRow], new: list[ComparedRow]) -> list[tuple[ComparedRow, ComparedRow]]:
    """Matching rows of two reports, in the order of the new one."""
    found: dict[int, ComparedRow] = {}
    for for_ours, fields in _MATCHES:
        taken = [id(row) for row in found.values()]
        known = _unique([row for row in old if id(row) not in taken], fields)
        left = _unique([row for index, row in enumerate(new) if index not in found], fields)
        for index, row in enumerate(new):
            key = _key(row, fields)
            if left.get(key) is row and key in known and (row["kind"] == "ours" or not for_ours):
                found[index] = known[key]
    return [(found[index], new[index]) for index in sorted(found)]


def _key(row: ComparedRow, fields: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row.get(field) for field in fields)


def _unique(rows: list[ComparedRow], fields: tuple[str, ...]) -> dict[tuple[Any, ...], ComparedRow]:
    """Rows by some fields, if these identify them uniquely."""
    keys = [_key(row, fields) for row in rows]
    return {key: row for key, row in zip(keys, rows, strict=True) if keys.count(key) == 1}


def _change(before: ComparedRow, after: ComparedRow, drift: float, *, is_quiet: bool) -> RowChange:
    old_ms, new_ms = (np.array(row["latency"]["times_ms"]) for row in (before, after))
    rng = np.random.default_rng(0)
    medians = [
        np.median(times[rng.integers(len(times), size=(_RESAMPLINGS, len(times)))], axis=1)
        for times in (old_ms, new_ms)
    ]
    low, high = (float(q) for q in np.quantile(medians[1] / medians[0], [0.025, 0.975]))
    change, interval = difference(_psnrs(after), _psnrs(before))
    top, bottom = interval[::-1] if interval is not None else (change, change)
    return RowChange(
        name=after["name"],
        backend=after["backend"],
        precision=after["precision"],
        old_ms=float(np.median(old_ms)),
        new_ms=float(np.median(new_ms)),
        ratio=float(np.median(new_ms) / np.median(old_ms)),
        ratio_interval_95=(low, high),
        is_slower=bool(is_quiet and low > max(1 + LEAST_RATIO, drift)),
        is_faster=bool(is_quiet and high < min(1 / (1 + LEAST_RATIO), drift)),
        change_db=change,
        change_interval_95=interval,
        is_worse=bool(change < -LEAST_DB and top < 0),
        is_better=bool(change > LEAST_DB and bottom > 0),
    )
