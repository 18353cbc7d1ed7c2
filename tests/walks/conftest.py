"""An empty folder to walk in, and the command as a person types it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.patience import PATIENCE_S

Clearer = Callable[..., str]
"""Runs a command and returns its output; fails if the exit code is not the expected one."""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The empty folder where the walk begins."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def clearer_command(folder: Path) -> Clearer:
    """Run the command in a separate process."""

    def run(*words: object, exit_code: int = 0) -> str:
        command = [sys.executable, "-m", "clearer", *(str(word) for word in words)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S)
        assert done.returncode == exit_code, done.stdout + done.stderr
        return done.stdout

    return run
