"""The share of a training step that making its batch takes.

    python benchmarks/loader.py

The batch is cut, flipped and degraded in the training process, so its time adds to the step's.
Prints one JSON object: medians over interleaved repetitions, on the CPU, with the quick preset.
"""

from __future__ import annotations

import json
import time

import numpy as np
import torch
from training_speed import quick_settings

from clearer.data.patches import PatchSampler
from clearer.data.splits import load_splits
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture
from clearer.support.device import device_name
from clearer.training.losses import restoration_loss
from clearer.training.precision import autocast

REPETITIONS = 40


def main() -> None:
    """Measure and print."""
    settings = quick_settings()
    train = settings.train
    sampler = PatchSampler(
        load_splits(None, settings.color, 0, settings.task).train,
        settings.task,
        patch_size=train.patch_size,
        batch_size=train.batch_size,
        seed=[0],
    )
    network = RestorationNet(Architecture.from_text("PPPP-PPPP-FPFF", settings.space))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters())
    loader_ms, step_ms = [], []
    for index in range(REPETITIONS):
        start = time.perf_counter()
        degraded, clean, _ = sampler.batch(index)
        middle = time.perf_counter()
        with autocast("cpu", settings.precision):
            restored = network(degraded)
        optimizer.zero_grad()
        restoration_loss(restored.float(), clean).backward()
        optimizer.step()
        loader_ms.append(1000 * (middle - start))
        step_ms.append(1000 * (time.perf_counter() - middle))
    loader, step = float(np.median(loader_ms[5:])), float(np.median(step_ms[5:]))
    result = {
        "device": device_name("cpu"),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": settings.precision,
        "batch": [train.batch_size, train.patch_size],
        "loader_ms": loader,
        "step_ms": step,
        "loader_share": loader / (loader + step),
    }
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
