"""Threads that torch computes with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["computing_with", "torch_threads"]


def torch_threads() -> int:
    """Threads that torch computes with."""
    import torch

    return torch.get_num_threads()


@contextmanager
def computing_with(threads: int) -> Iterator[None]:
    """Let torch compute with so many threads, and with as many as before after it."""
    import torch

    before = torch_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
