"""Time and memory of a step of search and of training, compared with the plain reference loops.

    python benchmarks/training_speed.py speed.json

Each measurement is a separate process, with the kinds interleaved, so that each has its own peak
memory and a drift of the machine affects all. Settings: the quick preset at width 14. At last,
the default search, a race, is run as a user would run it.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from reference_loop import ReferenceSearch, ReferenceTraining

from clearer.costs.cost_source import CostSource
from clearer.data.patches import PatchSampler
from clearer.data.splits import load_splits
from clearer.export.to_onnx import file_mb
from clearer.planning.workflow import make_settings
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS, RunSettings
from clearer.searching.search import search
from clearer.space.space import Architecture
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.tasks.denoise import Denoise
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.training_step import TrainingStep, new_training_state

ROUNDS: Final = 3
SKIPPED: Final = 3
STEPS: Final = 12
ARCHITECTURE: Final = "PPPP-PPPP-FFFP"
KINDS: Final = (
    "reference, warm-up",
    "clearer, warm-up",
    "reference, search",
    "clearer, search by the mixture",
    "clearer, search",
    "reference, training",
    "clearer, training",
)


def quick_settings() -> RunSettings:
    """The quick preset at width 14, on the built-in pictures."""
    return make_settings(
        preset="quick",
        task=Denoise(),
        color="gray",
        data=None,
        budgets=(),
        image_size=(256, 256),
        costs=CostSource((256, 256), file_mb),
        strategy="gradient",
        num_seeds=1,
        seed=0,
        device="cpu",
        precision="auto",
        space={"width": 14},
        search={},
        train={},
    )


def _times(step: Callable[[], object]) -> list[float]:
    seconds = []
    for _ in range(SKIPPED + STEPS):
        start = time.perf_counter()
        step()
        seconds.append(time.perf_counter() - start)
    return seconds[SKIPPED:]


def _search_times(settings: RunSettings, images: Any, warmup: bool, sampling: bool) -> list[float]:
    count = SKIPPED + STEPS
    changed = replace(
        settings.search,
        iterations=count,
        warmup_iterations=count if warmup else 0,
        sampling=sampling,
        decay="search",
    )
    moments: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        settings = replace(settings, search=changed)
        search(
            Run.create(Path(folder) / "run", settings),
            settings,
            images,
            [],
            Loop(
                resume=False,
                checkpoint_seconds=1e9,
                listener=lambda progress: moments.append(time.perf_counter()),
                processes=Processes(),
            ),
            go_on="the same command",
        )
    # The last iteration also writes the checkpoint, but after it is reported.
    return np.diff(moments[SKIPPED - 1 :]).tolist()


def measure(kind: str) -> dict[str, Any]:
    """Measure one kind, in this process."""
    settings = quick_settings()
    images = load_splits(None, "gray", 0, settings.task).train
    s = settings.train
    sizes = (s.patch_size, s.batch_size)
    architecture = Architecture.from_text(ARCHITECTURE, settings.space)
    loader: list[float] = [0.0]
    if kind == "reference, training":
        seconds = _times(ReferenceTraining(architecture, images, *sizes, 25).step)
    elif kind.startswith("reference"):
        loop = ReferenceSearch(settings.space, images, *sizes, 25)
        both = kind == "reference, search"
        seconds = _times(loop.both if both else loop.weights)
    elif kind == "clearer, training":
        processes = Processes()
        state = new_training_state(settings, architecture, processes)
        sampler = PatchSampler(
            images, settings.task, patch_size=sizes[0], batch_size=sizes[1], seed=[0]
        )
        step = TrainingStep(settings, state, processes, print)
        loader = _times(lambda: sampler.batch(1))
        seconds = _times(lambda: step(sampler.batch(2), s.learning_rate, 5).item())
    else:
        sampling = kind != "clearer, search by the mixture"
        seconds = _search_times(settings, images, kind == "clearer, warm-up", sampling)
    return {
        "seconds": seconds,
        "loader_seconds": loader,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6,
        "precision": settings.precision,
    }


def race_seconds() -> float:
    """Time of ``clearer search --budget-mb 5 --no-train``, all of it."""
    command = [sys.executable, "-m", "clearer", "search", "--budget-mb", "5", "--no-train"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run(command, cwd=folder, capture_output=True, check=True)
        return time.perf_counter() - start


def main() -> None:
    """Measure all kinds in turn, print a table and write it."""
    if len(sys.argv) != 2:
        raise SystemExit((__doc__ or "").strip())
    if sys.argv[1] in KINDS:
        print(json.dumps(measure(sys.argv[1])))
        return
    found: dict[str, list[dict[str, Any]]] = {kind: [] for kind in KINDS}
    for _ in range(ROUNDS):
        for kind in KINDS:
            command = [sys.executable, __file__, kind]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            found[kind].append(json.loads(done.stdout))
    ms = {
        kind: 1000 * float(np.median(np.concatenate([row["seconds"] for row in rows])))
        for kind, rows in found.items()
    }
    quick = PRESETS["quick"].search
    rest = quick.iterations - quick.warmup_iterations
    whole = {
        who: (quick.warmup_iterations * ms[f"{who}, warm-up"] + rest * ms[f"{who}, search"]) / 1000
        for who in ("reference", "clearer")
    }
    whole["clearer, race"] = race_seconds()
    train = found["clearer, training"]
    loader_ms = 1000 * float(np.median(np.concatenate([row["loader_seconds"] for row in train])))
    result = {
        "device": device_name("cpu"),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": {"reference": "fp32", "clearer": train[0]["precision"]},
        "settings": f"gray, width 14, {ARCHITECTURE}, batch 8, patch 48; rounds: {ROUNDS}, of "
        f"{STEPS} steps, medians",
        "ms_per_step": ms,
        "peak_mb": {k: float(np.median([r["peak_mb"] for r in rows])) for k, rows in found.items()},
        "loader_ms": loader_ms,
        "quick_search_seconds": whole,
        "speedup": {
            "warm-up": ms["reference, warm-up"] / ms["clearer, warm-up"],
            "search by the mixture": ms["reference, search"] / ms["clearer, search by the mixture"],
            "search by sampling": ms["reference, search"] / ms["clearer, search"],
            "quick search, whole": whole["reference"] / whole["clearer"],
            "race instead": whole["reference"] / whole["clearer, race"],
            "training": ms["reference, training"] / ms["clearer, training"],
        },
    }
    write_json(Path(sys.argv[1]), result)
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
