"""Runs functions and commands in a separate process that starts quickly.

It is forked from a server that has loaded the packages and done nothing else. A fork of the tests
themselves would have their threads' locks but none of the threads: torch would wait forever.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

from typer.testing import CliRunner

from clearer.cli import app
from tests.patience import PATIENCE_S

__all__ = ["Ended", "SignalIn", "run_forked", "start_forked"]

_SERVER: Final = multiprocessing.get_context("forkserver")
_SERVER.set_forkserver_preload(["clearer.api.session", "torch._dynamo", "tests.forked"])


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended."""

    exit_code: int
    """Minus the number of the signal that killed it."""
    stderr: str
    """Empty if it was killed."""


@dataclass(frozen=True, slots=True)
class SignalIn:
    """Lets a function send a signal to its own process before it works."""

    function: str
    """``package.module.name``, in the module that calls it."""
    call: int
    """Which call it is, from 1."""
    number: int
    """Number of the signal."""

    def __call__(self) -> None:
        """Install the signal in the process."""
        place, _, name = self.function.rpartition(".")
        module = importlib.import_module(place)
        original = getattr(module, name)
        calls: list[int] = []

        def spy(*args: Any, **options: Any) -> Any:
            calls.append(1)
            if len(calls) == self.call:
                os.kill(os.getpid(), self.number)
            return original(*args, **options)

        setattr(module, name, spy)


def start_forked(function: Callable[..., object], *arguments: object) -> BaseProcess:
    """Call a function in a new process, with the environment and working folder of this one."""
    where = os.getcwd()
    process = _SERVER.Process(
        target=_call, args=(dict(os.environ), where, function, arguments), daemon=True
    )
    process.start()
    return process


def run_forked(*words: object, prepare: Callable[[], object]) -> Ended:
    """Run ``clearer`` in a new process.

    Args:
        words: Arguments of ``clearer``.
        prepare: Called in the process before the command.
    """
    with tempfile.TemporaryDirectory() as folder:
        errors = Path(folder) / "stderr"
        process = start_forked(_command, [str(word) for word in words], prepare, errors)
        process.join(PATIENCE_S)
        assert process.exitcode is not None, f"{words} hangs"
        return Ended(process.exitcode, errors.read_text() if errors.exists() else "")


def _call(
    environment: dict[str, str],
    folder: str,
    function: Callable[..., object],
    arguments: tuple[object, ...],
) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    function(*arguments)


def _command(words: list[str], prepare: Callable[[], object], errors: Path) -> None:
    prepare()
    result = CliRunner().invoke(app, words)
    errors.write_text(result.stderr)
    sys.exit(result.exit_code)
