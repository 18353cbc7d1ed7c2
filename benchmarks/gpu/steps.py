"""The steps of search and training, as in the loops, that ``check`` compares and times."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

import numpy as np
from torch import Tensor, nn

from clearer.costs.cost_source import CostSource
from clearer.data.patches import Batch, PatchSampler
from clearer.data.splits import load_validation
from clearer.export.to_onnx import file_mb
from clearer.pictures.images import Color, ImageSet
from clearer.planning.workflow import make_settings
from clearer.runs.settings import RunSettings
from clearer.searching.search_step import SearchStep
from clearer.space.space import Architecture
from clearer.tasks.denoise import Denoise
from clearer.training.precision import Precision
from clearer.training.processes import Processes
from clearer.training.training_step import (
    TrainingStep,
    compile_training,
    new_training_state,
    training_sampler,
)
from clearer.zoo.catalogue import zoo_network

__all__ = ["Case", "Mode", "Step", "full_cases", "make_step", "tiny_cases"]

Mode = Literal["eager", "graphed", "compiled", "compiled, graphed"]
_RECORDED: Final = ("graphed", "compiled, graphed")
_SIZE: Final = (256, 256)
_STREAM: Final = 3


@dataclass(frozen=True, kw_only=True)
class Case:
    """A search or a training, by its settings."""

    name: str
    settings: RunSettings
    architecture: Architecture | None
    """None in a search."""
    iterations: int
    """Iterations of the whole, to say how long it takes."""

    @property
    def images(self) -> ImageSet:
        """Built-in photographs, which load quickly; a GPU machine has them too."""
        return _images(self.settings.color)


@cache
def _images(color: Color) -> ImageSet:
    return load_validation(None, color, 0, Denoise())[0]


def _settings(
    preset: str, color: Color, batch: int, patch: int, **space: int | tuple[int, ...]
) -> RunSettings:
    sizes = {"batch_size": batch, "patch_size": patch}
    return make_settings(
        preset=preset,
        task=Denoise(),
        color=color,
        data=None,
        budgets=(),
        image_size=_SIZE,
        costs=CostSource(_SIZE, file_mb),
        strategy="gradient",
        num_seeds=1,
        seed=0,
        device="cpu",
        precision="fp32",
        space=space,
        search=sizes,
        train=sizes,
        compile="off",
    )


def _search(name: str, settings: RunSettings) -> Case:
    iterations = settings.search.iterations
    return Case(name=name, settings=settings, architecture=None, iterations=iterations)


def _training(name: str, settings: RunSettings, architecture: Architecture) -> Case:
    settings = replace(settings, space=architecture.space)
    return Case(name=name, settings=settings, architecture=architecture, iterations=100_000)


def full_cases() -> list[Case]:
    """The paper's search and training, a search with the quick preset, a network of 5 MB."""
    paper = _settings("paper", "gray", 32, 64)
    found = Architecture.from_text("PPPP-FPFP-FFFP", paper.space)
    large = zoo_network("rgb").load()[0].architecture
    return [
        _training("training, 5 MB, RGB", _settings("quick", "rgb", 32, 64), large),
        _training("training of the paper", paper, found),
        _search("search of the paper", paper),
        _search("search by sampling, width 14", _settings("quick", "gray", 32, 64, width=14)),
    ]


def tiny_cases() -> list[Case]:
    """The same kinds, to try the script on a CPU."""
    paper, quick = (
        _settings(preset, "gray", 2, 16, width=2, unshuffle=2, columns=(1, 1))
        for preset in ("paper", "quick")
    )
    found = Architecture.from_text("P-F", quick.space)
    return [_training("training", quick, found), _search("search", paper)]


@dataclass(frozen=True, slots=True)
class Step:
    """A step that can be called repeatedly."""

    network: nn.Module
    """The network that it trains."""
    call: Callable[[], Tensor]
    """Draws the next batch, does the step and returns its loss."""


def make_step(
    case: Case,
    device: str,
    precision: Precision,
    mode: Mode,
    say: Callable[[str], None],
    batches: Callable[[int], Batch] | None = None,
) -> Step:
    """A step, starting at the first iteration, with weights that depend only on the seed.

    Args:
        case: What to train.
        device: ``cpu`` or ``cuda``.
        precision: Precision of the forward and backward pass.
        mode: ``compiled`` by torch.compile, ``graphed``: recorded by CUDA, both, or neither.
        say: Takes a line for the user.
        batches: Batch by iteration, if all devices are to get the same.
    """
    settings = replace(
        case.settings,
        device=device,
        precision=precision,
        compile="on" if mode.startswith("compiled") else "off",
    )
    if case.architecture is None:
        return _search_step(case, settings, mode, say, batches)
    processes = Processes()
    state = new_training_state(settings, case.architecture, processes)
    draw = batches or training_sampler(settings, case.images, _STREAM, processes).batch
    if mode.startswith("compiled"):
        compile_training(state, settings, draw(0), say)
    step = TrainingStep(settings, state, processes, say, is_captured=mode in _RECORDED)
    rate, count = settings.train.learning_rate, itertools.count()

    def call() -> Tensor:
        index = next(count)
        return step(draw(index), rate, index)

    return Step(state.network, call)


def _search_step(
    case: Case,
    settings: RunSettings,
    mode: Mode,
    say: Callable[[str], None],
    batches: Callable[[int], Batch] | None,
) -> Step:
    """Both steps of an iteration after the warm-up."""
    s, count = settings.search, itertools.count()
    step = SearchStep(settings, [], Processes(), say, is_captured=mode in _RECORDED)
    draws = [batches or sampler(case, settings, stream).batch for stream in (1, 2)]

    def call() -> Tensor:
        index = next(count)
        rng = np.random.default_rng([settings.seed, index])
        loss = step.weights(draws[0](2 * index), s.learning_rate, rng)
        step.alpha(draws[1](2 * index + 1), rng)
        return loss

    return Step(step.supernet, call)


def sampler(case: Case, settings: RunSettings, stream: int) -> PatchSampler:
    """Batches of a search."""
    s = settings.search
    return PatchSampler(
        case.images,
        settings.task,
        patch_size=s.patch_size,
        batch_size=s.batch_size,
        seed=[settings.seed, stream],
        device=settings.device,
    )
