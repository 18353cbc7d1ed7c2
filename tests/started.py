"""The command as a user starts it, in a separate process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.patience import PATIENCE_S

__all__ = ["started", "wait_for_file"]


@contextmanager
def started(*words: object) -> Iterator[subprocess.Popen[str]]:
    """Run ``clearer``; it and all that it starts end with the block, whatever happens in it."""
    command = [sys.executable, "-m", "clearer", *map(str, words)]
    pipe = subprocess.PIPE
    with subprocess.Popen(
        command, stdout=pipe, stderr=pipe, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def wait_for_file(path: Path, process: subprocess.Popen[str]) -> None:
    """Wait until a process has written something to a file."""
    end = time.monotonic() + PATIENCE_S
    while not (path.exists() and path.stat().st_size):
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < end, f"{path} did not come"
        time.sleep(0.01)
