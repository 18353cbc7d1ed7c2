"""How long clearer's training takes to the PSNR of the paper's plain loop, for one network.

    python benchmarks/zoo/recipes.py bsds500-fair .
    OMP_NUM_THREADS=1 python benchmarks/equal_results.py bsds500-fair equal.json --iterations 480

Gray, sigma 25: PPPP-PPPP-FFFP of width 14 by both, with batches of 8 patches of 48x48. The plain
loop (``reference_loop.py``) has Adam with the same cosine decay; it is tried at several learning
rates, and the best counts. Ours is that of ``clearer train`` with the settings of ``quick``, in
trainings of several lengths, each whole. Seconds are those of the processor, with one validation
at the end. The file is written after each training; those that it holds are skipped.
"""

from __future__ import annotations

import argparse
import math
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import torch
from reference_loop import ReferenceTraining
from study_file import add_row, missing
from training_speed import ARCHITECTURE, quick_settings

from clearer.data.splits import Splits, load_splits
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.runs.run import Run
from clearer.space.space import Architecture
from clearer.support.device import device_name
from clearer.support.files import write_json
from clearer.training.loop import Loop
from clearer.training.processes import Processes
from clearer.training.train import train

SIDE: Final = 128
RATES: Final = (1e-3, 3e-3)
SHARES: Final = (1, 2 / 3, 1 / 2, 1 / 3)
"""Lengths of our trainings, of that of the plain one."""


def main() -> None:
    """Train what the file lacks."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train/ and val/")
    parser.add_argument("out", type=Path)
    parser.add_argument("--iterations", type=int, default=480)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    settings = quick_settings()
    found = load_splits(arguments.data, "gray", 0, settings.task)
    splits = Splits(found.train, found.val.middles(SIDE), found.test, found.source)
    about = {
        "task": settings.task.text,
        "network": f"{ARCHITECTURE}, width 14",
        "data": f"{len(splits.train)} to train on, middles of {len(splits.val)} to validate",
        "batch": f"{settings.train.batch_size} patches of {settings.train.patch_size}",
        "device": device_name("cpu"),
        "threads": 1,
        "precision": settings.precision,
        "torch": torch.__version__,
    }
    count = arguments.iterations
    plans: dict[str, tuple[int, float | None]] = {
        f"plain, {count:,} at {rate:g}": (count, rate) for rate in RATES
    }
    for length in (round(count * share) for share in SHARES):
        plans[f"clearer, {length:,}"] = (length, None)
    for name in missing(arguments.out, about, "trainings", plans):
        length, rate = plans[name]
        start = time.process_time()
        psnr_db = plain(splits, length, rate) if rate else ours(splits, length)
        row = {"iterations": length, "learning_rate": rate, "psnr_db": psnr_db}
        row["seconds"] = time.process_time() - start
        add_row(arguments.out, about, "trainings", name, row)
        print(f"{name}: {psnr_db:.3f} dB in {row['seconds']:.0f} s", flush=True)


def plain(splits: Splits, iterations: int, rate: float) -> float:
    """PSNR in dB after a training by the plain loop, its rate decaying by a cosine."""
    torch.manual_seed(0)
    settings = quick_settings()
    architecture = Architecture.from_text(ARCHITECTURE, settings.space)
    sizes = settings.train.patch_size, settings.train.batch_size
    loop = ReferenceTraining(architecture, splits.train, *sizes, sigma=25)
    for iteration in range(iterations):
        loop.set_rate(rate * 0.5 * (1 + math.cos(math.pi * iteration / iterations)))
        loop.step()
    restore = torch_restorer(loop.network.eval())
    return evaluate(restore, splits.val, settings.task, VALIDATION_SEED).psnr_db


def ours(splits: Splits, iterations: int) -> float:
    """PSNR in dB after a training by ``clearer train``."""
    settings = quick_settings()
    warmup = min(settings.train.warmup_iterations, iterations // 10)
    train_settings = replace(
        settings.train,
        iterations=iterations,
        warmup_iterations=warmup,
        validate_every=iterations,
    )
    settings = replace(settings, train=train_settings)
    architecture = Architecture.from_text(ARCHITECTURE, settings.space)
    with tempfile.TemporaryDirectory() as folder:
        run = Run.create(Path(folder) / "run", settings)
        write_json(run.architecture, architecture.to_dict())
        loop = Loop(
            resume=False,
            checkpoint_seconds=math.inf,
            listener=lambda progress: None,
            processes=Processes(),
        )
        best: dict[str, Any] = train(run, settings, splits, loop)
    return float(best["val_psnr_db"])


if __name__ == "__main__":
    main()
