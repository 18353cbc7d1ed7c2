"""Every setting of a run, and the presets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_type_hints

from clearer.budget import Budget
from clearer.compilation import Compile
from clearer.errors import InputError
from clearer.images import Color
from clearer.space import PAPER_SPACE, SearchSpace
from clearer.tasks import Task, make_task, task_to_dict

__all__ = [
    "PRESETS",
    "Preset",
    "RunSettings",
    "SearchSettings",
    "StartWeights",
    "Strategy",
    "TrainSettings",
    "TrainingLoss",
    "TrainingOptimizer",
]

Strategy = Literal["gradient", "random"]
TrainingLoss = Literal["mse", "rmse"]
"""The mean squared error (equation 3), or the mean over the patches of its root."""
TrainingOptimizer = Literal["adam", "muon"]
"""Adam for all, or Muon for the convolutions between features and Adam for the rest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """The bilevel search: section 4.1 of the paper."""

    iterations: int
    warmup_iterations: int
    """The first iterations train the weights only."""
    batch_size: int
    patch_size: int
    optimizer: Literal["sgd", "adam"]
    """Of the weights; the architecture parameters always use Adam."""
    learning_rate: float
    """Falls along a cosine to ``min_learning_rate``, and stays there."""
    min_learning_rate: float
    decay: Literal["search", "warmup"]
    """Whether it falls over the whole search (the paper), or over the warm-up. In a short search
    the weights must settle first: while they still change fast, both candidates of all columns
    gain or lose together, by the scale of their output, whatever they are worth."""
    weight_decay: float
    alpha_learning_rate: float
    alpha_weight_decay: float
    sampling: bool
    """Whether each step sees single architectures, drawn by the op weights, and not the mixture of
    equation (1). In a short search the mixture settles into features that no single architecture
    makes, and what it says about a column is not what the column is worth in a network."""
    turned_columns: int = 0
    """Columns, drawn at random, that a step by sampling turns to see what they are worth; 0: all
    of them. On CUDA all are: there the step is recorded, and is the same each time."""
    gradient_clip: float = 5.0
    """Largest norm of the weights' gradient."""
    lambda_arch: float = 0.01
    r""":math:`\lambda_1` of equation (2)."""
    lambda_comp: float = 0.0
    r""":math:`\lambda_2` on millions of parameters; with budgets, each has a multiplier instead."""
    dual_rate: float = 0.02
    """Step of the budgets' multipliers per relative excess of the expected cost."""
    log_every: int = 20

    @property
    def decay_iterations(self) -> int:
        """Iterations over which the learning rate falls."""
        return self.iterations if self.decay == "search" else self.warmup_iterations


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSettings:
    """Training of the frozen network."""

    iterations: int
    batch_size: int
    patch_size: int
    loss: TrainingLoss
    optimizer: TrainingOptimizer
    learning_rate: float
    """Peak: it rises linearly over the warm-up, then falls along a cosine to 0, where batch
    normalisation settles; from there it falls again, from ``settled_rate`` of this."""
    warmup_iterations: int
    gradient_clip: float = 5.0
    """Largest norm of the weights' gradient."""
    ema_share: float = 0.03
    """Of the iterations, over which the weights that are validated and kept are averaged."""
    batch_statistics_share: float = 0.8
    """Of the iterations, in which batch normalisation uses the statistics of the batch. From then
    on it keeps the averaged ones, and the weights learn with what they will be used with. In a
    small batch, one saturated patch moves the statistics of all; a network that has only seen that
    fails on large bright areas."""
    settled_rate: float = 0.25
    """Peak learning rate from then on, relative to the first: nothing normalises any more."""
    mirrored_share: float = 0.0
    """Of the patches, that end as pictures do which the network pads (see ``PatchSampler``)."""
    reduce: float = 1.0
    """Half of the patches are cut from pictures reduced by a factor from 1 to this: it makes fine
    detail, full-resolution colour and edges without blocks of pictures that lack them."""
    validate_every: int
    log_every: int = 20

    def psnr_db(self, loss: float) -> float:
        """PSNR in dB of the patches that a loss was computed from."""
        return (-10 if self.loss == "mse" else -20) * math.log10(loss)


@dataclass(frozen=True, kw_only=True, slots=True)
class StartWeights:
    """The trained weights that a fine-tuning starts from."""

    name: str
    """Of the run's folder, or of the network in ``clearer zoo``."""
    sha256: str
    """Of their file."""


def _check_types(data: Mapping[str, Any], kind: type[SearchSettings] | type[TrainSettings]) -> None:
    """Settings from a file: whole numbers, numbers and words where the fields want them."""
    for name, wanted in get_type_hints(kind).items():
        if name not in data:  # it has a default, or the class itself misses it
            continue
        value, words = data[name], get_args(wanted)
        if words and value not in words:
            raise InputError(f"{name} must be one of {', '.join(words)}, not {value!r}")
        if not words and not isinstance(value, (int, float) if wanted is float else wanted):
            raise InputError(f"{name} must be of type {wanted.__name__}, not {value!r}")


def _read_task(data: Mapping[str, str]) -> Task:
    return make_task(data["name"], {name: data[name] for name in data if name != "name"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A space (its width is the largest tried) with settings for search and training."""

    space: SearchSpace
    search: SearchSettings
    train: TrainSettings
    time: str
    """How long it takes, for people."""


PRESETS: Final[Mapping[str, Preset]] = {
    "quick": Preset(
        space=SearchSpace(residual=True),
        search=SearchSettings(
            iterations=440,
            warmup_iterations=320,
            batch_size=8,
            patch_size=48,
            optimizer="adam",
            learning_rate=3e-3,
            min_learning_rate=1e-4,
            decay="warmup",
            weight_decay=0.0,
            alpha_learning_rate=5e-3,
            alpha_weight_decay=0.0,
            sampling=True,
            # One column changes L_Res by some 1e-4: the entropy would outweigh it, and the
            # multipliers have to move on that scale.
            lambda_arch=0.0,
            dual_rate=2e-5,
        ),
        train=TrainSettings(
            iterations=1800,
            batch_size=8,
            patch_size=48,
            loss="rmse",
            optimizer="muon",
            learning_rate=6e-3,
            warmup_iterations=100,
            mirrored_share=0.5,
            validate_every=300,
        ),
        time="about six minutes on two CPU cores",
    ),
    "paper": Preset(
        space=PAPER_SPACE,
        search=SearchSettings(
            iterations=10_000,
            warmup_iterations=1_000,
            batch_size=32,
            patch_size=64,
            optimizer="sgd",
            learning_rate=0.025,
            min_learning_rate=0.001,
            decay="search",
            weight_decay=3e-4,
            alpha_learning_rate=3e-4,
            alpha_weight_decay=1e-3,
            sampling=False,
        ),
        train=TrainSettings(
            iterations=100_000,
            batch_size=32,
            patch_size=64,
            loss="mse",
            optimizer="adam",
            learning_rate=0.01,
            warmup_iterations=0,
            batch_statistics_share=1.0,
            validate_every=2_000,
        ),
        time="hours on a data-centre GPU, days to weeks on two CPU cores",
    ),
}


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSettings:
    """All that decides the result of a run."""

    preset: str
    task: Task
    color: Color
    data: Path | None
    """Folder of pictures; None for the built-in ones."""
    space: SearchSpace
    budgets: tuple[Budget, ...]
    image_size: tuple[int, int]
    """(height, width) that budgets in milliseconds and GMACs are meant for."""
    strategy: Strategy
    num_seeds: int
    """Searches, with one seed after the other, whose op weights are averaged."""
    search: SearchSettings
    train: TrainSettings
    seed: int
    device: str
    precision: Literal["fp32", "bf16"]
    compile: Compile = "auto"
    """Whether the loops use ``torch.compile``; auto: where that is sooner done."""
    tensorboard: bool = False
    """Whether the logs are written for TensorBoard too."""
    fine_tuned_from: StartWeights | None = None
    """None for a training from scratch."""
    minutes: float | None = None
    """Time for the training, as long as its iterations are not fitted to it yet."""
    trains: bool = True
    """Whether the search goes on with the training."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data = dataclasses.asdict(self)
        data["task"] = task_to_dict(self.task)
        data["space"] = self.space.to_dict()
        data["data"] = None if self.data is None else str(self.data)
        return data

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> RunSettings:
        """Inverse of :meth:`to_dict`.

        Raises:
            InputError: If a field is missing, unknown or out of range.
        """
        try:
            for name, example in (("search", SearchSettings), ("train", TrainSettings)):
                _check_types(data[name], example)
            if data["color"] not in ("gray", "rgb"):
                raise InputError(f"color must be gray or rgb, not {data['color']!r}")
            if data["strategy"] not in get_args(Strategy):
                raise InputError(f"unknown strategy {data['strategy']!r}")
            if data.get("compile", "auto") not in get_args(Compile):
                raise InputError(f"compile must be auto, on or off, not {data['compile']!r}")
            height, width = data["image_size"]
            start = data.get("fine_tuned_from")
            return cls(
                **{
                    **data,
                    "task": _read_task(data["task"]),
                    "data": None if data["data"] is None else Path(data["data"]),
                    "space": SearchSpace.from_dict(data["space"]),
                    "image_size": (int(height), int(width)),
                    "budgets": tuple(Budget(**budget) for budget in data["budgets"]),
                    "search": SearchSettings(**data["search"]),
                    "train": TrainSettings(**data["train"]),
                    "fine_tuned_from": None if start is None else StartWeights(**start),
                }
            )
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not the settings of a run: {error}") from error
