"""Every setting of a run, and the presets."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal, TypeVar

from msgspec import Meta

from clearer.costs.budget import Budget
from clearer.costs.cost import FilePrecision
from clearer.errors import InputError
from clearer.pictures.images import Color
from clearer.space.old_words import space_in_words_of_today
from clearer.space.space import PAPER_SPACE, SearchSpace
from clearer.support.schema import Above0, AtLeast0, Count, Share, Side, check_known, checked
from clearer.tasks.base import Task
from clearer.tasks.registry import task_from_dict, task_to_dict

__all__ = [
    "PRESETS",
    "Compile",
    "NamedWeights",
    "Preset",
    "RaceSettings",
    "RunSettings",
    "SearchSettings",
    "StartWeights",
    "Strategy",
    "TrainSettings",
    "TrainingLoss",
    "TrainingOptimizer",
    "with_iterations",
]

Strategy = Literal["race", "gradient", "random"]
"""A race between U shapes; the paper's search in one space; a random architecture from that."""
TrainingLoss = Literal["mse", "rmse"]
"""The mean squared error (equation 3), or its root per patch, averaged over patches."""
TrainingOptimizer = Literal["adam", "muon"]
"""Adam for everything, or Muon for convolutions between features and Adam for the rest."""
Compile = Literal["auto", "on", "off"]
"""Whether ``torch.compile`` is used; ``auto``: where it saves more time than it takes."""
Iterations = Annotated[int, Meta(ge=0, le=10**9)]
Seed = Annotated[int, Meta(ge=0, le=2**32)]


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSettings:
    """The bilevel search: section 4.1 of the paper."""

    iterations: Count
    warmup_iterations: Iterations
    """The first iterations train the weights only."""
    batch_size: Count
    patch_size: Side
    optimizer: Literal["sgd", "adam"]
    """Optimizer of the weights; the architecture parameters always use Adam."""
    learning_rate: Above0
    """Decays along a cosine to ``min_learning_rate``, and stays there."""
    min_learning_rate: AtLeast0
    decay: Literal["search", "warmup"]
    """Whether it decays over the whole search (the paper), or over the warm-up. In a short search
    the weights must converge first: while they change fast, one kind of candidate gains in all
    columns at once, by the scale of its output, whatever it is worth."""
    weight_decay: AtLeast0
    alpha_learning_rate: Above0
    alpha_weight_decay: AtLeast0
    sampling: bool
    """Whether each step uses single architectures, sampled by the op weights, and not the mixture
    of equation (1). In a short search the mixture learns features that no single architecture
    computes, and what it says about a column is not what the column is worth in a network."""
    turned: Annotated[int, Meta(ge=0)] = 0
    """Random choices that a sampling step changes to see what they are worth; 0: all of them. On
    CUDA all are: there the step is a recorded graph, and the same each time."""
    gradient_clip: Above0 = 5.0
    """Maximum norm of the weights' gradient."""
    lambda_arch: AtLeast0 = 0.01
    r""":math:`\lambda_1` of equation (2)."""
    lambda_comp: AtLeast0 = 0.0
    r""":math:`\lambda_2` per million parameters; budgets have a multiplier each instead."""
    dual_rate: AtLeast0 = 0.02
    """Step size of the budgets' multipliers, per relative excess of the expected cost."""
    log_every: Count = 20

    @property
    def decay_iterations(self) -> int:
        """Iterations over which the learning rate decays."""
        return self.iterations if self.decay == "search" else self.warmup_iterations


@dataclass(frozen=True, kw_only=True, slots=True)
class RaceSettings:
    """The race between networks of several spaces."""

    iterations: Count
    """Over all rounds, for a usual network: networks that compute more get fewer."""
    contenders: Count


@dataclass(frozen=True, kw_only=True, slots=True)
class TrainSettings:
    """Training of the frozen network."""

    iterations: Count
    batch_size: Count
    patch_size: Side
    loss: TrainingLoss
    optimizer: TrainingOptimizer
    learning_rate: Above0
    """Peak. It rises linearly over the warm-up, then decays along a cosine to 0 until batch
    normalisation is frozen; then it decays to 0 again, from ``frozen_norm_rate`` times the peak."""
    warmup_iterations: Iterations
    gradient_clip: Above0 = 5.0
    """Maximum norm of the weights' gradient."""
    ema_share: Share = 0.03
    """Share of the iterations over which the validated and saved weights are averaged."""
    batch_statistics_share: Share = 0.8
    """Share of the iterations in which batch normalisation uses batch statistics. After that it
    keeps the averaged ones, and the weights train with the statistics of inference. In a small
    batch, one saturated patch shifts the statistics of all; a network that was only trained so
    fails on large bright areas."""
    frozen_norm_rate: AtLeast0 = 0.25
    """Peak learning rate once batch normalisation is frozen, relative to the first peak."""
    padded_share: Share = 0.0
    """Share of the patches that imitate padded pictures (see ``PatchSampler``)."""
    reduce: Annotated[float, Meta(ge=1, le=4)] = 1.0
    """Half of the patches come from pictures reduced by a factor from 1 to this: that gives fine
    detail, full-resolution colour and edges without JPEG blocks to pictures that lack them."""
    validate_every: Count
    log_every: Count = 20

    def psnr_db(self, loss: float) -> float:
        """PSNR in dB of the patches behind a loss."""
        return (-10 if self.loss == "mse" else -20) * math.log10(loss)


_Loop = TypeVar("_Loop", SearchSettings, TrainSettings)


def with_iterations(settings: _Loop, iterations: int) -> _Loop:
    """Change the number of iterations; the warm-up keeps its share of them."""
    share = iterations / settings.iterations
    warmup = int(settings.warmup_iterations * share)
    return replace(settings, iterations=iterations, warmup_iterations=warmup)


@dataclass(frozen=True, kw_only=True, slots=True)
class NamedWeights:
    """Trained weights that take part in a training."""

    name: str
    """Name of the run's folder, or of the network in ``clearer zoo``."""
    sha256: str
    """SHA-256 of their file."""


@dataclass(frozen=True, kw_only=True, slots=True)
class StartWeights(NamedWeights):
    """Those that a fine-tuning or a warm start begins with."""

    is_warm: bool = False
    """Whether they are those of a smaller network, from which a larger one learns as from
    scratch."""


_RENAMED: Final = {"settled_rate": "frozen_norm_rate", "mirrored_share": "padded_share"}


def _with_names_of_today(data: Any) -> Any:
    """Rename fields of settings that earlier versions saved."""
    if not isinstance(data, dict):
        return data
    data, train = {**data}, data.get("train")
    if "space" in data:
        data["space"] = space_in_words_of_today(data["space"])
    if isinstance(train, dict):
        data["train"] = {_RENAMED.get(name, name): train[name] for name in train}
    return data


def _from_plain(kind: type, value: Any) -> Any:
    """Convert what :mod:`clearer.support.schema` does not know: tasks and paths."""
    if kind is Path:
        if not isinstance(value, str) or "\0" in value:
            raise ValueError("expected a path")
        return Path(value)
    if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
        raise ValueError("expected the name of a task and its options, as text")
    return task_from_dict(value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Preset:
    """A space (its width is the largest tried), and settings for search and training."""

    strategy: Strategy
    space: SearchSpace
    race: RaceSettings
    search: SearchSettings
    train: TrainSettings
    race_share: float = 0.0
    """Share of the user's time limit for the race; the rest is for training."""
    time: str
    """How long it takes, for people."""


_QUICK: Final = Preset(
    strategy="race",
    space=SearchSpace(residual=True),
    race=RaceSettings(iterations=400, contenders=8),
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
        turned=12,
        # One column changes L_Res by about 1e-4: the entropy would outweigh it, and the
        # multipliers have to move on that scale.
        lambda_arch=0.0,
        dual_rate=2e-5,
    ),
    train=TrainSettings(
        iterations=1400,
        batch_size=8,
        patch_size=48,
        loss="rmse",
        optimizer="muon",
        learning_rate=6e-3,
        warmup_iterations=100,
        padded_share=0.5,
        validate_every=300,
    ),
    time="about ten minutes on two CPU cores",
)

PRESETS: Final[Mapping[str, Preset]] = {
    "quick": _QUICK,
    "long": replace(
        _QUICK,
        race=RaceSettings(iterations=6_000, contenders=16),
        search=replace(_QUICK.search, iterations=3_000, warmup_iterations=2_000, batch_size=16),
        train=replace(
            _QUICK.train,
            iterations=40_000,
            batch_size=16,
            patch_size=64,
            learning_rate=1e-2,
            warmup_iterations=500,
            validate_every=2_000,
        ),
        race_share=0.25,
        time="hours on two CPU cores, or what --minutes gives it",
    ),
    "paper": Preset(
        strategy="gradient",
        space=PAPER_SPACE,
        race=RaceSettings(iterations=40_000, contenders=16),
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
    """Everything that determines the result of a run."""

    preset: str
    task: Task
    color: Color
    data: Path | None
    """Folder of pictures; None for the built-in ones."""
    space: SearchSpace
    budgets: tuple[Budget, ...]
    image_size: tuple[Side, Side]
    """(height, width) of the image for budgets in milliseconds and GMACs, in pixels."""
    budget_precision: FilePrecision = "fp32"
    """Precision of the file that budgets in MB and milliseconds refer to."""
    strategy: Strategy
    num_seeds: Count
    """Number of searches with consecutive seeds, whose op weights are averaged."""
    search: SearchSettings
    train: TrainSettings
    seed: Seed
    device: Annotated[str, Meta(pattern="^(cpu|cuda)$")]
    precision: Literal["fp32", "bf16"]
    race: RaceSettings = RaceSettings(iterations=320, contenders=4)
    compile: Compile = "auto"
    """Whether the loops use ``torch.compile``; auto: where that is faster overall."""
    tensorboard: bool = False
    """Whether logs are also written for TensorBoard."""
    fine_tuned_from: StartWeights | None = None
    """None for a training from scratch."""
    teacher: NamedWeights | None = None
    """The network whose results are learned; None where the clean pictures are."""
    minutes: Above0 | None = None
    """Time for training, until its number of iterations is fitted to it."""
    work: Above0 | None = None
    """Work of the training (see :mod:`clearer.searching.training_work`), until its number of
    iterations is that of the network which a race chooses."""
    trains: bool = True
    """Whether training follows the search."""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        data = dataclasses.asdict(self)
        data["task"] = task_to_dict(self.task)
        data["space"] = self.space.to_dict()
        data["data"] = None if self.data is None else str(self.data)
        return data

    @classmethod
    def from_dict(cls, data: Any, where: object = "not the settings of a run") -> RunSettings:
        """Inverse of :meth:`to_dict`.

        Args:
            data: Plain data.
            where: Its file, for messages.

        Raises:
            InputError: If a field is missing, unknown, of the wrong type or out of range.
        """
        data = _with_names_of_today(data)
        settings = checked(data, cls, where, hook=_from_plain)
        if settings.preset not in PRESETS:
            raise InputError(f"{where}: unknown preset {settings.preset!r}")
        check_known(data, settings.to_dict(), where)
        SearchSpace.from_dict(data["space"])  # raises if a field is missing
        return settings
