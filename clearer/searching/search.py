"""The differentiable search: Gou et al., "CLEARER", NeurIPS 2020, section 3.2."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from clearer.costs.cost import CostTable
from clearer.data.patches import PatchSampler
from clearer.data.splits import partition
from clearer.errors import ClearerError
from clearer.pictures.images import ImageSet
from clearer.runs.checkpoint import (
    checkpoint_errors,
    load_checkpoint,
    load_optimizer,
    optimizer_state,
    save_checkpoint,
)
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.search_step import SearchStep
from clearer.support.interrupt import StopRequest
from clearer.support.threads import computing_with, tell_of_fewer, threads_for_loop
from clearer.training.loop import Checkpoints, Loop
from clearer.training.processes import Processes
from clearer.training.progress import LoopLog, Progress
from clearer.training.schedule import cosine

__all__ = ["search"]

# Streams of random numbers under the seed of a run.
_WEIGHT_STREAM: Final = 1
_ALPHA_STREAM: Final = 2
_DRAW_STREAM: Final = 4


def search(
    run: Run,
    settings: RunSettings,
    images: ImageSet,
    tables: Sequence[CostTable],
    loop: Loop,
    go_on: str,
) -> NDArray[np.float64]:
    """Train weights and architecture parameters alternately, on two halves of the images.

    Args:
        run: Folder for the log and the checkpoint.
        settings: Settings of the run.
        images: Training pictures.
        tables: Cost table of each budget.
        loop: How the search runs.
        go_on: The command that continues after a stop.

    Returns:
        Logarithm of the final op weights, shape ``(K, C)``: K choices of C candidates.

    Raises:
        ClearerError: If the loss is not finite.
        Interrupted: On Ctrl-C; the checkpoint is saved.
        PieceDone: When the time for this part is over; the checkpoint is saved.
    """
    processes = loop.processes
    batches = _samplers(settings, images, processes)
    step = SearchStep(settings, tables, processes, loop.say)
    start, log, threads = 0, None, None
    board = run.tensorboard / "search" if settings.tensorboard else None
    if loop.resume and run.search_checkpoint.exists():
        with checkpoint_errors(run.search_checkpoint, "delete it, and the search begins again"):
            state = load_checkpoint(run.search_checkpoint)
            step.supernet.load_state_dict(state["supernet"])
            load_optimizer(step.weight_optimizer, state["weight_optimizer"])
            load_optimizer(step.alpha_optimizer, state["alpha_optimizer"])
            step.costs.lambdas.copy_(state["lambdas"])
            start, threads = state["iteration"], state["threads"]
        log = LoopLog(run.search_log, start, state["sums"], processes.is_first, board)
    log = log or LoopLog(run.search_log, writes=processes.is_first, board=board)
    if threads is None:
        threads = _threads(settings, tables, batches, loop)
    processes.barrier()  # all have read the run before the first one writes to it
    with computing_with(min(threads, torch.get_num_threads())):
        _iterate(run, settings, step, batches, loop, go_on, _Start(start, log, threads))
    return step.log_op_weights().numpy()


@dataclass(frozen=True, slots=True)
class _Start:
    """Where a search begins or continues."""

    iteration: int
    log: LoopLog
    threads: int
    """Threads on a CPU. They change the rounding: a resumed search keeps them."""


def _samplers(
    settings: RunSettings, images: ImageSet, processes: Processes
) -> tuple[PatchSampler, PatchSampler]:
    """Batches that train weights, and batches that train the architecture."""
    s = settings.search
    weight_batches, alpha_batches = (
        PatchSampler(
            half,
            settings.task,
            patch_size=s.patch_size,
            batch_size=s.batch_size,
            seed=[settings.seed, stream],
            device=settings.device,
            share=processes.share(s.batch_size),
            level_map=settings.space.level_map,
        )
        for half, stream in zip(
            partition(images, settings.seed), (_WEIGHT_STREAM, _ALPHA_STREAM), strict=True
        )
    )
    return weight_batches, alpha_batches


def _threads(
    settings: RunSettings,
    tables: Sequence[CostTable],
    batches: tuple[PatchSampler, PatchSampler],
    loop: Loop,
) -> int:
    """Threads of the search, measured with a throw-away super-network."""
    s = settings.search

    def make_work() -> Callable[[], object]:
        eager = replace(settings, compile="off")
        step = SearchStep(eager, tables, Processes(), lambda line: None)
        first, second = (sampler.batch(0) for sampler in batches)

        def work() -> None:
            rng = np.random.default_rng(0)  # the same architecture each time
            step.weights(first, s.learning_rate, rng)
            step.alpha(second, rng)

        return work

    threads = threads_for_loop(
        make_work,
        iterations=s.iterations,
        device=settings.device,
        num_processes=loop.processes.num_processes,
    )
    tell_of_fewer(threads, loop.say)
    return threads


def _iterate(
    run: Run,
    settings: RunSettings,
    step: SearchStep,
    batches: tuple[PatchSampler, PatchSampler],
    loop: Loop,
    go_on: str,
    held: _Start,
) -> None:
    """The iterations from where the search starts or continues."""
    s, processes, log = settings.search, loop.processes, held.log
    weight_batches, alpha_batches = batches

    def save(iteration: int) -> None:
        if not processes.is_first:
            return
        state = {
            "iteration": iteration,
            "threads": held.threads,
            "supernet": step.supernet.state_dict(),
            "weight_optimizer": optimizer_state(step.weight_optimizer),
            "alpha_optimizer": optimizer_state(step.alpha_optimizer),
            "lambdas": step.costs.lambdas,
            "sums": _finite(log.read_sums(), iteration),
        }
        save_checkpoint(run.search_checkpoint, state)

    with StopRequest() as stop:
        checkpoints = Checkpoints(
            loop,
            stop,
            save,
            stage="search",
            total=s.iterations,
            go_on=go_on,
            stops_at_end=True,
        )
        for iteration in range(held.iteration, s.iterations):
            rate = cosine(iteration, s.decay_iterations, s.learning_rate, s.min_learning_rate)
            rng = np.random.default_rng([settings.seed, _DRAW_STREAM, iteration])
            values = {"loss_res": step.weights(weight_batches.batch(iteration), rate, rng)}
            if iteration >= s.warmup_iterations:
                values |= step.alpha(alpha_batches.batch(iteration), rng)._asdict()
            log.add(**values)

            done = iteration + 1
            if done % s.log_every == 0 or done in (s.warmup_iterations, s.iterations):
                _finite(log.read_sums(), done)
                op_weights = step.log_op_weights().exp().numpy()
                log.write_means(
                    done,
                    learning_rate=rate,
                    alpha_learning_rate=s.alpha_learning_rate,
                    op_weights=op_weights.round(6).tolist(),
                    expected_cost=step.costs.expected(op_weights),
                    lambda_comp=step.costs.lambdas.tolist(),
                )
            if processes.is_first:
                loop.listener(
                    Progress(stage="search", iteration=done, total=s.iterations, record=log.record)
                )
            checkpoints.after(done)


def _finite(sums: dict[str, float], iteration: int) -> dict[str, float]:
    for name, value in sums.items():
        if not math.isfinite(value):
            raise ClearerError(
                f"the {name} of the search is {value} before iteration {iteration}: the learning "
                "rate is too high for this data or precision; try --search-learning-rate with a "
                "tenth, or --precision fp32"
            )
    return sums
