"""The console for lines, bars and spinners."""

from __future__ import annotations

import contextlib
from typing import Any

from rich.console import Console

__all__ = ["LineConsole"]


class LineConsole(Console):
    """A console that never draws lines and bars at the same moment.

    A separate thread redraws bars. If it does so after a line has looked up how many rows the bars
    have, and before it is written, rows stay behind or lines are lost. So a line takes the lock
    under which that thread draws.
    """

    def print(self, *objects: Any, **options: Any) -> None:
        """Print as any console does."""
        bars = self._live_stack[:1]
        with bars[0]._lock if bars else contextlib.nullcontext():
            super().print(*objects, **options)
