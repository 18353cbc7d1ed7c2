"""How long another preset would take on this machine, from the speed of a finished run."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from clearer.costs.cost import cost_table, network_cost
from clearer.runs.run import Run
from clearer.runs.settings import PRESETS, SearchSettings, TrainSettings
from clearer.space.space import SearchSpace
from clearer.support.files import read_jsonl

__all__ = ["preset_hours"]


def preset_hours(run: Run, preset: str) -> float:
    """Hours of search and training, estimated by multiply-accumulates from the logs of a run.

    Wide networks use a processor better than narrow ones, so the true time may well be less. Where
    the run was not searched by gradient, the speed of its training counts for the search, too.
    """
    settings, wanted = run.settings(), PRESETS[preset]
    network = network_cost(run.read_architecture(), "macs")
    training = _speed(run.train_log) * _training_macs(settings.train, network)
    search = _speed(run.search_log) * _search_macs(settings.search, settings.space) or training
    if not training:
        return 0.0
    table = cost_table(wanted.space, "macs")
    middle = (table.cheapest + table.dearest) / 2
    seconds = (
        wanted.search.iterations * _search_macs(wanted.search, wanted.space) / search
        + wanted.train.iterations * _training_macs(wanted.train, middle) / training
    )
    return seconds / 3600


def _speed(log: Path) -> float:
    """Iterations per second; 0 where the log does not say."""
    speeds = [r["iterations_per_s"] for r in read_jsonl(log) if "iterations_per_s" in r]
    return float(np.median(speeds)) if speeds else 0.0


def _search_macs(search: SearchSettings, space: SearchSpace) -> float:
    """Multiply-accumulates of the forward passes of an iteration, which may have two."""
    table = cost_table(space, "macs")
    supernet = table.fixed + sum(map(sum, table.choices))
    passes = 2 - search.warmup_iterations / search.iterations
    return passes * search.batch_size * search.patch_size**2 * supernet


def _training_macs(train: TrainSettings, network: float) -> float:
    """Of the forward pass of an iteration."""
    return train.batch_size * train.patch_size**2 * network
