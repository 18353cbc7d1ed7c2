from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from clearer.data.patches import Batch
from clearer.errors import ClearerError
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.training.captured import CapturedWork
from clearer.training.processes import Processes
from clearer.training.training_step import (
    TrainingState,
    TrainingStep,
    new_training_state,
    training_sampler,
)
from tests.clearer.training.test_loops import pictures, tiny_settings

needs_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch finds no CUDA device")
TRAIN = {"iterations": 6, "batch_size": 4, "patch_size": 16, "batch_statistics_share": 0.0}


def make(**changes: Any) -> tuple[RunSettings, TrainingState]:
    settings = tiny_settings(train={**TRAIN, **changes})
    state = new_training_state(settings, Architecture.from_text("P-F", settings.space), Processes())
    generator = torch.Generator().manual_seed(0)
    torch.nn.init.normal_(state.network.output.head.weight, std=0.1, generator=generator)
    return settings, state


def first_batch(settings: RunSettings) -> Batch:
    return training_sampler(settings, pictures(), 3, Processes()).batch(0)


def changed(state: TrainingState) -> list[Tensor]:
    return [weight.detach().clone() for weight in state.weights]


@pytest.mark.parametrize("loss", ["mse", "rmse"])
def test_a_batch_in_pieces_gives_what_it_gives_at_once(loss: str) -> None:
    """With the averaged statistics of batch normalisation, which do not depend on the batch."""
    results = []
    for num_pieces in (1, 2, 3, 4):
        settings, state = make(loss=loss, padded_share=0.5)
        state.network.eval()
        step = TrainingStep(settings, state, Processes(), print, num_pieces=num_pieces)
        value = step(first_batch(settings), 1e-3, 0).item()
        results.append((value, changed(state)))
    for value, weights in results[1:]:
        assert value == pytest.approx(results[0][0], rel=1e-5)
        for weight, expected in zip(weights, results[0][1], strict=True):
            torch.testing.assert_close(weight, expected, atol=2e-4, rtol=0)


def limit_memory(state: TrainingState, most: int) -> list[int]:
    """Simulate a device with memory for so many patches at once."""
    seen: list[int] = []

    def refuse(module: Any, arguments: tuple[Tensor]) -> None:
        seen.append(len(arguments[0]))
        if seen[-1] > most:
            raise torch.OutOfMemoryError("out of memory")

    state.network.register_forward_pre_hook(refuse)
    return seen


def test_what_does_not_fit_into_memory_is_split_and_said_once() -> None:
    settings, state = make()
    said: list[str] = []
    seen = limit_memory(state, 1)
    step = TrainingStep(settings, state, Processes(), said.append)
    for iteration in range(2):
        step(first_batch(settings), 1e-3, iteration)
    assert seen == [4, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    assert step.num_pieces == 4
    assert said == [
        "out of memory: from here on a batch is computed in 2 pieces",
        "out of memory: from here on a batch is computed in 4 pieces",
    ]


def test_a_single_patch_that_does_not_fit_is_an_error_and_changes_nothing() -> None:
    settings, state = make()
    before = changed(state)
    limit_memory(state, 0)
    with pytest.raises(ClearerError, match="out of memory with a single patch.*--patch-size"):
        TrainingStep(settings, state, Processes(), lambda line: None)(
            first_batch(settings), 1e-3, 0
        )
    assert all(map(torch.equal, changed(state), before))


def test_the_loss_does_not_count_where_the_network_pads() -> None:
    settings, state = make(padded_share=1.0)
    batch = first_batch(settings)
    assert batch.mask is not None
    other = batch._replace(clean=torch.where(batch.mask > 0, batch.clean, 1 - batch.clean))
    assert not torch.equal(batch.clean, other.clean)
    losses = []
    for each in (batch, other):
        settings, state = make(padded_share=1.0)
        losses.append(TrainingStep(settings, state, Processes(), print)(each, 1e-3, 0).item())
    assert losses[0] == losses[1]


@pytest.mark.gpu
@needs_cuda
def test_recorded_work_gives_what_it_gives_unrecorded() -> None:
    totals = []
    for is_captured in (False, True):
        total = torch.zeros((), device="cuda")

        def work(x: Tensor, y: Tensor | None, total: Tensor = total) -> None:
            assert y is None
            total.add_((x * x).sum())

        captured = CapturedWork(work, "cuda", print, is_captured=is_captured)
        for place in range(8):
            captured(torch.full((4,), float(place), device="cuda"), None)
        totals.append(total.item())
    assert totals == [4 * sum(x * x for x in range(8))] * 2


@pytest.mark.gpu
@needs_cuda
def test_what_cannot_be_recorded_is_done_all_the_same_and_said_once() -> None:
    said: list[str] = []
    seen: list[float] = []
    captured = CapturedWork(lambda x: seen.append(x.item()), "cuda", said.append)
    for place in range(6):
        captured(torch.tensor(float(place), device="cuda"))
    assert seen == [0, 1, 2, 3, 4, 5]
    assert len(said) == 1


@pytest.mark.gpu
@needs_cuda
@pytest.mark.parametrize("is_taught", [False, True])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_recorded_training_learns_as_an_unrecorded_one(precision: str, is_taught: bool) -> None:
    losses = []
    for is_captured in (False, True):
        settings = tiny_settings(
            train={**TRAIN, "iterations": 40}, device="cuda", precision=precision
        )
        architecture = Architecture.from_text("P-F", settings.space)
        state = new_training_state(settings, architecture, Processes())
        sampler = training_sampler(settings, pictures(), 3, Processes())
        teacher = None
        if is_taught:
            teacher = new_training_state(settings, architecture, Processes()).network.eval()
        step = TrainingStep(
            settings, state, Processes(), print, teacher=teacher, is_captured=is_captured
        )
        losses.append([step(sampler.batch(i), 3e-3, i).item() for i in range(12)])
    tolerance = 1e-3 if precision == "fp32" else 0.05
    assert losses[1] == pytest.approx(losses[0], rel=tolerance)
