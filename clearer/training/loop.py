"""How a loop runs, independent of its task."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from clearer.training.processes import Processes
from clearer.training.progress import Listener

__all__ = ["Loop"]


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
