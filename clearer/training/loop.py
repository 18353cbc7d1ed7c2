"""How a loop runs, whatever it computes."""

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
    """What search and training are told beside what they do."""

    resume: bool
    """Go on from the checkpoint, if there is one."""
    checkpoint_seconds: float
    """Time between checkpoints."""
    listener: Listener
    """Called after each iteration, in the first process."""
    processes: Processes
    """The processes that work together."""
    say: Callable[[str], None] = _say_nothing
    """Takes a line for the user."""
    deadline: float | None = None
    """When this piece of the work ends, on the clock of ``time.monotonic``; None: with the work."""

    def is_over(self) -> bool:
        """Whether the time of this piece is over, in any process."""
        if self.deadline is None:
            return False
        return self.processes.any(time.monotonic() > self.deadline)
