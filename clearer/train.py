"""Training of a frozen network, from scratch or from trained weights."""

from __future__ import annotations

import dataclasses
import math
import time
from typing import Any, Final

import torch

from clearer.compilation import compile_network
from clearer.data import Splits
from clearer.engine import Engine
from clearer.errors import ClearerError, InputError, Interrupted
from clearer.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.files import checkpoint_errors, load_checkpoint, save_checkpoint
from clearer.interrupt import StopRequest
from clearer.network import save_network
from clearer.progress import Listener, LoopLog, Progress
from clearer.run import Run
from clearer.schedule import set_learning_rate, training_rate
from clearer.settings import RunSettings
from clearer.tasks import task_to_dict
from clearer.training_run import read_start_weights
from clearer.training_step import (
    is_compiled,
    new_training_state,
    training_sampler,
    training_step,
)

__all__ = ["train"]

_STREAM: Final = 3


def train(
    run: Run,
    settings: RunSettings,
    splits: Splits,
    *,
    resume: bool,
    checkpoint_seconds: float,
    listener: Listener,
    engine: Engine,
) -> dict[str, Any]:
    """Train the run's architecture; keep the best average of the weights, and the last.

    Args:
        run: Folder with ``architecture.json``; weights, log and checkpoint go there.
        settings: What to do.
        splits: Pictures to train on and to validate with.
        resume: Go on from the checkpoint, if there is one.
        checkpoint_seconds: Time between checkpoints.
        listener: Called after each iteration, in the first process.
        engine: The processes that train together.

    Returns:
        The best validation: iteration, ``val_psnr_db``, ``val_ssim``.

    Raises:
        ClearerError: If the loss is not finite.
        Interrupted: On Ctrl-C; the checkpoint is saved.
    """
    s = settings.train
    sampler = training_sampler(settings, splits.train, _STREAM, engine)
    architecture = run.read_architecture()
    state = new_training_state(settings, architecture, engine)
    network, optimizers, average = state.network, state.optimizers, state.average
    start, best, log = 0, {"val_psnr_db": -math.inf}, None
    board = run.tensorboard / "train" if settings.tensorboard else None
    can_resume = resume and run.train_checkpoint.exists()
    has_weights = run.weights.exists()
    if has_weights and not can_resume:
        raise InputError(
            f"{run.path} has trained weights and no checkpoint to go on from: train its "
            f"architecture anew by clearer train {run.path} --out NEW"
        )
    if can_resume:
        with checkpoint_errors(
            run.train_checkpoint,
            f"train its architecture anew by clearer train {run.path} --out NEW",
        ):
            saved_state = load_checkpoint(run.train_checkpoint)
            network.load_state_dict(saved_state["network"])
            average.network.load_state_dict(saved_state["average"])
            for optimizer, held in zip(optimizers, saved_state["optimizers"], strict=True):
                optimizer.load_state_dict(held)
            start, compiled = saved_state["iteration"], saved_state["compiled"]
        log = LoopLog(run.train_log, start, saved_state["sums"], engine.is_first, board)
        if has_weights or not math.isfinite(saved_state["best"]["val_psnr_db"]):
            best = saved_state["best"]
        elif engine.is_first:  # written once, and lost: the average in the checkpoint replaces them
            best = _validate(run, settings, splits, average.network, start, best, log)
    else:
        compiled = engine.on_first(lambda: is_compiled(settings, architecture, splits.train))
        if settings.fine_tuned_from is not None:
            weights = read_start_weights(run, settings.fine_tuned_from)
            network.load_state_dict(weights)
            average.network.load_state_dict(weights)
    log = log or LoopLog(run.train_log, writes=engine.is_first, board=board)
    if compiled:
        compile_network(network)
    engine.barrier()  # all have read the run before the first writes to it

    def save(iteration: int) -> None:
        if not engine.is_first:
            return
        to_save = {
            "iteration": iteration,
            "network": network.state_dict(),
            "average": average.network.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "best": best,
            "compiled": compiled,
            "sums": log.sums,
        }
        save_checkpoint(run.train_checkpoint, to_save)

    if not can_resume:
        save(0)  # from here on, weights never lie in a run without a checkpoint
    settled = math.ceil(s.batch_statistics_share * s.iterations)
    if start > settled:
        _keep_statistics(network)
    saved = time.monotonic()
    with StopRequest() as stop:
        for iteration in range(start, s.iterations):
            if iteration == 0 and settings.fine_tuned_from is not None and engine.is_first:
                # What is learnt has to be better than this.
                best = _validate(run, settings, splits, average.network, 0, best, log)
            rate = training_rate(s, iteration, settled)
            for optimizer in optimizers:
                set_learning_rate(optimizer, rate)
            if iteration == settled:
                average.copy_statistics(network)
                _keep_statistics(network)
            value = training_step(state, sampler.batch(iteration), settings, iteration, engine)
            if not math.isfinite(value):
                raise ClearerError(
                    f"the loss of the training is {value} at iteration {iteration}: lower "
                    f"--learning-rate (now {s.learning_rate:g}) or use --precision fp32"
                )
            log.add(loss=value)

            done = iteration + 1
            if done % s.log_every == 0 or done == s.iterations:
                log.write_means(done, learning_rate=rate)
            if engine.is_first and (done % s.validate_every == 0 or done == s.iterations):
                best = _validate(run, settings, splits, average.network, done, best, log)
            if engine.is_first:
                listener(
                    Progress(stage="train", iteration=done, total=s.iterations, record=log.record)
                )
            if done < s.iterations and engine.any(stop.requested):
                save(done)
                raise Interrupted(
                    f"stopped at training iteration {done}; go on with: "
                    f"clearer train --resume {run.path}"
                )
            if done == s.iterations or time.monotonic() - saved > checkpoint_seconds:
                save(done)
                saved = time.monotonic()
    engine.barrier()  # the files are whole before any process ends
    return best


def _keep_statistics(network: torch.nn.Module) -> None:
    """Let batch normalisation use its running statistics as they are, from now on."""
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d | torch.nn.SyncBatchNorm):
            module.eval()


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
    restore = torch_restorer(network, settings.device)
    quality = evaluate(restore, splits.val, settings.task, VALIDATION_SEED)
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
        info["fine_tuned_from"] = dataclasses.asdict(settings.fine_tuned_from)
    state = {name: tensor.cpu() for name, tensor in network.state_dict().items()}
    architecture = run.read_architecture()
    save_network(run.last_weights, architecture, state, info)
    # Not 'greater than': a result that is not a number never counts as the best.
    if not quality.psnr_db > best["val_psnr_db"]:
        return best
    save_network(run.weights, architecture, state, info)
    return {"iteration": iteration, **figures}
