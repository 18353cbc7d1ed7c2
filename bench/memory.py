"""Peak memory of one row, measured in a separate process.

``python -m clearer.bench.memory SPEC`` prints how far peak resident memory rises above that after
importing the package, while the network of a row is loaded and called a few times at the timed
size. Python, numpy and the package itself are not counted.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import numpy as np

from clearer.bench.rows import RowSpec, import_backend, open_runner

__all__ = ["peak_memory_mb"]

_NUM_CALLS: Final = 3
_MAX_SECONDS: Final = 300.0
# Not ru_maxrss: a new process inherits that from its parent.
_STATUS: Final = Path("/proc/self/status")


def peak_memory_mb(spec: RowSpec) -> float | None:
    """Peak memory in MB (10**6 bytes), with the input and output of a call; None if unknown.

    It is unknown if the system has no ``/proc``, the row fails, or five minutes pass.
    """
    if not _STATUS.exists():
        return None
    command = [sys.executable, "-m", "clearer.bench.memory", spec.to_json()]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=_MAX_SECONDS
        )
        return float(done.stdout.split()[-1])
    except (subprocess.SubprocessError, ValueError, IndexError):
        return None


def _status_mb(field: str) -> float:
    for line in _STATUS.read_text().splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) * 1024 / 1e6
    raise RuntimeError(f"{_STATUS} does not say {field}")


def _measure(spec: RowSpec) -> float:
    import_backend(spec)
    image = np.random.default_rng(0).random(
        (1, spec.channels, spec.height, spec.width), dtype=np.float32
    )
    before = _status_mb("VmHWM")
    runner = open_runner(spec)
    for _ in range(_NUM_CALLS):
        runner(image)
    return _status_mb("VmHWM") - before


if __name__ == "__main__":
    print(_measure(RowSpec.from_json(sys.argv[1])))
