"""The command line on a network that is trained in a second."""

from __future__ import annotations

import os
from pathlib import Path
from types import ModuleType
from typing import Any

from typer.testing import CliRunner, Result

from clearer.cli import app
from clearer.files import read_jsonl

TINY = ["--width", "4", "--search-iterations", "6", "--iterations", "20", "--batch-size", "2"]
TINY += ["--patch-size", "32", "--precision", "fp32", "--columns", "1,1"]
SHORT = ["--iterations", "8", "--batch-size", "2", "--patch-size", "32", "--validate-every", "4"]


def clearer(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def records(run: Path) -> list[dict[str, Any]]:
    """The log of the training, without its speed."""
    return [
        {name: value for name, value in record.items() if name != "iterations_per_s"}
        for record in read_jsonl(run / "train.jsonl")
    ]


def die(words: list[object], module: ModuleType, patched: str, calls: int, number: int) -> int:
    """The command in a process that is sent a signal in a call of a function of ``module``."""
    child = os.fork()
    if child:
        return os.waitpid(child, 0)[1]
    original, seen = getattr(module, patched), []

    def spy(*args: Any) -> Any:
        seen.append(1)
        if len(seen) == calls:
            os.kill(os.getpid(), number)
        return original(*args)

    setattr(module, patched, spy)
    os._exit(clearer(*words).exit_code)
