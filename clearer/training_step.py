"""One step of training a frozen network, and what it changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import torch
from torch import Tensor, nn

from clearer.compilation import compile_network, compiling_pays
from clearer.ema import MovingAverage
from clearer.engine import Engine
from clearer.images import ImageSet
from clearer.losses import restoration_loss, root_error_loss
from clearer.muon import Muon, hidden_and_other
from clearer.network import RestorationNet
from clearer.patches import PatchSampler
from clearer.precision import autocast
from clearer.settings import RunSettings, TrainingLoss
from clearer.space import Architecture

__all__ = [
    "TrainingState",
    "average_gradients",
    "is_compiled",
    "new_training_state",
    "training_sampler",
    "training_step",
]

_INIT_STREAM = 1_000_003
_LOSSES: Final[dict[TrainingLoss, Callable[[Tensor, Tensor], Tensor]]] = {
    "mse": restoration_loss,
    "rmse": root_error_loss,
}


@dataclass(frozen=True, slots=True)
class TrainingState:
    """What a step updates."""

    network: RestorationNet
    optimizers: list[torch.optim.Optimizer]
    average: MovingAverage
    weights: list[nn.Parameter]


def new_training_state(
    settings: RunSettings, architecture: Architecture, engine: Engine
) -> TrainingState:
    """An untrained network, initialised by the seed of the run, in training mode."""
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed + _INIT_STREAM)
        network = RestorationNet(architecture)
    network.to(settings.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    engine.prepare(network)
    s = settings.train
    average = MovingAverage(network, s.ema_share * s.iterations)
    optimizers = _make_optimizers(settings, network)
    return TrainingState(network.train(), optimizers, average, list(network.parameters()))


def _make_optimizers(settings: RunSettings, network: RestorationNet) -> list[torch.optim.Optimizer]:
    rate = settings.train.learning_rate
    if settings.train.optimizer == "adam":
        return [torch.optim.Adam(network.parameters(), lr=rate, fused=True)]
    hidden, other = hidden_and_other(network)
    dtype = torch.bfloat16 if settings.precision == "bf16" else torch.float32
    return [Muon(hidden, rate, dtype), torch.optim.Adam(other, lr=rate, fused=True)]


def training_sampler(
    settings: RunSettings, images: ImageSet, stream: int, engine: Engine
) -> PatchSampler:
    """Batches of the training, this process's share of each, from a stream of the run's seed.

    A fine-tuning has batches of its own: those that made the weights it starts from are known.
    """
    s, start = settings.train, settings.fine_tuned_from
    known = [] if start is None else [int.from_bytes(start.sha256[:8].encode())]
    return PatchSampler(
        images,
        settings.task,
        patch_size=s.patch_size,
        batch_size=s.batch_size,
        seed=[settings.seed, stream, *known],
        multiple=settings.space.multiple,
        mirrored_share=s.mirrored_share,
        share=engine.share(s.batch_size),
    )


def is_compiled(settings: RunSettings, architecture: Architecture, images: ImageSet) -> bool:
    """Whether the training uses ``torch.compile``: as asked for, else where that is sooner done."""
    if settings.compile != "auto":
        return settings.compile == "on"
    s, alone = settings.train, Engine()
    batch = training_sampler(settings, images, 0, alone).batch(0)

    def make_step(is_compiled: bool) -> Callable[[], float]:
        state = new_training_state(settings, architecture, alone)
        if is_compiled:
            compile_network(state.network)
        return lambda: training_step(state, batch, settings, 0, alone)

    what = f"{architecture.hash}, {settings.precision}, batch {s.batch_size}x{s.patch_size}"
    return compiling_pays(f"training, {what}", settings.device, s.iterations, make_step)


def average_gradients(engine: Engine, loss: Tensor, weights: list[nn.Parameter]) -> None:
    """Mean over the processes of a loss and of its gradients, where there are any, in place."""
    gradients = [p.grad for p in weights if p.grad is not None]
    engine.average([loss.detach(), *gradients])


def training_step(
    state: TrainingState,
    batch: tuple[Tensor, Tensor],
    settings: RunSettings,
    iteration: int,
    engine: Engine,
) -> float:
    """Change the weights by one batch of (degraded, clean), and return its loss.

    Every process gives its share of the batch; the loss is that of the whole.
    """
    degraded, clean = (tensor.to(settings.device, non_blocking=True) for tensor in batch)
    with autocast(settings.device, settings.precision):
        restored = state.network(degraded)
    restored = restored[:, :, : clean.shape[2], : clean.shape[3]]
    loss = _LOSSES[settings.train.loss](restored.float(), clean)
    for optimizer in state.optimizers:
        optimizer.zero_grad()
    loss.backward()
    average_gradients(engine, loss, state.weights)
    torch.nn.utils.clip_grad_norm_(state.weights, settings.train.gradient_clip)
    for optimizer in state.optimizers:
        optimizer.step()
    state.average.update(iteration)
    return loss.item()
