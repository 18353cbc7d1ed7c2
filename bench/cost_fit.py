"""Fits a cost table to the latencies of whole networks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

import numpy as np
from numpy.typing import NDArray

from clearer.bench.device_timer import RESULT_FILE, drift_free_ms, relative_errors
from clearer.bench.plan import Entry, Plan, read_plan
from clearer.costs.cost import CostTable, Measurement, Module, modules
from clearer.errors import InputError
from clearer.space.space import Architecture, SearchSpace
from clearer.support.files import read_record
from clearer.support.schema import Above0, Count

__all__ = ["Check", "ResultRecord", "collect", "fit_table"]

_MIN_ROUNDS: Final = 3
_ADVICE: Final = "measure again"


class _Group(TypedDict):
    rounds: list[list[Above0]]
    finished: bool


class ResultRecord(TypedDict):
    """``result.json``: latencies of the networks of a plan, in ms."""

    schema_version: Literal[2]
    plan_sha256: str
    device: str
    backend: str
    version: str
    precision: str
    threads: Count
    measured: str
    groups: list[_Group]
    finished: bool


def fit_table(
    architectures: list[Architecture], ms: list[float]
) -> tuple[float, dict[Module, float]]:
    """Fit the fixed part and the time of each module in ms, by least squares.

    The time of a whole network is modelled as a fixed part plus a time per module, all at least 0,
    with the smallest sum of squared *relative* errors. Timing modules alone and adding up predicts
    badly: alone, a module also pays for copying inputs and outputs and for changing their layout,
    which vanishes inside a network (with OpenVINO and bf16 such sums were far off).
    Differences between networks that differ in one column are free of that, but each has the noise
    of two measurements; least squares uses all networks for every module, so noise averages out.

    Args:
        architectures: Networks of one space, or with other numbers of columns; each module occurs.
        ms: Their latencies.
    """
    from scipy.optimize import nnls  # takes a second, and most searches time nothing

    times = np.array(ms)
    counts = [_counts(architecture) for architecture in architectures]
    known = list(dict.fromkeys(module for count in counts for module in count))
    rows = np.array([[1.0, *(float(count[module]) for module in known)] for count in counts])
    solution, _ = nnls(rows / times[:, None], np.ones(len(times)))
    return float(solution[0]), dict(zip(known, solution[1:].tolist(), strict=True))


def _counts(architecture: Architecture) -> Counter[Module]:
    """How often each module occurs in a network."""
    rows = zip(modules(architecture.space), architecture.picks, strict=True)
    chosen = (row[pick] for row, pick in rows)
    return Counter(module for module in chosen if module is not None)


def _rows(space: SearchSpace, ms: Mapping[Module, float]) -> tuple[tuple[float, ...], ...]:
    """Arrange the times of modules as the rows of a cost table."""
    return tuple(
        tuple(0.0 if module is None else ms[module] for module in row) for row in modules(space)
    )


def _left_out_errors(
    space: SearchSpace, architectures: list[Architecture], ms: list[float]
) -> NDArray[np.float64]:
    """Leave-one-out errors: relative, for each network of the space, from a fit to all others."""
    errors = []
    for index, architecture in enumerate(architectures):
        if architecture.space != space:
            continue
        others = [a for i, a in enumerate(architectures) if i != index]
        fixed, found = fit_table(others, [t for i, t in enumerate(ms) if i != index])
        counts = _counts(architecture)
        predicted = fixed + sum(found.get(module, 0.0) * n for module, n in counts.items())
        errors.append(predicted / ms[index] - 1)
    return np.array(errors)


def collect(folder: Path) -> tuple[CostTable, Check | None]:
    """The cost table from a folder of results, and its check if networks for it were timed.

    Raises:
        InputError: If there is no result, or it belongs to another plan or is damaged.
    """
    plan, sha256 = read_plan(folder)
    path = folder / RESULT_FILE
    if not path.exists():
        raise InputError(
            f"{path} is not there: run device_timer.py in {folder} on the device, and copy it back"
        )
    result = read_record(path, ResultRecord, advice=_ADVICE)
    if result["plan_sha256"] != sha256:
        raise InputError(
            f"{path} was measured with other networks than those in {folder}: measure again"
        )
    rounds = [group["rounds"] for group in result["groups"]]
    if not rounds:
        raise InputError(f"{path} holds no times; {_ADVICE}")
    try:
        table = _table(plan, result, rounds)
        return table, _check(plan, table, rounds)
    except ValueError as error:
        raise InputError(f"{path} is damaged ({error}); {_ADVICE}") from error


def _table(plan: Plan, result: ResultRecord, groups: list[list[list[float]]]) -> CostTable:
    entries, rounds = plan.groups[0], groups[0]
    if len(rounds) < _MIN_ROUNDS:
        raise InputError(
            f"{len(rounds)} rounds were measured, too few for a table: start the script again, "
            "it continues from there"
        )
    ms = _medians(entries, rounds)
    networks = [entry for entry in entries if entry.module is None]
    architectures = [entry.architecture for entry in networks]
    times = ms[: len(networks)]
    fixed, found = fit_table(architectures, times)
    left_out = np.abs(_left_out_errors(plan.space, architectures, times))
    singles = [entry.module for entry in entries if entry.module is not None]
    alone = dict(zip(singles, ms[len(networks) :], strict=True))
    return CostTable(
        metric="ms",
        unit="ms",
        fixed=fixed,
        choices=_rows(plan.space, found),
        measurement=Measurement(
            space=plan.space,
            height=plan.height,
            width=plan.width,
            device=result["device"],
            backend=result["backend"],
            version=result["version"],
            precision=result["precision"],
            threads=result["threads"],
            measured=result["measured"],
            num_rounds=len(rounds),
            # Only of networks: the table is not based on modules that were timed alone.
            spread=max(relative_errors(rounds)[: len(networks)]),
            error=float(left_out.mean()),
            max_error=float(left_out.max()),
            modules_alone_ms=_rows(plan.space, alone),
        ),
    )


def _medians(entries: tuple[Entry, ...], rounds: list[list[float]]) -> list[float]:
    times = np.array(rounds, dtype=float)
    if times.shape[1:] != (len(entries),) or not (np.isfinite(times).all() and (times > 0).all()):
        raise ValueError("its times do not belong to its plan")
    return drift_free_ms(rounds)


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """Held-out networks, to which a table was not fitted: predicted and measured latency."""

    architectures: list[str]
    measured_ms: list[float]
    predicted_ms: list[float]
    modules_alone_ms: list[float]
    """Sum of the modules timed alone, with the fixed part that is exact for the first network."""
    drift: float
    """Largest relative change of the reference network's time between groups. Measured times are
    corrected for it, so that the table is judged, not the machine."""

    @property
    def mape(self) -> float:
        """Mean absolute relative error of the predictions."""
        return _mape(self.predicted_ms, self.measured_ms)

    @property
    def mape_modules_alone(self) -> float:
        """The same for the sums of modules timed alone."""
        return _mape(self.modules_alone_ms, self.measured_ms)

    @property
    def rho(self) -> float:
        """Spearman's rank correlation of predicted and measured."""
        from scipy.stats import spearmanr  # takes a second, and most searches time nothing

        return float(spearmanr(self.predicted_ms, self.measured_ms).statistic)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "num_networks": len(self.architectures),
            "mape": self.mape,
            "max_error": float(np.max(np.abs(_errors(self.predicted_ms, self.measured_ms)))),
            "rho": self.rho,
            "mape_modules_alone": self.mape_modules_alone,
            "drift": self.drift,
            **{
                name: getattr(self, name)
                for name in ("architectures", "measured_ms", "predicted_ms", "modules_alone_ms")
            },
        }


def _errors(predicted: list[float], measured: list[float]) -> NDArray[np.float64]:
    errors: NDArray[np.float64] = np.array(predicted) / np.array(measured) - 1
    return errors


def _mape(predicted: list[float], measured: list[float]) -> float:
    return float(np.abs(_errors(predicted, measured)).mean())


def _check(plan: Plan, table: CostTable, groups: list[list[list[float]]]) -> Check | None:
    # A measurement that was stopped may lack groups.
    done = [
        (entries, rounds)
        for entries, rounds in zip(plan.groups[1:], groups[1:], strict=False)
        if len(rounds) >= _MIN_ROUNDS
    ]
    if not done:
        return None
    reference = _medians(plan.groups[0], groups[0])[0]
    measured, architectures, drifts = [], [], []
    for entries, rounds in done:
        ms = _medians(entries, rounds)
        drifts.append(ms[0] / reference)
        measured += [value / drifts[-1] for value in ms[1:]]
        architectures += [entry.architecture for entry in entries[1:]]
    alone = _alone_table(table)
    shift = reference - alone.cost(plan.groups[0][0].architecture)
    return Check(
        architectures=[architecture.text for architecture in architectures],
        measured_ms=measured,
        predicted_ms=[table.cost(architecture) for architecture in architectures],
        modules_alone_ms=[alone.cost(architecture) + shift for architecture in architectures],
        drift=max(abs(drift - 1) for drift in drifts),
    )


def _alone_table(table: CostTable) -> CostTable:
    """The table as if modules cost the same in a network as alone."""
    assert table.measurement is not None
    return replace(table, choices=table.measurement.modules_alone_ms)
