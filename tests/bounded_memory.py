"""How much more memory a process may take at most while something runs."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

__all__ = ["bounded_memory"]


@contextlib.contextmanager
def bounded_memory(mb: float) -> Iterator[None]:
    """Around work that files of unknown origin decide: its peak lies at most so far above before.

    Raises:
        AssertionError: If it does not.
    """
    before = _peak_mb()
    yield
    grown = _peak_mb() - before
    assert grown <= mb, f"the peak grew by {grown:.0f} MB, more than {mb:.0f}"


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
