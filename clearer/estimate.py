"""How long another preset would take on this machine, from the speed of a finished run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from clearer.cost import cost_table
from clearer.files import read_jsonl
from clearer.run import Run
from clearer.settings import PRESETS, Preset

__all__ = ["preset_hours"]


def preset_hours(run: Run, preset: str) -> float:
    """Hours of search and training, estimated by multiply-accumulates from the logs of a run.

    Wide networks use a processor better than narrow ones, so the true time may well be less.
    """
    settings = run.settings()
    done = replace(
        PRESETS[preset], space=settings.space, search=settings.search, train=settings.train
    )
    hours = 0.0
    for log, theirs, ours in zip(
        (run.search_log, run.train_log), _work(PRESETS[preset]), _work(done), strict=True
    ):
        speeds = [r["iterations_per_s"] for r in read_jsonl(log) if "iterations_per_s" in r]
        if speeds:
            iterations = (settings.search if log == run.search_log else settings.train).iterations
            hours += iterations / float(np.median(speeds)) * theirs / ours / 3600
    return hours


def _work(preset: Preset) -> tuple[float, float]:
    """Multiply-accumulates of the forward passes of (search, training)."""
    table = cost_table(preset.space, "macs")
    supernet = table.fixed + sum(map(sum, table.choices))
    network = (table.cheapest + table.dearest) / 2
    search, train = preset.search, preset.train
    passes = search.iterations + (search.iterations - search.warmup_iterations)
    return (
        passes * search.batch_size * search.patch_size**2 * supernet,
        train.iterations * train.batch_size * train.patch_size**2 * network,
    )
