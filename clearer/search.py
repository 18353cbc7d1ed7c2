"""The differentiable search: Gou et al., "CLEARER", NeurIPS 2020, section 3.2."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearer.budget import Budget
from clearer.compilation import compile_network
from clearer.cost import CostTable, cost_table
from clearer.data import partition
from clearer.engine import Engine
from clearer.errors import ClearerError, Interrupted
from clearer.files import checkpoint_errors, load_checkpoint, save_checkpoint
from clearer.images import ImageSet
from clearer.interrupt import StopRequest
from clearer.losses import architecture_loss, complexity_loss, restoration_loss, search_loss
from clearer.patches import PatchSampler
from clearer.precision import autocast
from clearer.progress import Listener, LoopLog, Progress
from clearer.run import Run
from clearer.sampling import draw, expected_loss, losses_of_choices
from clearer.schedule import cosine, set_learning_rate
from clearer.settings import RunSettings
from clearer.supernet import SuperNet
from clearer.training_step import average_gradients

__all__ = ["search"]

# Streams of random numbers under the seed of a run.
_WEIGHT_STREAM: Final = 1
_ALPHA_STREAM: Final = 2
_DRAW_STREAM: Final = 4
_ALPHA_BETAS: Final = (0.5, 0.999)


class _Costs:
    """L_Comp over the budgets, and the multipliers that follow the budgets by dual ascent.

    Without budgets there is one cost, in millions of parameters, with the fixed multiplier
    ``lambda_comp``. With budgets, the cost of each is in units of its limit.
    """

    def __init__(
        self, settings: RunSettings, budgets: Sequence[Budget], tables: Sequence[CostTable]
    ) -> None:
        if budgets:
            scales = [budget.limit for budget in budgets]
            self.lambdas = [0.0] * len(scales)
        else:
            tables, scales = [cost_table(settings.space, "params")], [1e6]
            self.lambdas = [settings.search.lambda_comp]
        self._rate = settings.search.dual_rate if budgets else 0.0
        self._tables, self._scales = tables, scales
        rows = [np.array(t.columns) / scale for t, scale in zip(tables, scales, strict=True)]
        self._costs = [torch.tensor(row, dtype=torch.float32) for row in rows]

    def loss(self, alpha: Tensor) -> Tensor:
        """Sum of lambda_2 times L_Comp, equation (5), over the costs."""
        terms = zip(self.lambdas, self._costs, strict=True)
        weighted = [lam * complexity_loss(alpha, cost.to(alpha.device)) for lam, cost in terms]
        return torch.stack(weighted).sum()

    def ascend(self, op_weights: NDArray[np.float64]) -> None:
        """One step of the multipliers, up where the expected cost is over its limit."""
        excess = [
            value / s - 1 for value, s in zip(self.expected(op_weights), self._scales, strict=True)
        ]
        self.lambdas = [
            max(0.0, lam + self._rate * e) if self._rate else lam
            for lam, e in zip(self.lambdas, excess, strict=True)
        ]

    def expected(self, op_weights: NDArray[np.float64]) -> list[float]:
        """Expected cost of the whole network in the unit of each table."""
        return [t.fixed + float((np.array(t.columns) * op_weights).sum()) for t in self._tables]


def search(
    run: Run,
    settings: RunSettings,
    images: ImageSet,
    tables: Sequence[CostTable],
    *,
    resume: bool,
    checkpoint_seconds: float,
    listener: Listener,
    engine: Engine,
) -> NDArray[np.float64]:
    """Train the weights and the architecture parameters in turn, on two halves of the images.

    Args:
        run: Folder for the log and the checkpoint.
        settings: What to do.
        images: Training pictures.
        tables: Cost table of each budget.
        resume: Go on from the checkpoint, if there is one.
        checkpoint_seconds: Time between checkpoints.
        listener: Called after each iteration, in the first process.
        engine: The processes that search together.

    Returns:
        Logarithm of the final op weights, shape ``(K, 2)``.

    Raises:
        ClearerError: If the loss is not finite.
        Interrupted: On Ctrl-C; the checkpoint is saved.
    """
    s, device = settings.search, settings.device
    weight_half, alpha_half = partition(images, settings.seed)
    samplers = [
        PatchSampler(
            half,
            settings.task,
            patch_size=s.patch_size,
            batch_size=s.batch_size,
            seed=[settings.seed, stream],
            share=engine.share(s.batch_size),
        )
        for half, stream in ((weight_half, _WEIGHT_STREAM), (alpha_half, _ALPHA_STREAM))
    ]
    weight_batches, alpha_batches = samplers
    with torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        supernet = SuperNet(settings.space)
    supernet.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    engine.prepare(supernet)
    weights = list(supernet.weight_parameters())
    weight_optimizer = _weight_optimizer(settings, weights)
    alpha_optimizer = torch.optim.Adam(
        [supernet.alpha],
        lr=s.alpha_learning_rate,
        betas=_ALPHA_BETAS,
        weight_decay=s.alpha_weight_decay,
    )
    costs = _Costs(settings, settings.budgets, tables)
    start, log = 0, None
    board = run.tensorboard / "search" if settings.tensorboard else None
    if resume and run.search_checkpoint.exists():
        with checkpoint_errors(run.search_checkpoint, "delete it, and the search begins anew"):
            state = load_checkpoint(run.search_checkpoint)
            supernet.load_state_dict(state["supernet"])
            weight_optimizer.load_state_dict(state["weight_optimizer"])
            alpha_optimizer.load_state_dict(state["alpha_optimizer"])
            costs.lambdas, start = state["lambdas"], state["iteration"]
        log = LoopLog(run.search_log, start, state["sums"], engine.is_first, board)
    log = log or LoopLog(run.search_log, writes=engine.is_first, board=board)
    engine.barrier()  # all have read the run before the first writes to it

    def save(iteration: int) -> None:
        if not engine.is_first:
            return
        state = {
            "iteration": iteration,
            "supernet": supernet.state_dict(),
            "weight_optimizer": weight_optimizer.state_dict(),
            "alpha_optimizer": alpha_optimizer.state_dict(),
            "lambdas": costs.lambdas,
            "sums": log.sums,
        }
        save_checkpoint(run.search_checkpoint, state)

    def on_device(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        degraded, clean = (tensor.to(device, non_blocking=True) for tensor in batch)
        return degraded, clean

    def restoration(batch: tuple[Tensor, Tensor], op_weights: Tensor) -> Tensor:
        degraded, clean = on_device(batch)
        with autocast(device, settings.precision):
            restored = supernet(degraded, op_weights)
        return restoration_loss(restored.float(), clean)

    def expectation(batch: tuple[Tensor, Tensor], op_weights: Tensor, drawn: Tensor) -> Tensor:
        degraded, clean = on_device(batch)

        def loss_of(restored: Tensor) -> Tensor:
            return restoration_loss(restored.float(), clean)

        with autocast(device, settings.precision):
            losses = losses_of_choices(supernet, degraded, loss_of, drawn)
        return expected_loss(losses, op_weights, drawn)

    supernet.train()
    if settings.compile == "on" and not s.sampling:  # each draw is another graph
        compile_network(supernet)
    saved = time.monotonic()
    with StopRequest() as stop:
        for iteration in range(start, s.iterations):
            # The weights: L_Res alone; the architecture parameters are constants here.
            rate = cosine(iteration, s.decay_iterations, s.learning_rate, s.min_learning_rate)
            set_learning_rate(weight_optimizer, rate)
            rng = np.random.default_rng([settings.seed, _DRAW_STREAM, iteration])
            mixture = supernet.op_weights().detach()
            seen = draw(mixture, rng) if s.sampling else mixture
            loss = restoration(weight_batches.batch(iteration), seen)
            weight_optimizer.zero_grad()
            loss.backward()
            average_gradients(engine, loss, weights)
            torch.nn.utils.clip_grad_norm_(weights, s.gradient_clip)
            weight_optimizer.step()
            values = {"loss_res": _finite(loss, iteration)}

            # The architecture parameters: equation (2); no gradient of the weights is computed.
            if iteration >= s.warmup_iterations:
                _set_requires_grad(weights, False)
                batch, relaxed = alpha_batches.batch(iteration), supernet.op_weights()
                alpha_res = (
                    expectation(batch, relaxed, draw(mixture, rng))
                    if s.sampling
                    else restoration(batch, relaxed)
                )
                loss_arch, loss_comp = architecture_loss(supernet.alpha), costs.loss(supernet.alpha)
                alpha_loss = search_loss(alpha_res, loss_arch, loss_comp, s.lambda_arch, 1.0)
                (supernet.alpha.grad,) = torch.autograd.grad(alpha_loss, supernet.alpha)
                engine.average([supernet.alpha.grad, alpha_res.detach()])
                alpha_optimizer.step()
                _set_requires_grad(weights, True)
                costs.ascend(_log_op_weights(supernet).exp().numpy())
                values["loss_res_alpha"] = _finite(alpha_res, iteration)
                values["loss_arch"] = loss_arch.item()
                values["loss_comp_weighted"] = loss_comp.item()
            log.add(**values)

            done = iteration + 1
            if done % s.log_every == 0 or done in (s.warmup_iterations, s.iterations):
                op_weights = _log_op_weights(supernet).exp().numpy()
                log.write_means(
                    done,
                    learning_rate=rate,
                    alpha_learning_rate=s.alpha_learning_rate,
                    op_weights=op_weights.round(6).tolist(),
                    expected_cost=costs.expected(op_weights),
                    lambda_comp=list(costs.lambdas),
                )
            if engine.is_first:
                listener(
                    Progress(stage="search", iteration=done, total=s.iterations, record=log.record)
                )
            if engine.any(stop.requested):
                save(done)
                raise Interrupted(f"stopped at search iteration {done}")
            if done == s.iterations or time.monotonic() - saved > checkpoint_seconds:
                save(done)
                saved = time.monotonic()
    return _log_op_weights(supernet).numpy()


def _weight_optimizer(
    settings: RunSettings, weights: list[torch.nn.Parameter]
) -> torch.optim.Optimizer:
    s = settings.search
    if s.optimizer == "sgd":
        return torch.optim.SGD(
            weights, lr=s.learning_rate, momentum=0.9, weight_decay=s.weight_decay
        )
    return torch.optim.Adam(weights, lr=s.learning_rate, weight_decay=s.weight_decay, fused=True)


def _set_requires_grad(parameters: list[torch.nn.Parameter], value: bool) -> None:
    for parameter in parameters:
        parameter.requires_grad_(value)


def _log_op_weights(supernet: SuperNet) -> Tensor:
    return supernet.alpha.detach().double().cpu().log_softmax(dim=1)


def _finite(loss: Tensor, iteration: int) -> float:
    value = loss.item()
    if not math.isfinite(value):
        raise ClearerError(
            f"the loss of the search is {value} at iteration {iteration}: the learning rate is too "
            "high for this data or precision; try --search-learning-rate with a tenth, or "
            "--precision fp32"
        )
    return value
