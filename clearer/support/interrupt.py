"""Ctrl-C and SIGTERM: they end a command with one line, and saving finishes first."""

from __future__ import annotations

import signal
import threading
from types import FrameType, TracebackType

from clearer.errors import ClearerError

__all__ = [
    "StopRequest",
    "Terminated",
    "as_interrupt",
    "catch_sigterm",
    "exit_code",
    "forget_sigterm",
]

_SIGTERM_CODE = 128 + signal.SIGTERM
_was_terminated = False
_was_raised = False


class Terminated(KeyboardInterrupt):
    """SIGTERM came; after a plain KeyboardInterrupt Python may end itself by SIGINT."""


def catch_sigterm() -> None:
    """From now on SIGTERM raises a KeyboardInterrupt in the main thread, as Ctrl-C does."""
    signal.signal(signal.SIGTERM, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    global _was_raised
    _remember(number)
    _was_raised = True
    raise Terminated


def as_interrupt(error: BaseException) -> BaseException:
    """The error of a command; the interrupt, if that came as another error.

    Modules in C, while they load, answer an exception from elsewhere with one of their own.
    """
    known = (ClearerError, OSError, MemoryError, KeyboardInterrupt)
    return Terminated() if _was_raised and not isinstance(error, known) else error


def _remember(number: int) -> None:
    global _was_terminated
    _was_terminated = _was_terminated or number == signal.SIGTERM


def forget_sigterm() -> None:
    """Begin a command: a SIGTERM to an earlier one in this process does not count."""
    global _was_terminated, _was_raised
    _was_terminated = _was_raised = False


def exit_code() -> int:
    """Exit code of a command that was interrupted: 143 by SIGTERM, 130 by Ctrl-C."""
    return _SIGTERM_CODE if _was_terminated else 130


class StopRequest:
    """While active, the first SIGINT or SIGTERM only sets a flag; a second SIGINT interrupts.

    Use it as a context manager around a loop, and check :attr:`requested` once per iteration.
    """

    def __init__(self) -> None:
        self.requested = False
        self._previous: dict[int, object] = {}

    def __enter__(self) -> StopRequest:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._previous[number] = signal.signal(number, self._note)
        return self

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.requested and number == signal.SIGINT:
            raise KeyboardInterrupt
        _remember(number)
        self.requested = True

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)  # type: ignore[arg-type]
