"""Training of a frozen network, from scratch or from trained weights."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import torch

from clearer.data.patches import PatchSampler
from clearer.data.splits import Splits
from clearer.errors import ClearerError, InputError
from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.networks.tell_level import forget_level, helpful_level, tell_level
from clearer.networks.warm_start import warm_start
from clearer.operations.layers import batch_norms
from clearer.restoring.evaluate import validate
from clearer.runs.checkpoint import checkpoint_errors, load_checkpoint, save_checkpoint
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.support.interrupt import StopRequest
from clearer.support.threads import computing_with, tell_of_fewer
from clearer.tasks.registry import task_from_dict, task_to_dict
from clearer.training.loop import Checkpoints, Loop
from clearer.training.norm_statistics import float_buffers, measure_statistics
from clearer.training.processes import Processes
from clearer.training.progress import LoopLog, Progress
from clearer.training.schedule import training_rate
from clearer.training.teacher import check_weights, load_teacher
from clearer.training.training_step import (
    TrainingState,
    TrainingStep,
    compile_training,
    is_compiled,
    load_state,
    new_training_state,
    saved_state,
    threads_for_training,
    training_sampler,
)

__all__ = ["train"]

_STREAM: Final = 3
_MEASURED_BATCHES: Final = 16
"""Batches that give the statistics with which batch normalisation is frozen."""


def train(run: Run, settings: RunSettings, splits: Splits, loop: Loop) -> dict[str, Any]:
    """Train the run's architecture; save the best averaged weights, and the last.

    Args:
        run: Folder with ``architecture.json``; weights, log and checkpoint go there.
        settings: Settings of the run.
        splits: Training and validation pictures.
        loop: How the training runs.

    Returns:
        The best validation: iteration, ``val_psnr_db``, ``val_ssim``.

    Raises:
        InputError: If the checkpoint or the start weights cannot be used.
        ClearerError: If the loss is not finite.
        Interrupted: On Ctrl-C; the checkpoint is saved.
        PieceDone: When the time for this part is over; the checkpoint is saved.
    """
    sampler = training_sampler(settings, splits.train, _STREAM, loop.processes)
    state = new_training_state(settings, run.read_architecture(), loop.processes)
    held = _begin(run, settings, splits, sampler, state, loop)
    with computing_with(held.threads):
        return _train(run, settings, splits, sampler, state, loop, held)


def _train(
    run: Run,
    settings: RunSettings,
    splits: Splits,
    sampler: PatchSampler,
    state: TrainingState,
    loop: Loop,
    held: _Start,
) -> dict[str, Any]:
    """The iterations from where the training starts or continues."""
    s, processes = settings.train, loop.processes
    network, average = state.network, state.average
    start, best, log = held.iteration, held.best, held.log
    if held.is_compiled:
        compile_training(state, settings, sampler.batch(start), loop.say)
    step = TrainingStep(
        settings,
        state,
        processes,
        loop.say,
        teacher=load_teacher(run, settings),
        num_pieces=held.num_pieces,
    )
    processes.barrier()  # all have read the run before the first one writes to it

    def save(iteration: int) -> None:
        sums = _finite(log.read_sums(), iteration, settings)
        if not processes.is_first:
            return
        to_save = {
            "iteration": iteration,
            **saved_state(state),
            "best": best if math.isfinite(best["val_psnr_db"]) else None,
            "compiled": held.is_compiled,
            "threads": held.threads,
            "pieces": step.num_pieces,
            "sums": sums,
        }
        save_checkpoint(run.train_checkpoint, to_save)

    if not held.is_resumed:
        save(0)  # from here on, a run with weights has a checkpoint
    frozen = math.ceil(s.batch_statistics_share * s.iterations)
    if start > frozen:
        _keep_statistics(network)
    with StopRequest() as stop:
        checkpoints = Checkpoints(
            loop,
            stop,
            save,
            stage="train",
            total=s.iterations,
            go_on=f"clearer train --resume {run.path}",
            stops_at_end=False,
        )
        for iteration in range(start, s.iterations):
            if iteration == 0 and settings.fine_tuned_from is not None and processes.is_first:
                # Later weights have to be better than this.
                best = _validate(run, settings, splits, average.network, 0, best, log)
            rate = training_rate(s, iteration, frozen)
            if iteration == frozen:
                if frozen:  # else the statistics of the start weights stay
                    first = max(0, frozen - _MEASURED_BATCHES)
                    seen = (sampler.batch(index).degraded for index in range(first, frozen))
                    measure_statistics(average.network, seen)
                    processes.average(float_buffers(average.network))
                average.copy_statistics(network)
                _keep_statistics(network)
                step.reset()
            log.add(loss=step(sampler.batch(iteration), rate, iteration))

            done = iteration + 1
            if done % s.log_every == 0 or done == s.iterations:
                _finite(log.read_sums(), done, settings)
                log.write_means(done, learning_rate=rate)
            if processes.is_first and (done % s.validate_every == 0 or done == s.iterations):
                best = _validate(run, settings, splits, average.network, done, best, log)
            if processes.is_first:
                loop.listener(
                    Progress(stage="train", iteration=done, total=s.iterations, record=log.record)
                )
            checkpoints.after(done)
    processes.barrier()  # the files are complete before any process ends
    return best


@dataclass(frozen=True, kw_only=True, slots=True)
class _Start:
    """Where training starts or continues."""

    iteration: int
    best: dict[str, Any]
    log: LoopLog
    is_resumed: bool
    is_compiled: bool
    threads: int
    """Threads on a CPU. They change the rounding: a resumed training keeps them."""
    num_pieces: int = 1


def _begin(
    run: Run,
    settings: RunSettings,
    splits: Splits,
    sampler: PatchSampler,
    state: TrainingState,
    loop: Loop,
) -> _Start:
    """Load the checkpoint, or the start weights, into networks and optimizers."""
    processes = loop.processes
    board = run.tensorboard / "train" if settings.tensorboard else None
    has_weights = run.weights.exists()
    if loop.resume and run.train_checkpoint.exists():
        return _resume(run, settings, splits, state, processes)
    if has_weights:
        raise InputError(
            f"{run.path} has trained weights and no checkpoint to continue from: train its "
            f"architecture again with clearer train {run.path} --out NEW"
        )
    architecture = run.read_architecture()
    compiled = processes.on_first(lambda: is_compiled(settings, architecture, splits.train))
    threads = threads_for_training(settings, architecture, splits.train, processes)
    tell_of_fewer(threads, loop.say)
    if settings.fine_tuned_from is not None:
        _load_start_weights(run, settings, sampler, loop, state.network)
        state.average.network.load_state_dict(state.network.state_dict())
    return _Start(
        iteration=0,
        best={"val_psnr_db": -math.inf},
        log=LoopLog(run.train_log, writes=processes.is_first, board=board),
        is_resumed=False,
        is_compiled=compiled,
        threads=threads,
    )


def _resume(
    run: Run, settings: RunSettings, splits: Splits, state: TrainingState, processes: Processes
) -> _Start:
    board = run.tensorboard / "train" if settings.tensorboard else None
    with checkpoint_errors(
        run.train_checkpoint,
        f"train its architecture again with clearer train {run.path} --out NEW",
    ):
        saved = load_checkpoint(run.train_checkpoint)
        load_state(state, saved)
        start, compiled, threads = saved["iteration"], saved["compiled"], saved["threads"]
        best = saved["best"] or {"val_psnr_db": -math.inf}
        pieces, sums = saved["pieces"], saved["sums"]
    log = LoopLog(run.train_log, start, sums, processes.is_first, board)
    if run.weights.exists():
        run.load_network()  # find damage now, not after the training
    elif saved["best"] is not None and processes.is_first:
        # The best weights are lost: the average in the checkpoint replaces them.
        worst = {"val_psnr_db": -math.inf}
        best = _validate(run, settings, splits, state.average.network, start, worst, log)
    return _Start(
        iteration=start,
        best=best,
        log=log,
        is_resumed=True,
        is_compiled=compiled,
        threads=min(threads, torch.get_num_threads()),
        num_pieces=pieces,
    )


def _load_start_weights(
    run: Run, settings: RunSettings, sampler: PatchSampler, loop: Loop, into: RestorationNet
) -> None:
    """Load the weights that the training starts from.

    Raises:
        InputError: If their file is not the one that the run was made with, or does not fit.
    """
    path, start = run.start_weights, settings.fine_tuned_from
    assert start is not None
    check_weights(path, start.sha256, start.name)
    network, info = load_network(path)
    architecture = into.architecture
    was_told, is_told = (a.space.level_map for a in (network.architecture, architecture))
    if is_told and not was_told:
        network = tell_level(network, _known_level(info))
    if start.is_warm:
        warm_start(start.name, network, into)
        return
    if was_told and not is_told:
        batch = sampler.batch(0)
        level = loop.processes.on_first(
            lambda: helpful_level(network, batch.degraded.cpu(), batch.clean.cpu())
        )
        network = forget_level(network, level)
        loop.say(
            f"{start.name} is told a noise level, which is not known here: the new network is not, "
            f"and starts from what that restores at sigma {255 * level:g}"
        )
    if network.architecture != architecture:
        raise InputError(f"{path} does not fit the architecture in architecture.json beside it")
    into.load_state_dict(network.state_dict())


def _known_level(info: Mapping[str, Any]) -> float | None:
    """The single level of white noise that a network was trained for, white at 1, or None."""
    sigma_255 = task_from_dict(info["task"]).sigma_255 if info.get("task") else None
    return None if sigma_255 is None else sigma_255 / 255


def _finite(sums: dict[str, float], iteration: int, settings: RunSettings) -> dict[str, float]:
    if not all(map(math.isfinite, sums.values())):
        raise ClearerError(
            f"the loss of the training is {sums['loss']} before iteration {iteration}: lower "
            f"--learning-rate (now {settings.train.learning_rate:g}) or use --precision fp32"
        )
    return sums


def _keep_statistics(network: torch.nn.Module) -> None:
    """Freeze batch normalisation: from now on it uses its running statistics unchanged."""
    for norm in batch_norms(network):
        norm.eval()


def _validate(
    run: Run,
    settings: RunSettings,
    splits: Splits,
    network: torch.nn.Module,
    iteration: int,
    best: dict[str, Any],
    log: LoopLog,
) -> dict[str, Any]:
    """Evaluate the averaged network, save it, and return the best validation so far."""
    level_map = settings.space.level_map
    quality = validate(
        network, splits.val, settings.task, device=settings.device, level_map=level_map
    )
    figures = {"val_psnr_db": quality.psnr_db, "val_ssim": quality.ssim}
    log.write(iteration, **figures)
    info = {
        "iteration": iteration,
        "task": task_to_dict(settings.task),
        "protocol": settings.task.protocol,
        "color": settings.color,
        "data": splits.source,
        "selection": f"best PSNR on {len(splits.val)} validation images",
        **figures,
    }
    if settings.fine_tuned_from is not None:
        start = settings.fine_tuned_from
        info["fine_tuned_from"] = {"name": start.name, "sha256": start.sha256}
    if settings.teacher is not None:
        info["teacher"] = asdict(settings.teacher)
    state = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    architecture = run.read_architecture()
    save_network(run.last_weights, architecture, state, info)
    # Negated, so that NaN never counts as the best.
    if not quality.psnr_db > best["val_psnr_db"]:
        return best
    save_network(run.weights, architecture, state, info)
    return {"iteration": iteration, **figures}
