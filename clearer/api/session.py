"""What search and training share: processes, the lock on the run, its pictures, the loop."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass

from clearer.api.watch import Watch
from clearer.data.splits import Splits, load_splits
from clearer.networks.weights_file import read_weights
from clearer.planning.time_budget import fit_training_to_time
from clearer.runs.picture_list import check_pictures
from clearer.runs.run import Run
from clearer.runs.run_lock import lock_run
from clearer.runs.run_records import DecisionRecord
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.training.loop import Loop
from clearer.training.processes import Processes, launch

__all__ = ["RunResult", "Session", "open_session"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunResult:
    """The result of a search or a training."""

    run: Run
    """The run, with everything that was written."""
    splits: Splits
    """The pictures that it used."""
    is_trained: bool
    """Whether it has trained weights."""
    is_first: bool
    """Whether this process writes files and messages; of several, the first does."""

    @property
    def architecture(self) -> Architecture:
        """The frozen architecture."""
        return self.run.read_architecture()

    @property
    def decision(self) -> DecisionRecord:
        """How it was found, and how it meets each budget."""
        return self.run.read_decision()

    @property
    def val_psnr_db(self) -> float | None:
        """Mean PSNR over the validation pictures in dB; None if nothing was trained."""
        if not self.is_trained:
            return None
        return float(read_weights(self.run.weights).info["val_psnr_db"])


@dataclass(frozen=True, kw_only=True, slots=True)
class Session:
    """The work on one run, in this process and those that train with it."""

    processes: Processes
    watch: Watch
    resume: bool
    changed_data: bool
    checkpoint_seconds: float
    deadline: float | None
    locks: contextlib.ExitStack

    def hold(self, run: Run) -> None:
        """Keep other processes from writing the run until the session ends.

        Raises:
            ClearerError: If another process writes it.
        """
        self.locks.enter_context(lock_run(run.path))

    def load_images(self, settings: RunSettings) -> Splits:
        """The pictures of a run.

        Raises:
            InputError: If they cannot be used.
        """
        with self.watch.status("reading the pictures"):
            splits = load_splits(settings.data, settings.color, settings.seed, settings.task)
        self.watch.describe_images(splits, settings.color)
        return splits

    def go_on_with_images(self, run: Run, settings: RunSettings) -> None:
        """Compare the pictures with those that the run started with, and report changes.

        Raises:
            InputError: If something changed that must not.
        """
        for line in check_pictures(run, settings, may_change=self.changed_data):
            self.watch.say(line)

    @contextlib.contextmanager
    def loop(self, settings: RunSettings) -> Iterator[Loop]:
        """The :class:`Loop` of a run, with progress bars inside the context."""
        with self.watch.loops(settings) as listener:
            yield Loop(
                resume=self.resume,
                checkpoint_seconds=self.checkpoint_seconds,
                listener=listener,
                processes=self.processes,
                say=self.watch.say,
                deadline=self.deadline,
            )

    def fit_minutes(
        self, run: Run, settings: RunSettings, minutes: float | None, splits: Splits
    ) -> RunSettings:
        """Settings with the iterations that fit into a time, which may be from before a stop.

        Raises:
            InputError: If the time is too short, or the training has started.
        """
        if minutes is None:  # a resumed run may have been stopped before its time was used
            minutes = settings.minutes
        if minutes is None:
            return settings
        with self.watch.status("timing a few steps"):
            settings = fit_training_to_time(run, minutes, splits, self.processes)
        self.watch.say(f"{minutes:g} minutes: {settings.train.iterations:,} iterations")
        return settings

    def result(self, run: Run, splits: Splits, *, is_trained: bool) -> RunResult:
        """The result of the work."""
        is_first = self.processes.is_first
        return RunResult(run=run, splits=splits, is_trained=is_trained, is_first=is_first)


@contextlib.contextmanager
def open_session(
    device: str,
    watch: Watch,
    *,
    devices: int | None,
    nodes: int | None,
    resume: bool,
    changed_data: bool,
    checkpoint_seconds: float,
    deadline: float | None,
) -> Iterator[Session]:
    """Start or join the processes that train together; locks are released at the end.

    Args:
        device: ``cpu`` or ``cuda``.
        watch: Receives messages and progress, in the first process.
        devices: Processes per machine; None: the launcher's number, or one.
        nodes: Machines; None: the launcher's number, or one.
        resume: Whether a run continues.
        changed_data: Whether it may continue with other pictures.
        checkpoint_seconds: Seconds between checkpoints.
        deadline: When this part of the work ends, by ``time.monotonic``; None: when all is done.

    Raises:
        InputError: If the processes differ from what the launcher started, or are too many.
    """
    processes = launch(device, devices, nodes)
    if not processes.is_first:
        watch.be_quiet()
    with contextlib.ExitStack() as locks:
        yield Session(
            processes=processes,
            watch=watch,
            resume=resume,
            changed_data=changed_data,
            checkpoint_seconds=checkpoint_seconds,
            deadline=deadline,
            locks=locks,
        )
