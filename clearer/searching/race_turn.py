"""A turn of a race: the training of one network up to the end of a round, and its score."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import torch

from clearer.data.patches import Batch, PatchSampler
from clearer.data.splits import Splits
from clearer.runs.checkpoint import checkpoint_errors, load_checkpoint, save_checkpoint
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.standing import Score
from clearer.searching.training_work import iteration_work
from clearer.space.space import Architecture
from clearer.support.interrupt import StopRequest
from clearer.training.loop import Checkpoints, Loop
from clearer.training.norm_statistics import batch_statistics
from clearer.training.training_step import (
    TrainingState,
    TrainingStep,
    load_state,
    new_training_state,
    saved_state,
    training_sampler,
)

__all__ = [
    "TURN_PARTS",
    "Contender",
    "Turn",
    "forget_checkpoint",
    "num_iterations",
    "pictures_digest",
]

TURN_PARTS: Final = 20
"""Parts of a turn in which progress is reported."""
_STREAM: Final = 6
_SCORE_SEED: Final = (0, 4)
_SCORE_BATCHES: Final = 16
_SCORE_BATCH_SIZE: Final = 16
_EMA_SHARE: Final = 0.2
_WARMUP: Final = 4
"""The warm-up takes at most one part in this many of a round."""


@dataclass(slots=True, eq=False)
class Contender:
    """A network of a race."""

    place: int
    """Its place in the record."""
    architecture: Architecture
    scores: list[Score] = field(default_factory=list)
    iteration: int = 0
    """Iterations done, as far as this process knows."""
    state: TrainingState | None = None
    """None before its first turn in this process."""


def num_iterations(contender: Contender, work: float) -> int:
    """Iterations that are so much work for a network."""
    return max(1, round(work / iteration_work(contender.architecture)))


def pictures_digest(splits: Splits) -> str:
    """SHA-256 of all pictures that a race uses: another process must have read the same."""
    hashes = splits.train.sha256() + splits.val.sha256()
    return hashlib.sha256(hashes.encode()).hexdigest()


def forget_checkpoint(run: Run, contender: Contender) -> None:
    """Delete the checkpoint of a network that dropped out or won."""
    path = _checkpoint(run, contender)
    for file in (path, *path.parent.glob(f"{path.stem}-*.safetensors")):
        file.unlink(missing_ok=True)


def _checkpoint(run: Run, contender: Contender) -> Path:
    return run.path / "checkpoint" / f"race-{contender.place}.json"


class Turn:
    """The training of one network up to the end of a round, and its score.

    Args:
        run: Folder of the checkpoints.
        settings: Settings of the run.
        splits: Training pictures, and validation pictures for the score.
        contender: The network; it goes on from its state, or from its checkpoint.
        loop: How the race runs.
        stop: Whether the user asks for an end.
        go_on: The command that continues after a stop.
    """

    def __init__(
        self,
        run: Run,
        settings: RunSettings,
        splits: Splits,
        contender: Contender,
        loop: Loop,
        stop: StopRequest,
        go_on: str,
    ) -> None:
        self._run, self._contender, self._loop, self._stop = run, contender, loop, stop
        self._settings = replace(settings, space=contender.architecture.space)
        self._splits, self._go_on = splits, go_on

    def go(self, work: float, listener: Callable[[int], None]) -> Score:
        """Train to the end of a round; its checkpoint is saved there.

        Args:
            work: Work to be done by then in total, in iterations of a usual network.
            listener: Called with the number of parts of the turn that are done.

        Returns:
            The score.

        Raises:
            Interrupted: On Ctrl-C; the checkpoint is saved.
            PieceDone: When the time for this part is over; the checkpoint is saved.
        """
        contender, train, processes = self._contender, self._settings.train, self._loop.processes
        state = contender.state = contender.state or self._begin()
        total = num_iterations(contender, work)
        state.average.decay = 1 - 1 / max(1.0, _EMA_SHARE * total)
        sampler = training_sampler(self._settings, self._splits.train, _STREAM, processes)
        step = TrainingStep(self._settings, state, processes, self._loop.say)
        start, told = contender.iteration, 0
        warmup = max(1, min(train.warmup_iterations, total // _WARMUP))
        checkpoints = Checkpoints(
            self._loop,
            self._stop,
            self._save,
            stage="race",
            total=total,
            go_on=self._go_on,
            stops_at_end=True,
        )
        for iteration in range(start, total):
            rate = train.learning_rate * min(1.0, (iteration + 1) / warmup)
            step(sampler.batch(iteration), rate, iteration)
            contender.iteration = iteration + 1
            part = TURN_PARTS * (contender.iteration - start) // (total - start)
            if part > told:
                told = part
                listener(part)
            checkpoints.after(contender.iteration)
        return Score(iterations=total, psnr_db=processes.on_first(self._score))

    def _begin(self) -> TrainingState:
        """An untrained network, or that of the checkpoint."""
        contender, processes = self._contender, self._loop.processes
        state = new_training_state(self._settings, contender.architecture, processes)
        path = _checkpoint(self._run, contender)
        if not processes.on_first(path.exists):
            return state
        with checkpoint_errors(path, "delete it, and this network begins again"):
            saved = load_checkpoint(path)
            load_state(state, saved)
            contender.iteration = saved["iteration"]
        return state

    def _save(self, iteration: int) -> None:
        state = self._contender.state
        if state is None or not self._loop.processes.is_first:
            return
        to_save = {"iteration": iteration, **saved_state(state)}
        save_checkpoint(_checkpoint(self._run, self._contender), to_save)

    def _score(self) -> float | None:
        """PSNR in dB of validation patches, which are the same for all networks."""
        assert self._contender.state is not None
        network, settings = self._contender.state.average.network, self._settings
        sampler = PatchSampler(
            self._splits.val,
            settings.task,
            patch_size=settings.train.patch_size,
            batch_size=_SCORE_BATCH_SIZE,
            seed=list(_SCORE_SEED),
            device=settings.device,
            level_map=settings.space.level_map,
        )
        # Early on the running statistics lag behind; they stay unchanged here.
        with batch_statistics(network, momentum=0.0):
            errors = [_error(network, sampler.batch(index)) for index in range(_SCORE_BATCHES)]
        mean = float(torch.stack(errors).mean())
        return -10 * math.log10(mean) if 0 < mean < math.inf else None


@torch.no_grad()
def _error(network: torch.nn.Module, batch: Batch) -> torch.Tensor:
    error: torch.Tensor = (network(batch.degraded) - batch.clean).square().mean()
    return error
