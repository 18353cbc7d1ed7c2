"""Timing of several runners in turn, and statistics of the times."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.bench.report_record import NoiseRecord, TimesRecord
from clearer.bench.runners import Array, Runner

__all__ = [
    "WARM_UP",
    "Noise",
    "Timing",
    "Timings",
    "images_per_second",
    "judge_noise",
    "picture_call",
    "ratio_interval",
    "spread",
    "summary",
    "time_rounds",
    "warm_up",
]

WARM_UP: Final = {"seconds": 0.2, "runs": 10}
"""Minimum time and calls for each runner before its first timed call."""
_NUM_INPUTS: Final = 4
_DEFAULT_ROUNDS: Final = 100
_LEAST_SECONDS: Final = 3.0
_BATCH_ROUNDS: Final = 7
_RESAMPLINGS: Final = 2000
_SORTED_NUMBERS: Final = 300_000
_QUIET_REFERENCE: Final = 0.05
"""Spread of the reference workload above which the machine counts as busy."""
_QUIET_ROWS: Final = 0.10
"""The same for any row."""
_LEAST_ROUNDS: Final = 5
"""Minimum number of rounds to judge the spread."""


@dataclass(slots=True)
class Timing:
    """Times of one runner in ms; entry i is from round i."""

    call: list[float] = field(default_factory=list)
    """Float array in, float array out."""
    picture: list[float] = field(default_factory=list)
    """8-bit picture in, 8-bit picture out."""

    @property
    def seconds(self) -> float:
        """Time used so far."""
        return (sum(self.call) + sum(self.picture)) / 1000


@dataclass(frozen=True, slots=True)
class Timings:
    """Times of all runners, and of a fixed workload interleaved with them."""

    rows: list[Timing]
    reference: list[float]


class _Reference:
    """Sorts the same numbers on as many threads as the rows use: it slows down with other work."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads)
        self._numbers = np.random.default_rng(0).random((threads, _SORTED_NUMBERS))

    def __call__(self) -> None:
        list(self._pool.map(np.sort, self._numbers))

    def close(self) -> None:
        self._pool.shutdown()


def picture_call(runner: Runner) -> Callable[[NDArray[np.uint8]], NDArray[np.uint8]]:
    """Wrap a runner to map 8-bit pictures ``(H, W, C)``, conversions included."""

    def call(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
        batch = picture.transpose(2, 0, 1)[None].astype(np.float32)
        batch *= np.float32(1 / 255)
        restored = runner(batch)[0] * np.float32(255)
        np.rint(restored.clip(0, 255, out=restored), out=restored)
        return np.ascontiguousarray(restored.astype(np.uint8).transpose(1, 2, 0))

    return call


def warm_up(runner: Runner, shape: tuple[int, ...], max_seconds: float) -> None:
    """Call a runner until its speed has settled, for at most ``max_seconds``."""
    image = np.random.default_rng(0).random(shape, dtype=np.float32)
    start, runs = time.perf_counter(), 0
    while runs < WARM_UP["runs"] or time.perf_counter() - start < WARM_UP["seconds"]:
        runner(image)
        runs += 1
        if time.perf_counter() - start > max_seconds:
            return


def time_rounds(
    runners: Sequence[Runner],
    shape: tuple[int, int, int, int],
    *,
    num_rounds: int | None,
    max_seconds: float,
    threads: int,
    listener: Callable[[int, int], None],
) -> Timings:
    """Wall-clock times of single calls on rotating random inputs, interleaved.

    In each round every runner makes a plain call and one on an 8-bit picture, all in random order,
    so that none always follows the same other one. A runner leaves the rounds once it has used
    ``max_seconds``.

    Args:
        runners: What to time, warmed up.
        shape: Shape of the inputs, ``(1, C, H, W)``.
        num_rounds: Calls per runner; None: 100, and more until the rounds have taken 3 seconds.
        max_seconds: Time limit per runner, in seconds.
        threads: Threads of the reference workload.
        listener: Called after each round with (done, total).
    """
    rng = np.random.default_rng(0)
    inputs: list[Array] = [rng.random(shape, dtype=np.float32) for _ in range(_NUM_INPUTS)]
    pictures = [(255 * x[0].transpose(1, 2, 0)).astype(np.uint8) for x in inputs]
    pictured = [picture_call(runner) for runner in runners]
    result = Timings([Timing() for _ in runners], [])
    reference = _Reference(threads)
    total = num_rounds or _DEFAULT_ROUNDS
    start, done = time.perf_counter(), 0
    try:
        for _ in range(3):
            reference()
        while _goes_on(result, done, num_rounds, start, max_seconds):
            turn = done % _NUM_INPUTS
            active = [i for i, row in enumerate(result.rows) if row.seconds < max_seconds]
            jobs: list[tuple[list[float], Callable[[Any], Any], Any]]
            jobs = [(result.reference, lambda _: reference(), None)]
            jobs += [(result.rows[i].call, runners[i], inputs[turn]) for i in active]
            jobs += [(result.rows[i].picture, pictured[i], pictures[turn]) for i in active]
            for index in rng.permutation(len(jobs)):
                times, call, argument = jobs[index]
                begin = time.perf_counter_ns()
                call(argument)
                times.append((time.perf_counter_ns() - begin) / 1e6)
            done += 1
            listener(done, max(total, done))
    finally:
        reference.close()
    return result


def _goes_on(
    timings: Timings, done: int, num_rounds: int | None, start: float, max_seconds: float
) -> bool:
    if all(row.seconds >= max_seconds for row in timings.rows):
        return False
    if num_rounds is not None:
        return done < num_rounds
    return done < _DEFAULT_ROUNDS or time.perf_counter() - start < _LEAST_SECONDS


def images_per_second(
    runners: Sequence[Runner], shape: tuple[int, int, int], batch: int, max_seconds: float
) -> list[float | str]:
    """Throughput of batches, interleaved; an error message for a runner that takes no batches.

    Args:
        runners: Runners, warmed up with single images.
        shape: Shape of one image, ``(C, H, W)``.
        batch: Images per call.
        max_seconds: Time limit per runner, in seconds; there is at least one timed call.
    """
    images = np.random.default_rng(0).random((batch, *shape), dtype=np.float32)
    times: list[list[float]] = [[] for _ in runners]
    failed: dict[int, str] = {}
    # The first round warms up, and finds runners that take no batches.
    for turn in range(1 + _BATCH_ROUNDS):
        for index, runner in enumerate(runners):
            if index in failed or (turn > 1 and sum(times[index]) > max_seconds):
                continue
            begin = time.perf_counter()
            try:
                runner(images)
            except Exception as error:  # each runtime has its own types
                failed[index] = (str(error).splitlines() or [type(error).__name__])[0]
                continue
            if turn:
                times[index].append(time.perf_counter() - begin)
    return [
        failed[index] if index in failed else batch / float(np.median(row))
        for index, row in enumerate(times)
    ]


def spread(times: Sequence[float]) -> float:
    """Relative spread: 1.4826 times the median absolute deviation, over the median."""
    middle = float(np.median(times))
    return 1.4826 * float(np.median(np.abs(np.array(times) - middle))) / middle


def summary(times_ms: Sequence[float]) -> TimesRecord:
    """Statistics of some times in ms, with the times."""
    return {
        "median_ms": float(np.median(times_ms)),
        "p5_ms": float(np.percentile(times_ms, 5)),
        "p95_ms": float(np.percentile(times_ms, 95)),
        "p99_ms": float(np.percentile(times_ms, 99)),
        "min_ms": min(times_ms),
        "n": len(times_ms),
        "spread": spread(times_ms),
        "times_ms": [round(value, 4) for value in times_ms],
    }


def ratio_interval(
    times_ms: Sequence[float], to_ms: Sequence[float]
) -> tuple[float, tuple[float, float]]:
    """Ratio of the medians of two rows, and its 95 % interval by bootstrap over rounds.

    The same rounds are drawn for both rows, of those that both took part in: what slowed down a
    whole round cancels out.
    """
    n = min(len(times_ms), len(to_ms))
    a, b = np.array(times_ms[:n]), np.array(to_ms[:n])
    draws = np.random.default_rng(0).integers(n, size=(_RESAMPLINGS, n))
    ratios = np.median(a[draws], axis=1) / np.median(b[draws], axis=1)
    low, high = np.quantile(ratios, [0.025, 0.975])
    return float(np.median(a) / np.median(b)), (float(low), float(high))


@dataclass(frozen=True, slots=True)
class Noise:
    """Whether times can be trusted, and why."""

    is_quiet: bool
    reference_spread: float
    reference_ms: float
    text: str

    def to_dict(self) -> NoiseRecord:
        """Plain data for JSON."""
        return {
            "is_quiet": self.is_quiet,
            "reference_spread": self.reference_spread,
            "reference_ms": self.reference_ms,
            "text": self.text,
        }


def judge_noise(timings: Timings) -> Noise:
    """Judge whether the machine was quiet: neither the reference nor any row may spread too much.

    A few rounds spread little on any machine: they show nothing.
    """
    reference = spread(timings.reference)
    rounds, median_ms = len(timings.reference), float(np.median(timings.reference))
    if rounds < _LEAST_ROUNDS:
        text = (
            f"{rounds} rounds are too few to tell whether the machine was quiet: {_LEAST_ROUNDS} do"
        )
        return Noise(False, reference, median_ms, text)
    widest = max(spread(row.call) for row in timings.rows)
    is_quiet = reference <= _QUIET_REFERENCE and widest <= _QUIET_ROWS
    verdict = "quiet" if is_quiet else "too busy for a verdict on times"
    text = (
        f"the machine was {verdict}: a fixed sort interleaved with the rows spread by "
        f"{reference:.1%} (at most {_QUIET_REFERENCE:.0%} is quiet), the rows by up to "
        f"{widest:.1%} (at most {_QUIET_ROWS:.0%})"
    )
    return Noise(is_quiet, reference, median_ms, text)
