"""Turns of a race: one after the other, or several networks side by side on the cores of a CPU.

Small networks gain little from a second thread, and lose by it beside other work. So on a CPU each
core trains a network of its own, in one thread, which rounds alike on any number of cores.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

import torch

from clearer.data.splits import Splits
from clearer.errors import ClearerError, InputError, Interrupted, PieceDone
from clearer.pictures.images import ImageSet
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.searching.race_turn import (
    TURN_PARTS,
    Contender,
    Turn,
    num_iterations,
    pictures_digest,
)
from clearer.searching.standing import Score
from clearer.support.interrupt import StopRequest
from clearer.training.loop import Loop
from clearer.training.processes import Processes

__all__ = ["num_side_by_side", "turn_taker"]

_LEAST_ITERATIONS: Final = 200
"""A shorter race is over before other processes have loaded torch."""
_MOST_BYTES: Final = 4 * 10**9
"""Memory for the pictures of all processes, each of which holds them twice."""
_TICK_S: Final = 0.1
_PATIENCE_S: Final = 10.0
_KILLED: Final = -9
"""Exit code after SIGKILL, which ``signal`` does not name on every system."""
_ENVIRONMENT: Final = {"OMP_WAIT_POLICY": "PASSIVE"}


class TakeTurns(Protocol):
    """Lets networks train to the end of a round."""

    def __call__(
        self, todo: Sequence[Contender], work: float, tell: Callable[[int], None]
    ) -> Iterator[tuple[Contender, Score]]:
        """Yield each network with its score, as they are done.

        Args:
            todo: The networks of the round that have no score yet.
            work: Work of each by the end of the round, in iterations of a usual network.
            tell: Called with the number of parts of all these turns that are done.
        """


def num_side_by_side(
    settings: RunSettings, splits: Splits, number: int, processes: Processes
) -> int:
    """How many of so many networks train at a time, by cores and memory.

    On a GPU, in several processes, and in a short race it is one.
    """
    if processes.num_processes > 1:
        return 1
    if settings.device != "cpu" or settings.race.iterations < _LEAST_ITERATIONS:
        return 1
    if not sys.executable:  # Python inside another program
        return 1
    held = 2 * sum(_num_bytes(images) for images in (splits.train, splits.val))
    return max(1, min(torch.get_num_threads(), number, _MOST_BYTES // max(held, 1)))


def _num_bytes(images: ImageSet) -> int:
    return sum(image.nbytes for image in [*images.images, *images.degraded])


@contextlib.contextmanager
def turn_taker(
    run: Run,
    settings: RunSettings,
    splits: Splits,
    loop: Loop,
    stop: StopRequest,
    go_on: str,
    number: int,
) -> Iterator[TakeTurns]:
    """How a race of so many networks takes its turns; processes end with the context.

    Args:
        run: Folder of the checkpoints.
        settings: Settings of the run.
        splits: Pictures of the run.
        loop: How the race runs.
        stop: Whether the user asks for an end.
        go_on: The command that continues after a stop.
        number: Networks at the start.
    """
    count = num_side_by_side(settings, splits, number, loop.processes)
    if count == 1:

        def one_by_one(
            todo: Sequence[Contender], work: float, tell: Callable[[int], None]
        ) -> Iterator[tuple[Contender, Score]]:
            for index, contender in enumerate(todo):

                def tell_part(part: int, done: int = index * TURN_PARTS) -> None:
                    tell(done + part)

                turn = Turn(run, settings, splits, contender, loop, stop, go_on)
                yield contender, turn.go(work, tell_part)

        yield one_by_one
        return
    side_by_side = _SideBySide(run, loop, stop, go_on, count, pictures_digest(splits))
    try:
        yield side_by_side
    finally:
        side_by_side.kill()


class _SideBySide:
    """Processes that each train one network at a time; they start when there is work."""

    def __init__(
        self, run: Run, loop: Loop, stop: StopRequest, go_on: str, count: int, digest: str
    ) -> None:
        self._run, self._loop, self._stop, self._go_on = run, loop, stop, go_on
        self._count, self._digest = count, digest
        self._inbox: queue.Queue[tuple[_Worker, dict[str, Any]]] = queue.Queue()
        self._workers: list[_Worker] = []

    def __call__(
        self, todo: Sequence[Contender], work: float, tell: Callable[[int], None]
    ) -> Iterator[tuple[Contender, Score]]:
        if todo and not self._workers:
            self._loop.say(f"{self._count} networks of the race train at a time")
        while len(self._workers) < min(self._count, len(todo)):
            seconds = self._loop.checkpoint_seconds
            self._workers.append(_Worker(self._run.path, seconds, self._inbox))
        waiting, parts = deque(todo), dict.fromkeys((c.place for c in todo), 0)
        busy: dict[_Worker, Contender] = {}
        while waiting or busy:
            for worker in self._workers:
                if waiting and worker not in busy:
                    busy[worker] = waiting.popleft()
                    worker.begin(busy[worker], work, self._digest)
            try:
                worker, message = self._inbox.get(timeout=_TICK_S)
            except queue.Empty:
                message = {}
            if "part" in message:
                parts[busy[worker].place] = message["part"]
                tell(sum(parts.values()))
            if "say" in message:
                self._loop.say(message["say"])
            if "score" in message:
                contender = busy.pop(worker)
                parts[contender.place] = TURN_PARTS
                yield contender, message["score"]
            if "stopped" in message:  # by a signal to that process alone
                self._stop.requested = True
            if busy and (self._stop.requested or self._loop.is_over()):
                total = num_iterations(next(iter(busy.values())), work)
                iteration = message.get("stopped", 0)
                if "stopped" in message:
                    busy.pop(worker)
                yield from self._stop_all(busy, iteration, total)
            if "error" in message or "ended" in message:
                raise worker.failure(message, self._go_on)

    def _stop_all(
        self, busy: dict[_Worker, Contender], iteration: int, total: int
    ) -> Iterator[tuple[Contender, Score]]:
        """Let all save their checkpoints; turns that end just now count."""
        for worker in self._workers:
            worker.stop()
        if self._stop.requested:  # a piece of time does at least one iteration
            for worker in [worker for worker in busy if not worker.is_ready]:
                busy.pop(worker)  # it still loads, and has nothing to save
                worker.end_now()
        while busy:
            worker, message = self._inbox.get()
            if worker not in busy:
                continue
            if "score" in message:
                yield busy.pop(worker), message["score"]
            elif "stopped" in message:
                iteration = message["stopped"]
                busy.pop(worker)
            elif "error" in message:
                raise worker.failure(message, self._go_on)
            elif "ended" in message:  # by a signal that is not caught
                busy.pop(worker)
        if self._stop.requested:
            raise Interrupted(
                f"stopped at race iteration {iteration}; continue with: {self._go_on}"
            )
        raise PieceDone("race", iteration, total, self._go_on)

    def kill(self) -> None:
        """End all processes; those that still train have a moment to save their networks."""
        for worker in self._workers:
            worker.stop()
        for worker in self._workers:
            worker.kill()


class _Worker:
    """A process of :mod:`clearer.searching.race_worker`.

    Args:
        run: Folder of the run.
        checkpoint_seconds: Time between checkpoints.
        inbox: Receives what the process says.
    """

    def __init__(
        self,
        run: Path,
        checkpoint_seconds: float,
        inbox: queue.Queue[tuple[_Worker, dict[str, Any]]],
    ) -> None:
        paths = os.pathsep.join(path or os.getcwd() for path in sys.path)
        self._inbox, self.is_ready = inbox, False
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - it lasts as long as the process
        words = ["-m", "clearer.searching.race_worker", str(run), str(checkpoint_seconds)]
        with _without_ctrl_c():
            self._process = subprocess.Popen(
                [sys.executable, *words],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=self._errors,
                # The same modules as here: not what lies in the folder that the user is in.
                env=_ENVIRONMENT | os.environ | {"PYTHONPATH": paths, "PYTHONSAFEPATH": "1"},
                text=True,
                encoding="utf-8",
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            for line in lines:
                try:
                    message = json.loads(line)
                except ValueError:  # what a package printed while it was imported
                    continue
                self.is_ready = self.is_ready or "ready" in message
                self._inbox.put((self, message))
        self._inbox.put((self, {"ended": self._process.wait()}))

    def begin(self, contender: Contender, work: float, digest: str) -> None:
        """Let the process train a network on the pictures of this digest."""
        self._send(
            place=contender.place,
            architecture=contender.architecture.to_dict(),
            work=work,
            pictures=digest,
        )

    def stop(self) -> None:
        """Ask for an end: it comes after the next step, with a checkpoint."""
        self._send(stop=True)

    def _send(self, **order: Any) -> None:
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended, as its last message says
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def end_now(self) -> None:
        """End the process, whatever it does."""
        self._process.kill()

    def kill(self) -> None:
        """End the process, if it does not end by itself."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_PATIENCE_S)
        self._process.kill()
        self._process.wait()
        self._listener.join()
        self._errors.close()
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()

    def failure(self, message: dict[str, Any], go_on: str) -> ClearerError:
        """What the process reported as the reason of its end, or its last words."""
        if "error" in message:
            kind = InputError if message["code"] == InputError.exit_code else ClearerError
            error, trace = kind(message["error"]), message["trace"]
        else:
            self._errors.seek(0)
            trace = self._errors.read().decode(errors="replace").strip()
            reason = (trace.splitlines() or ["no word"])[-1]
            if message["ended"] == _KILLED:
                reason = "perhaps for lack of memory: with OMP_NUM_THREADS=1 there is only one"
            error = ClearerError(
                f"a process of the race has ended (exit code {message['ended']}): {reason}; "
                f"continue with: {go_on}"
            )
        error.__cause__ = RuntimeError(trace)  # --debug shows it
        return error


@contextlib.contextmanager
def _without_ctrl_c() -> Iterator[None]:
    """A process that starts inside is not reached by Ctrl-C: this one stops it."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
