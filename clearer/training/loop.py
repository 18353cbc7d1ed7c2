"""How a loop runs, independent of its task: when it saves its state, and when it stops."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from clearer.errors import Interrupted, PieceDone
from clearer.support.interrupt import StopRequest
from clearer.training.processes import Processes
from clearer.training.progress import Listener

__all__ = ["Checkpoints", "Loop"]


def _say_nothing(line: str) -> None:
    pass


@dataclass(frozen=True, kw_only=True, slots=True)
class Loop:
    """How search and training run: resuming, checkpoints, messages, processes."""

    resume: bool
    """Continue from the checkpoint, if there is one."""
    checkpoint_seconds: float
    """Time between checkpoints."""
    listener: Listener
    """Called after each iteration, in the first process."""
    processes: Processes
    """The processes that train together."""
    say: Callable[[str], None] = _say_nothing
    """Takes a line for the user."""
    deadline: float | None = None
    """When this part of the work ends, by ``time.monotonic``; None: when all of it is done."""

    def is_over(self) -> bool:
        """Whether the time for this part is over, in any process."""
        if self.deadline is None:
            return False
        return self.processes.any(time.monotonic() > self.deadline)


class Checkpoints:
    """Saves the state of a loop from time to time, and before it stops.

    Args:
        loop: How the loop runs.
        stop: Whether the user asks for an end.
        save: Writes the checkpoint after so many iterations.
        stage: ``search``, ``race`` or ``train``.
        total: Iterations in all.
        go_on: The command that continues.
        stops_at_end: Whether a request in the last iteration counts: something follows that must
            not start.
    """

    def __init__(
        self,
        loop: Loop,
        stop: StopRequest,
        save: Callable[[int], None],
        *,
        stage: str,
        total: int,
        go_on: str,
        stops_at_end: bool,
    ) -> None:
        self._loop, self._stop, self._save = loop, stop, save
        self._stage, self._total, self._go_on = stage, total, go_on
        self._stops_at_end = stops_at_end
        self._saved = time.monotonic()

    def after(self, iteration: int) -> None:
        """Save, if it is time; to be called when so many iterations are done.

        Raises:
            Interrupted: On Ctrl-C; the checkpoint is saved.
            PieceDone: When the time for this part is over; the checkpoint is saved.
        """
        is_end = iteration == self._total
        if self._stops_at_end or not is_end:
            if self._loop.processes.any(self._stop.requested):
                self._save(iteration)
                raise Interrupted(
                    f"stopped at {self._stage} iteration {iteration}; continue with: {self._go_on}"
                )
            if self._loop.is_over():
                self._save(iteration)
                raise PieceDone(self._stage, iteration, self._total, self._go_on)
        if is_end or time.monotonic() - self._saved > self._loop.checkpoint_seconds:
            self._save(iteration)
            self._saved = time.monotonic()
