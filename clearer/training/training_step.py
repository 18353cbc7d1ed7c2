"""One step of training a frozen network, and the state that it updates."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from clearer.data.patches import Batch, PatchSampler
from clearer.errors import ClearerError
from clearer.networks.network import RestorationNet
from clearer.pictures.images import ImageSet
from clearer.runs.checkpoint import load_optimizer, optimizer_state
from clearer.runs.settings import RunSettings, TrainingLoss
from clearer.space.space import Architecture
from clearer.support.threads import threads_for_loop
from clearer.training.captured import CapturedWork
from clearer.training.compilation import compile_network, compiling_pays
from clearer.training.ema import MovingAverage
from clearer.training.losses import (
    restoration_loss,
    root_error_loss,
    taught_loss,
    taught_root_error_loss,
)
from clearer.training.muon import Muon, hidden_and_other
from clearer.training.precision import autocast
from clearer.training.processes import Processes
from clearer.training.schedule import set_learning_rate

__all__ = [
    "TrainingState",
    "TrainingStep",
    "average_gradients",
    "compile_training",
    "is_compiled",
    "load_state",
    "make_rate",
    "new_training_state",
    "saved_state",
    "threads_for_training",
    "training_sampler",
]

_INIT_STREAM = 1_000_003
_LOSSES: Final[dict[TrainingLoss, Callable[[Tensor, Tensor, Tensor | None], Tensor]]] = {
    "mse": restoration_loss,
    "rmse": root_error_loss,
}
_TAUGHT: Final[dict[TrainingLoss, Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]]] = {
    "mse": taught_loss,
    "rmse": taught_root_error_loss,
}


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a step updates."""

    network: RestorationNet
    optimizers: list[torch.optim.Optimizer]
    average: MovingAverage
    weights: list[nn.Parameter]


def new_training_state(
    settings: RunSettings, architecture: Architecture, processes: Processes
) -> TrainingState:
    """An untrained network in training mode, initialised with the run's seed; its optimizers."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed + _INIT_STREAM)
        network = RestorationNet(architecture)
    network.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    processes.prepare(network)
    s = settings.train
    average = MovingAverage(network, s.ema_share * s.iterations)
    optimizers = _make_optimizers(settings, network)
    return TrainingState(network.train(), optimizers, average, list(network.parameters()))


def saved_state(state: TrainingState) -> dict[str, Any]:
    """The state of a training, for a checkpoint."""
    return {
        "network": state.network.state_dict(),
        "average": state.average.network.state_dict(),
        "optimizers": [optimizer_state(optimizer) for optimizer in state.optimizers],
    }


def load_state(state: TrainingState, saved: dict[str, Any]) -> None:
    """Load what :func:`saved_state` gave into a new training."""
    state.network.load_state_dict(saved["network"])
    state.average.network.load_state_dict(saved["average"])
    for optimizer, values in zip(state.optimizers, saved["optimizers"], strict=True):
        load_optimizer(optimizer, values)


def make_rate(value: float, device: str) -> float | Tensor:
    """A rate for steps to read: on CUDA a tensor on the device, which recorded steps can read."""
    return torch.tensor(value, device=device) if device == "cuda" else value


def _make_optimizers(settings: RunSettings, network: RestorationNet) -> list[torch.optim.Optimizer]:
    device = settings.device
    rate, is_captured = make_rate(settings.train.learning_rate, device), device == "cuda"
    if settings.train.optimizer == "adam":
        parameters = network.parameters()
        return [torch.optim.Adam(parameters, lr=rate, fused=True, capturable=is_captured)]
    hidden, other = hidden_and_other(network)
    dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
    adam = torch.optim.Adam(other, lr=rate, fused=True, capturable=is_captured)
    return [Muon(hidden, rate, dtype), adam]


def training_sampler(
    settings: RunSettings, images: ImageSet, stream: int, processes: Processes
) -> PatchSampler:
    """Training batches, this process's share of each, from a stream of the run's seed.

    Fine-tuning uses other batches than the training of its start weights did.
    """
    s, start = settings.train, settings.fine_tuned_from
    known = [] if start is None else [int.from_bytes(start.sha256[:8].encode())]
    return PatchSampler(
        images,
        settings.task,
        patch_size=s.patch_size,
        batch_size=s.batch_size,
        seed=[settings.seed, stream, *known],
        device=settings.device,
        multiple=settings.space.multiple,
        padded_share=s.padded_share,
        reduce=s.reduce,
        share=processes.share(s.batch_size),
        level_map=settings.space.level_map,
    )


def is_compiled(settings: RunSettings, architecture: Architecture, images: ImageSet) -> bool:
    """Whether the training uses ``torch.compile``: as asked for, or where it saves time."""
    if settings.compile != "auto":
        return settings.compile == "on"
    s, alone = settings.train, Processes()
    batch = training_sampler(settings, images, 0, alone).batch(0)

    def make_step(is_compiled: bool) -> Callable[[], object]:
        state = new_training_state(settings, architecture, alone)
        if is_compiled and not compile_training(state, settings, batch, lambda line: None):
            raise RuntimeError("it cannot be compiled")
        step = TrainingStep(settings, state, alone, lambda line: None)
        return lambda: step(batch, s.learning_rate, 0)

    what = f"{architecture.hash}, {settings.precision}, batch {s.batch_size}x{s.patch_size}"
    return compiling_pays(f"training, {what}", settings.device, s.iterations, make_step)


def threads_for_training(
    settings: RunSettings, architecture: Architecture, images: ImageSet, processes: Processes
) -> int:
    """Threads for a training: see :func:`clearer.support.threads.threads_for_loop`."""
    s = settings.train

    def make_step() -> Callable[[], object]:
        ours, alone = replace(settings, space=architecture.space), Processes()
        batch = training_sampler(ours, images, 0, alone).batch(0)
        state = new_training_state(ours, architecture, alone)
        step = TrainingStep(ours, state, alone, lambda line: None)
        return lambda: step(batch, s.learning_rate, 0)

    return threads_for_loop(
        make_step,
        iterations=s.iterations,
        device=settings.device,
        num_processes=processes.num_processes,
    )


def compile_training(
    state: TrainingState, settings: RunSettings, batch: Batch, say: Callable[[str], None]
) -> bool:
    """Compile the network of a training; return whether that worked, and tell if it did not."""

    def call() -> Tensor:
        with autocast(settings.device, settings.precision):
            restored: Tensor = state.network(batch.degraded)
        return restored

    return compile_network(state.network, call, say)


def average_gradients(processes: Processes, loss: Tensor, weights: list[nn.Parameter]) -> None:
    """Average a loss and the existing gradients over the processes, in place."""
    gradients = [p.grad for p in weights if p.grad is not None]
    processes.average([loss.detach(), *gradients])


class TrainingStep:
    """Updates the weights with a batch of (degraded, clean), without waiting for the device.

    On CUDA the step is recorded as a graph. If a batch does not fit into memory, it is split and
    gradients are accumulated, and the user is told; batch normalisation then sees smaller batches.

    Args:
        settings: Settings of the run.
        state: The state to update.
        processes: Each computes its share of the batch; the loss is that of the whole batch.
        say: Takes a line for the user.
        teacher: A better network, whose results are learned; None: the clean pictures are.
        num_pieces: Parts of a batch that are computed one after the other.
        is_captured: Whether the step is recorded on CUDA.
    """

    def __init__(
        self,
        settings: RunSettings,
        state: TrainingState,
        processes: Processes,
        say: Callable[[str], None],
        *,
        teacher: RestorationNet | None = None,
        num_pieces: int = 1,
        is_captured: bool = True,
    ) -> None:
        self._settings, self._state, self._processes, self._say = settings, state, processes, say
        self._teacher = teacher
        self.num_pieces = num_pieces
        self._ema_rate = make_rate(0.0, settings.device)
        self._loss = torch.zeros((), device=settings.device)
        alone = processes.num_processes == 1  # messages to other processes are not recorded
        captured = is_captured and alone
        self._work = CapturedWork(self._update, settings.device, say, is_captured=captured)

    def __call__(self, batch: Batch, learning_rate: float, iteration: int) -> Tensor:
        """Do the step of an iteration.

        Returns:
            The loss, a scalar on the device; the next step overwrites it.

        Raises:
            ClearerError: If even a single patch does not fit into memory.
        """
        state = self._state
        for optimizer in state.optimizers:
            set_learning_rate(optimizer, learning_rate)
        rate = state.average.rate(iteration)
        if isinstance(self._ema_rate, Tensor):
            self._ema_rate.fill_(rate)
        else:
            self._ema_rate = rate
        while True:
            try:
                self._work(*batch)
                return self._loss
            except torch.OutOfMemoryError:
                self._split(len(batch.degraded))

    def reset(self) -> None:
        """Record the step again: what the network does has changed."""
        self._work.reset()

    def _split(self, batch_size: int) -> None:
        if self.num_pieces >= batch_size:
            raise ClearerError(
                "out of memory with a single patch: use a smaller --patch-size or network"
            )
        self.num_pieces = min(2 * self.num_pieces, batch_size)
        for optimizer in self._state.optimizers:
            optimizer.zero_grad()
        if self._settings.device == "cuda":
            torch.cuda.empty_cache()
        self._work.reset()
        self._say(f"out of memory: from here on a batch is computed in {self.num_pieces} pieces")

    def _update(self, degraded: Tensor, clean: Tensor, mask: Tensor | None) -> None:
        state, settings = self._state, self._settings
        for optimizer in state.optimizers:
            optimizer.zero_grad()
        total = torch.zeros_like(self._loss)
        for piece in _pieces(Batch(degraded, clean, mask), self.num_pieces):
            with autocast(settings.device, settings.precision):
                restored = state.network(piece.degraded)
            restored, share = restored.float(), len(piece.clean) / len(clean)
            error = _LOSSES[settings.train.loss](restored, piece.clean, piece.mask)
            total += share * error.detach()
            if self._teacher is not None:
                taught = self._taught(self._teacher, piece.degraded)
                error = _TAUGHT[settings.train.loss](restored, taught, piece.clean, piece.mask)
            (share * error).backward()
        average_gradients(self._processes, total, state.weights)
        torch.nn.utils.clip_grad_norm_(state.weights, settings.train.gradient_clip)
        for optimizer in state.optimizers:
            optimizer.step()
        state.average.update(self._ema_rate)
        self._loss.copy_(total)

    def _taught(self, teacher: RestorationNet, degraded: Tensor) -> Tensor:
        """What the teacher restores; a blind one is not told the level."""
        planes = teacher.architecture.space.input_planes
        with torch.no_grad(), autocast(self._settings.device, self._settings.precision):
            restored: Tensor = teacher(degraded[:, :planes])
        return restored.float()


def _pieces(batch: Batch, count: int) -> list[Batch]:
    """Split a batch into parts of about equal size."""
    if count == 1:
        return [batch]
    degraded, clean = batch.degraded.tensor_split(count), batch.clean.tensor_split(count)
    masks = [None] * count if batch.mask is None else batch.mask.tensor_split(count)
    return [Batch(*parts) for parts in zip(degraded, clean, masks, strict=True)]
