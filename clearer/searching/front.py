"""The Pareto front of architectures that one finished search offers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.costs.budget import choose_architecture
from clearer.costs.cost import CostTable
from clearer.data.patches import PatchSampler
from clearer.data.splits import load_splits
from clearer.errors import InputError
from clearer.networks.supernet import SuperNet
from clearer.runs.checkpoint import checkpoint_errors, load_checkpoint
from clearer.runs.run import Run
from clearer.space.space import Architecture, SearchSpace

__all__ = ["FrontPoint", "FrontRow", "architecture_front", "front_rows", "supernet_psnr_db"]

_BATCHES: Final = 4
_BATCH_SIZE: Final = 16
_PATCH_SEED: Final = (0, 3)


@dataclass(frozen=True, slots=True)
class FrontPoint:
    """An architecture on the front: no cheaper one is as probable."""

    architecture: Architecture
    cost: float
    log_probability: float


class FrontRow(TypedDict):
    """A point of the front, as it is shown."""

    architecture: str
    cost: float
    log_probability: float
    supernet_psnr_db: float | None
    """PSNR with the weights of the supernet; None if it was not measured."""


def front_rows(points: Sequence[FrontPoint], psnrs_db: Sequence[float] | None) -> list[FrontRow]:
    """Rows for a table, a picture or JSON.

    Args:
        points: The front.
        psnrs_db: PSNR of each point, by :func:`supernet_psnr_db`; None if it was not measured.
    """
    return [
        {
            "architecture": point.architecture.text,
            "cost": point.cost,
            "log_probability": point.log_probability,
            "supernet_psnr_db": None if psnrs_db is None else psnrs_db[index],
        }
        for index, point in enumerate(points)
    ]


def architecture_front(
    space: SearchSpace, log_op_weights: NDArray[np.float64], table: CostTable
) -> list[FrontPoint]:
    """The most probable architecture under every possible budget, the most expensive first.

    Args:
        space: The space that was searched.
        log_op_weights: Logarithm of the op weights, shape ``(K, C)``.
        table: Costs of architectures.
    """
    points: list[FrontPoint] = []
    limit = table.most_expensive
    while True:
        # The order of a sum changes the last bits of costs: equal ones are not a step down.
        found = choose_architecture(space, log_op_weights, [table], [limit * (1 + 1e-9)])
        if found is None:
            return points
        picks = found.picks
        probability = float(log_op_weights[np.arange(len(picks)), picks].sum())
        points.append(FrontPoint(found, table.cost(found), probability))
        limit = table.cost(found) * (1 - 1e-6)
        if limit <= 0 or limit < table.cheapest * (1 - 1e-9):
            return points


def supernet_psnr_db(run: Run, architectures: Sequence[Architecture]) -> list[float]:
    """PSNR in dB of architectures with the weights of the supernet, on validation patches.

    Op weights are one-hot. Batch normalisation uses batch statistics, since those of the search
    belong to mixtures.

    Raises:
        InputError: If the run has no checkpoint of its search.
    """
    if not run.search_checkpoint.exists():
        raise InputError(f"{run.search_checkpoint} is not there: the supernet was not kept")
    settings = run.settings()
    supernet = SuperNet(settings.space)
    with checkpoint_errors(run.search_checkpoint, "the front needs it: search again"):
        supernet.load_state_dict(load_checkpoint(run.search_checkpoint)["supernet"])
    supernet.train()
    splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
    sampler = PatchSampler(
        splits.val,
        settings.task,
        patch_size=settings.search.patch_size,
        batch_size=_BATCH_SIZE,
        seed=list(_PATCH_SEED),
        level_map=settings.space.level_map,
    )
    batches = [sampler.batch(index) for index in range(_BATCHES)]
    figures = []
    for architecture in architectures:
        picks = torch.tensor(architecture.picks)
        op_weights = torch.nn.functional.one_hot(picks, len(settings.space.candidates)).float()
        with torch.inference_mode():
            errors = [
                float((supernet(batch.degraded, op_weights) - batch.clean).square().mean())
                for batch in batches
            ]
        figures.append(-10 * math.log10(math.fsum(errors) / len(errors)))
    return figures
