"""A limit on the memory that a process may gain while something runs."""

from __future__ import annotations

import contextlib
import resource
from collections.abc import Iterator

__all__ = ["bounded_memory"]


@contextlib.contextmanager
def bounded_memory(mb: float) -> Iterator[None]:
    """Limit how far the block may raise the peak memory above what was in use before.

    Raises:
        AssertionError: If it rises further.
    """
    before = _peak_mb()
    yield
    grown = _peak_mb() - before
    assert grown <= mb, f"the peak grew by {grown:.0f} MB, more than {mb:.0f}"


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
