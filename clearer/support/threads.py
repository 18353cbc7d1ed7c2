"""Number of threads for torch, and by default for other packages."""

from __future__ import annotations

import math
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from clearer.support.device import num_cores

__all__ = [
    "computing_with",
    "fastest_threads",
    "tell_of_fewer",
    "threads_for_loop",
    "usual_threads",
]

_UNTIMED_CALLS: Final = 1
_TIMED_CALLS: Final = 5
_ENOUGH_S: Final = 3.0
_LEAST_ITERATIONS: Final = 100
"""A shorter loop is over before it gains what measuring its threads takes."""
_CLEARLY: Final = 1.2
"""If half as many threads are so much slower, fewer are slower still."""


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


def threads_for_loop(
    make_work: Callable[[], Callable[[], object]],
    *,
    iterations: int,
    device: str,
    num_processes: int,
) -> int:
    """Threads for the iterations of a training or a search on a CPU, measured.

    As many as torch has, where that decides nothing, on a GPU and in a short loop, and where
    several processes share the cores.

    Args:
        make_work: Makes a throw-away iteration to measure; called only if there is a choice.
        iterations: Iterations of the loop.
        device: Where it computes.
        num_processes: Processes that work together.
    """
    import torch

    most = torch.get_num_threads()
    if device != "cpu" or num_processes > 1 or iterations < _LEAST_ITERATIONS or most == 1:
        return most
    return fastest_threads(make_work())


def tell_of_fewer(threads: int, say: Callable[[str], None]) -> None:
    """Say how many threads are used, if they are fewer than those of torch."""
    import torch

    if threads < (most := torch.get_num_threads()):
        say(f"{threads} of {most} threads: faster here, now")


def fastest_threads(work: Callable[[], object]) -> int:
    """With how many threads, up to those of torch, some work takes the least time now: measured.

    Threads wait for each other after each operation. While they wait they sleep, for those that
    spin take ten times as long beside other work; where waking them is slow, as on a virtual
    machine, a second thread can cost more than it computes.
    """
    import torch

    count = best = torch.get_num_threads()
    best_s = math.inf
    while count >= 1:
        with computing_with(count):
            seconds = _seconds(work)
        if seconds > _CLEARLY * best_s:
            break
        if seconds < best_s:
            best, best_s = count, seconds
        count //= 2
    return best


def _seconds(work: Callable[[], object]) -> float:
    """Median time of a call."""
    times = list[float]()
    for _ in range(_UNTIMED_CALLS + _TIMED_CALLS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
        if len(times) > _UNTIMED_CALLS and sum(times) > _ENOUGH_S:
            break
    return statistics.median(times[_UNTIMED_CALLS:])
