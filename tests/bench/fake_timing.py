"""A small plan, timed quickly or with invented times."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from clearer.bench import device_timer, measured_costs
from clearer.bench.device_timer import Session
from clearer.space.space import SearchSpace

TINY = SearchSpace(width=2, columns=(1, 2), residual=True)


def measure_quickly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Measure briefly, without a warm-up, and with a separate cache, which is returned."""
    cache = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(cache))
    monkeypatch.setattr(device_timer, "WARMUP_SECONDS", 0.0)
    monkeypatch.setattr(measured_costs, "_PROFILE_SECONDS", 0.5)
    monkeypatch.setattr(measured_costs, "_PROBE_SECONDS", 0.1)
    monkeypatch.setattr(measured_costs, "_CHECK_SECONDS", 0.1)
    return cache


def session(ms: float, info: dict[str, str] | None = None) -> Session:
    """A 'network' that takes no time and reports a given time."""
    about = info or {"version": "1", "device": "a board", "precision": "fp32"}
    made = Session(lambda arrays: None, [(1,)], about)
    made.run_ms = lambda turn: ms  # type: ignore[method-assign]
    return made


def fake_times(entry: dict[str, Any]) -> Session:
    """Times that add up: 10 and, per column, 1 for parallel and 3 for fusion."""
    if entry["module"] is not None:
        return session(5.0)
    text = entry["architecture"]["choices"]
    return session(10.0 + text.count("P") + 3 * text.count("F"))


def ignore(done: float, groups: int, rounds: int) -> None:
    pass
