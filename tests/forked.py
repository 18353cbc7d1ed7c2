"""A command in a fork, which has no packages to load, and is ended at a known moment."""

from __future__ import annotations

import importlib
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from clearer.cli import app

__all__ = ["Ended", "run_forked", "signal_in"]


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    exit_code: int
    """Minus the number of the signal that killed it."""
    stderr: str
    """Empty where it was killed."""


def run_forked(*words: object, prepare: Callable[[], object]) -> Ended:
    """Run ``clearer`` in a fork of this process.

    Args:
        words: After ``clearer``.
        prepare: Called in the fork before the command.
    """
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr"
        child = os.fork()
        if child == 0:
            code = 70  # where it is not even started
            try:
                prepare()
                result = CliRunner().invoke(app, [str(word) for word in words])
                errors.write_text(result.stderr)
                code = result.exit_code
            finally:
                os._exit(code)
        _, status = os.waitpid(child, 0)
        stderr = errors.read_text() if errors.exists() else ""
    return Ended(os.waitstatus_to_exitcode(status), stderr)


def signal_in(function: str, call: int, number: int) -> Callable[[], None]:
    """Let a function send a signal to its own process before it works.

    Args:
        function: As ``package.module.name``, of the module that calls it.
        call: Which call it is, from 1.
        number: Of the signal.

    Returns:
        To be called in the process.
    """
    place, _, name = function.rpartition(".")

    def prepare() -> None:
        calls: list[int] = []
        module = importlib.import_module(place)
        original = getattr(module, name)

        def spy(*args: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) == call:
                os.kill(os.getpid(), number)
            return original(*args, **options)

        setattr(module, name, spy)

    return prepare
