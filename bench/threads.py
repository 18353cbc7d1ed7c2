"""Number of threads for torch, and by default for other packages."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from clearer.support.device import num_cores

__all__ = ["computing_with", "usual_threads"]


def usual_threads() -> int:
    """As many threads as torch uses, or would use; torch is not loaded for that."""
    if (torch := sys.modules.get("torch")) is not None:
        return int(torch.get_num_threads())
    wanted = os.environ.get("OMP_NUM_THREADS", "")
    return int(wanted) if wanted.isdecimal() and int(wanted) else num_cores()


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Let torch use so many threads inside the context, then as many as before."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
