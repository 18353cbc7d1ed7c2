"""The two steps of a search iteration: of the weights, and of the architecture."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from clearer.costs.cost import CostTable
from clearer.data.patches import Batch
from clearer.errors import ClearerError
from clearer.networks.supernet import SuperNet
from clearer.runs.settings import RunSettings
from clearer.searching.sampling import draw, expected_loss, losses_of_choices
from clearer.searching.search_costs import SearchCosts
from clearer.support.device import send
from clearer.training.captured import CapturedWork
from clearer.training.compilation import compile_network
from clearer.training.losses import architecture_loss, restoration_loss, search_loss
from clearer.training.precision import autocast
from clearer.training.processes import Processes
from clearer.training.schedule import set_learning_rate
from clearer.training.training_step import average_gradients, make_rate

__all__ = ["AlphaLosses", "SearchStep"]

_ALPHA_BETAS: Final = (0.5, 0.999)


class AlphaLosses(NamedTuple):
    """The terms of equation (2) in a step of the architecture parameters: scalars on the device."""

    loss_res_alpha: Tensor
    loss_arch: Tensor
    loss_comp_weighted: Tensor


class SearchStep:
    """The supernet, its optimizers and multipliers, and the steps that update them.

    Nothing waits for the device. On CUDA both steps are recorded as graphs. The next step
    overwrites the scalars that a step returned.

    Args:
        settings: Settings of the run.
        tables: Cost table of each budget.
        processes: Those that search together; each computes its share of a batch.
        say: Takes a line for the user.
        is_captured: Whether the steps are recorded on CUDA.
    """

    def __init__(
        self,
        settings: RunSettings,
        tables: Sequence[CostTable],
        processes: Processes,
        say: Callable[[str], None],
        *,
        is_captured: bool = True,
    ) -> None:
        s, device = settings.search, settings.device
        self._settings, self._processes = settings, processes
        with torch.random.fork_rng():
            torch.manual_seed(settings.seed)
            self.supernet = SuperNet(settings.space)
        self.supernet.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        processes.prepare(self.supernet)
        self._weights = list(self.supernet.weight_parameters())
        self.weight_optimizer = _weight_optimizer(settings, self._weights)
        self.alpha_optimizer = torch.optim.Adam(
            [self.supernet.alpha],
            lr=s.alpha_learning_rate,
            betas=_ALPHA_BETAS,
            weight_decay=s.alpha_weight_decay,
            capturable=device == "cuda",
        )
        self.costs = SearchCosts(settings, settings.budgets, tables)
        self.supernet.train()
        if settings.compile == "on" and not s.sampling:  # each sample is another graph
            self._compile(say)
        self._loss = torch.zeros((), device=device)
        self._alpha_losses = AlphaLosses(*(torch.zeros((), device=device) for _ in range(3)))
        self._turned: list[int] = []
        captured = is_captured and processes.num_processes == 1
        self._weight_work = CapturedWork(self._change_weights, device, say, is_captured=captured)
        self._alpha_work = CapturedWork(self._change_alpha, device, say, is_captured=captured)

    def _compile(self, say: Callable[[str], None]) -> None:
        s, space = self._settings.search, self._settings.space
        shape = (s.batch_size, space.input_planes, s.patch_size, s.patch_size)
        example = torch.rand(shape, device=self._settings.device)
        example = example.contiguous(memory_format=torch.channels_last)

        def call() -> Tensor:
            with autocast(self._settings.device, self._settings.precision):
                restored: Tensor = self.supernet(example, self.supernet.op_weights().detach())
            return restored

        compile_network(self.supernet, call, say)

    def weights(self, batch: Batch, learning_rate: float, rng: np.random.Generator) -> Tensor:
        """Update the weights on L_Res alone; the architecture parameters are constant here.

        Args:
            batch: A batch from the half of the pictures that trains weights.
            learning_rate: Learning rate of the iteration.
            rng: Samples an architecture, in a search by sampling.

        Returns:
            L_Res, equation (3).
        """
        set_learning_rate(self.weight_optimizer, learning_rate)
        try:
            self._weight_work(batch.degraded, batch.clean, self._uniform(rng))
        except torch.OutOfMemoryError as error:
            raise _too_large() from error
        return self._loss

    def alpha(self, batch: Batch, rng: np.random.Generator) -> AlphaLosses:
        """Update the architecture parameters on equation (2), and then the multipliers.

        Args:
            batch: A batch from the other half of the pictures.
            rng: Samples an architecture, in a search by sampling.
        """
        self._turned = self._draw_turns(rng)
        try:
            self._alpha_work(batch.degraded, batch.clean, self._uniform(rng))
        except torch.OutOfMemoryError as error:
            raise _too_large() from error
        return self._alpha_losses

    def log_op_weights(self) -> Tensor:
        """Logarithm of the op weights, of alpha's shape, float64, on the CPU: this waits."""
        return self.supernet.alpha.detach().double().cpu().log_softmax(dim=1)

    def _draw_turns(self, rng: np.random.Generator) -> list[int]:
        """The choices that are changed, in a search by sampling."""
        total, count = self._settings.space.num_choices, self._settings.search.turned
        if not 0 < count < total or self._settings.device == "cuda":
            return list(range(total))
        return sorted(rng.choice(total, count, replace=False).tolist())

    def _uniform(self, rng: np.random.Generator) -> Tensor | None:
        """Random numbers that decide the choices of a sampled architecture."""
        if not self._settings.search.sampling:
            return None
        return send(rng.random(self._settings.space.num_choices), self._settings.device)

    def _restoration(self, degraded: Tensor, clean: Tensor, op_weights: Tensor) -> Tensor:
        with autocast(self._settings.device, self._settings.precision):
            restored = self.supernet(degraded, op_weights)
        return restoration_loss(restored.float(), clean)

    def _change_weights(self, degraded: Tensor, clean: Tensor, uniform: Tensor | None) -> None:
        mixture = self.supernet.op_weights().detach()
        seen = mixture if uniform is None else draw(mixture, uniform)
        loss = self._restoration(degraded, clean, seen)
        self.weight_optimizer.zero_grad()
        loss.backward()
        average_gradients(self._processes, loss, self._weights)
        torch.nn.utils.clip_grad_norm_(self._weights, self._settings.search.gradient_clip)
        self.weight_optimizer.step()
        self._loss.copy_(loss.detach())

    def _change_alpha(self, degraded: Tensor, clean: Tensor, uniform: Tensor | None) -> None:
        alpha = self.supernet.alpha
        _set_requires_grad(self._weights, False)  # skips the gradients of the weights
        relaxed = self.supernet.op_weights()
        if uniform is None:
            loss_res = self._restoration(degraded, clean, relaxed)
        else:
            drawn = draw(relaxed.detach(), uniform)
            loss_res = self._expectation(degraded, clean, relaxed, drawn)
        loss_arch, loss_comp = architecture_loss(alpha), self.costs.loss(alpha)
        loss = search_loss(loss_res, loss_arch, loss_comp, self._settings.search.lambda_arch, 1.0)
        (alpha.grad,) = torch.autograd.grad(loss, alpha)
        self._processes.average([alpha.grad, loss_res.detach()])
        self.alpha_optimizer.step()
        _set_requires_grad(self._weights, True)
        self.costs.ascend(alpha)
        for kept, value in zip(self._alpha_losses, (loss_res, loss_arch, loss_comp), strict=True):
            kept.copy_(value.detach())

    def _expectation(
        self, degraded: Tensor, clean: Tensor, op_weights: Tensor, drawn: Tensor
    ) -> Tensor:
        def loss_of(restored: Tensor) -> Tensor:
            return restoration_loss(restored.float(), clean)

        with autocast(self._settings.device, self._settings.precision):
            losses = losses_of_choices(self.supernet, degraded, loss_of, drawn, self._turned)
        return expected_loss(losses, op_weights, drawn)


def _too_large() -> ClearerError:
    return ClearerError("out of memory: use a smaller --batch-size, --patch-size or --width")


def _weight_optimizer(settings: RunSettings, weights: list[nn.Parameter]) -> torch.optim.Optimizer:
    s, rate = settings.search, make_rate(settings.search.learning_rate, settings.device)
    if s.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=rate, momentum=0.9, weight_decay=s.weight_decay, fused=True
        )
    capturable = settings.device == "cuda"
    return torch.optim.Adam(
        weights, lr=rate, weight_decay=s.weight_decay, fused=True, capturable=capturable
    )


def _set_requires_grad(parameters: list[nn.Parameter], value: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(value)
