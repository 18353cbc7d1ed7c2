"""TensorRT engines of zoo networks: built, found again, and timed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np
from pieces import clearer_environment

from clearer.bench.engine_runner import EngineRunner
from clearer.errors import ClearerError

__all__ = ["engine_rows"]

_CALLS: Final = 50
_BUILD_SECONDS: Final = 200


def engine_rows(
    names: list[str], size: tuple[int, int], say: Callable[[str], None]
) -> list[dict[str, Any]]:
    """Build an engine of each network twice (the second time it must be reused), and time it.

    Args:
        names: Networks of the zoo.
        size: (height, width) of the picture that is timed.
        say: Takes a line for the user.

    Returns:
        What ``clearer export`` reports for each, and its milliseconds, including copies.
    """
    rows = []
    for name in names:
        with tempfile.TemporaryDirectory() as folder:
            run = Path(folder) / name
            try:
                _export(name, run)
                (row,) = _export(name, run)["engines"]
                if not row["reused"]:
                    say(f"{name}: the engine was built again where nothing had changed")
                (path,) = run.glob("*.engine")
                for graph in (False, True):
                    row["graphed_ms" if graph else "plain_ms"] = _time(path, size, graph)
            except (ClearerError, subprocess.SubprocessError, ValueError, KeyError) as error:
                say(f"{name}, TensorRT: {error}")
                continue
            rows.append({"network": name, **row})
    return rows


def _export(name: str, run: Path) -> dict[str, Any]:
    """``clearer export --trt``, as a user types it."""
    given = [str(run)] if run.exists() else [name, "--out", str(run)]
    done = subprocess.run(
        [sys.executable, "-m", "clearer", "export", *given, "--trt", "--json"],
        env=clearer_environment(),
        capture_output=True,
        text=True,
        timeout=_BUILD_SECONDS,
    )
    if done.returncode:
        raise ClearerError((done.stderr.splitlines() or ["no word"])[-1])
    made: dict[str, Any] = json.loads(done.stdout)
    return made


def _time(path: Path, size: tuple[int, int], cuda_graph: bool) -> float:
    runner = EngineRunner(path.stem, path, cuda_graph=cuda_graph)
    try:
        channels = 3 if path.parent.name.startswith("rgb") else 1
        image = np.random.default_rng(0).random((1, channels, *size), dtype=np.float32)
        times = []
        for _ in range(_CALLS):
            start = time.perf_counter()
            runner(image)
            times.append(1000 * (time.perf_counter() - start))
        return float(np.median(times[_CALLS // 5 :]))
    finally:
        runner.close()
