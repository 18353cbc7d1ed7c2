"""SIGTERM ends a command as an interrupt, whatever became of the exception."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator

import pytest

from clearer.errors import InputError
from clearer.support.interrupt import Terminated, as_interrupt, catch_sigterm, forget_sigterm


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    before = signal.getsignal(signal.SIGTERM)
    catch_sigterm()
    yield
    signal.signal(signal.SIGTERM, before)
    forget_sigterm()


def test_a_module_that_answers_with_its_own_error_is_seen_through() -> None:
    error = TypeError("expected a message argument")
    assert as_interrupt(error) is error
    with pytest.raises(Terminated):
        os.kill(os.getpid(), signal.SIGTERM)
    assert isinstance(as_interrupt(error), Terminated)
    for known in (InputError("no"), OSError(28, "no space"), KeyboardInterrupt()):
        assert as_interrupt(known) is known
    forget_sigterm()
    assert as_interrupt(error) is error
