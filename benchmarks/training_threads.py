"""How long training steps take with one thread or two, that sleep or spin while they wait.

    python benchmarks/training_threads.py threads.json

Three networks of the default race, batches of 8 patches of 48x48, fp32. Each measurement is a
separate process, since threads are set up once. All kinds are measured on the quiet machine, then
beside a training on one core at the lowest priority. A process that takes too long is given up.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from training_speed import quick_settings

from clearer.data.splits import load_splits
from clearer.space.shapes import Shape, u_space
from clearer.space.space import Architecture, SearchSpace
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.training.processes import Processes
from clearer.training.training_step import TrainingStep, new_training_state, training_sampler

ROUNDS: Final = 2
SKIPPED: Final = 3
STEPS: Final = 12
PATIENCE_S: Final = 120
KINDS: Final = {
    "two threads that sleep": (2, {"OMP_WAIT_POLICY": "PASSIVE"}),
    "two threads that spin": (2, {}),
    "two threads that spin for 30,000 rounds, then sleep": (2, {"GOMP_SPINCOUNT": "30000"}),
    "one thread": (1, {}),
}
LOAD: Final = "--load"


def architectures() -> list[Architecture]:
    """U shapes that the default race compares."""
    base = SearchSpace(residual=True)
    shapes = (
        Shape(u_space(base, unshuffle=1, width=16, growth=2.0), (1, 1), 2, (1, 1)),
        Shape(u_space(base, unshuffle=1, width=12, growth=2.0), (1, 1, 1), 4, (1, 1, 1)),
        Shape(u_space(base, unshuffle=2, width=32, growth=1.5), (1, 1), 6, (1, 1)),
    )
    return [shape.architecture() for shape in shapes]


def steps_of(architecture: Architecture) -> Iterator[float]:
    """Seconds of one training step after another, without end."""
    settings = replace(quick_settings(), space=architecture.space, precision="fp32")
    alone = Processes()
    images = load_splits(None, "gray", 0, settings.task).train
    sampler = training_sampler(settings, images, 0, alone)
    state = new_training_state(settings, architecture, alone)
    step = TrainingStep(settings, state, alone, print)
    while True:
        start = time.perf_counter()
        step(sampler.batch(1), settings.train.learning_rate, 5).item()
        yield time.perf_counter() - start


def median_ms(architecture: Architecture) -> float:
    """Median of some steps, the first ones left out."""
    steps = steps_of(architecture)
    seconds = [next(steps) for _ in range(SKIPPED + STEPS)]
    return 1000 * float(np.median(seconds[SKIPPED:]))


def measured_ms(threads: int, variables: dict[str, str]) -> float | None:
    """Sum of the medians of all networks, in a new process; None if it does not end in time."""
    command = [sys.executable, __file__, str(threads)]
    try:
        done = subprocess.run(
            command,
            env=_environment(variables),
            capture_output=True,
            check=True,
            timeout=PATIENCE_S,
        )
    except subprocess.TimeoutExpired:
        return None
    return float(json.loads(done.stdout))


def _environment(variables: dict[str, str]) -> dict[str, str]:
    known = {n: v for n, v in os.environ.items() if not n.startswith(("OMP_", "GOMP_"))}
    return known | variables


@contextmanager
def a_training() -> Iterator[None]:
    """Train on one core, at the lowest priority, meanwhile."""
    command = ["nice", "-n", "19", sys.executable, __file__, LOAD]
    with subprocess.Popen(command, env=_environment({}), stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it has begun
        try:
            yield
        finally:
            process.kill()


def main() -> None:
    """Measure one kind in this process, or all."""
    if len(sys.argv) != 2:
        raise SystemExit((__doc__ or "").strip())
    if sys.argv[1] == LOAD:
        torch.set_num_threads(1)
        for seconds in steps_of(architectures()[0]):
            print(seconds, flush=True)
    elif sys.argv[1].isdigit():
        torch.set_num_threads(int(sys.argv[1]))
        print(json.dumps(sum(map(median_ms, architectures()))))
    else:
        measure(Path(sys.argv[1]))


def measure(out: Path) -> None:
    """Measure all kinds in turn, quiet and beside a training, and write the file."""
    result: dict[str, Any] = {
        "device": device_name("cpu"),
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "precision": "fp32",
        "settings": f"{[a.label for a in architectures()]}, batch 8, patch 48; sums of medians of "
        f"{STEPS} steps, in {ROUNDS} rounds; none where {PATIENCE_S} s were too few",
    }
    result["ms, quiet"] = all_kinds()
    with a_training():
        result["ms, beside a training"] = all_kinds()
    write_json(out, result)


def all_kinds() -> dict[str, list[float | None]]:
    """Milliseconds of each kind in each round."""
    found: dict[str, list[float | None]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind, (threads, variables) in KINDS.items():
            found[kind].append(measured_ms(threads, variables))
            print(kind, found[kind], flush=True)
    return found


if __name__ == "__main__":
    main()
