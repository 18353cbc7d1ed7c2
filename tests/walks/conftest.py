"""An empty folder to walk in, and the command as a person types it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

Clearer = Callable[..., str]
"""Runs a command and gives its output; fails where the exit code is another than that expected."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the walk begins: nothing is in it."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clearer_command(folder: Path) -> Clearer:
    """In a process of its own."""

    def run(*words: object, exit_code: int = 0) -> str:
        command = [sys.executable, "-m", "clearer", *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    return run
