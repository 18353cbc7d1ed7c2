"""A terminal that a test can read: a command runs in it as it does for a person."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import pyte

__all__ = ["Shown", "run_in_terminal", "type_in_terminal"]

_ROWS: Final = 40
_HISTORY: Final = 10_000
_SPINNER: Final = frozenset("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")
"""The spinner: it shows that work goes on, even if a loading package holds it still."""


@dataclass(slots=True)
class Shown:
    """What a person saw."""

    returncode: int = 0
    lines: list[str] = field(default_factory=list)
    """All lines left at the end, scrolled away or not, up to the last text."""
    screens: list[str] = field(default_factory=list)
    """Every state of the screen on the way, in order."""
    start_s: float = 0.0
    """Seconds to the first sign."""
    longest_silence: float = 0.0
    """The most seconds after that in which nothing changed or turned."""
    silent_after: str = ""
    """The screen during that time."""

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)


def run_in_terminal(
    words: list[str],
    folder: Path,
    *,
    columns: int = 80,
    timeout: float = 240,
    environment: Mapping[str, str] | None = None,
) -> Shown:
    """Run ``clearer`` with these arguments in a terminal of so many columns.

    Args:
        words: Arguments of ``clearer``.
        folder: Folder to run in.
        columns: Width of the terminal.
        timeout: Seconds after which it is killed.
        environment: Added to that of this process.
    """
    screen = pyte.HistoryScreen(columns, _ROWS, history=_HISTORY, ratio=0.5)
    stream = pyte.ByteStream(screen)
    command = [sys.executable, "-m", "clearer", *words]
    process, ours = _start(command, folder, columns, environment or {})
    shown = Shown()
    try:
        _watch(ours, screen, stream, shown, timeout)
        shown.returncode = process.wait(timeout=30)
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)
    above = ["".join(row[x].data for x in range(columns)) for row in screen.history.top]
    shown.lines = [line.rstrip() for line in [*above, *screen.display]]
    while shown.lines and not shown.lines[-1]:
        shown.lines.pop()
    return shown


def type_in_terminal(
    command: list[str],
    folder: Path,
    typed: list[tuple[str, str]],
    environment: Mapping[str, str],
    *,
    columns: int = 110,
    timeout: float = 60,
) -> str:
    """The screen of a program after input is typed.

    Args:
        command: The program.
        folder: Folder to run in.
        typed: Keys, and what must be on the screen before the next ones are typed.
        environment: Environment of the program.
        columns: Width of the terminal.
        timeout: Seconds to wait for each text.
    """
    screen = pyte.Screen(columns, _ROWS)
    stream = pyte.ByteStream(screen)
    process, ours = _start(command, folder, columns, environment)
    picture = ""
    try:
        for keys, awaited in typed:
            os.write(ours, keys.encode())
            end = time.monotonic() + timeout
            while awaited not in picture:
                if time.monotonic() > end:
                    raise TimeoutError(f"no {awaited!r} on the screen:\n{picture}")
                if select.select([ours], [], [], 0.1)[0]:
                    stream.feed(os.read(ours, 65536))
                    picture = "\n".join(line.rstrip() for line in screen.display)
    finally:
        process.kill()
        process.wait()
        os.close(ours)
    return picture


def _start(
    command: list[str], folder: Path, columns: int, environment: Mapping[str, str]
) -> tuple[subprocess.Popen[bytes], int]:
    """A process in a new terminal, and our end of it."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _ROWS, columns, 0, 0))
    variables = {**os.environ, "TERM": "xterm-256color", **environment}
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR"):
        variables.pop(name, None)
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    return process, ours


def _watch(
    ours: int, screen: pyte.HistoryScreen, stream: pyte.ByteStream, shown: Shown, timeout: float
) -> None:
    """Read until the command ends."""
    changed = start = time.monotonic()
    before = ""
    while time.monotonic() - start < timeout:
        if not select.select([ours], [], [], 0.1)[0]:
            continue
        try:
            data = os.read(ours, 65536)
        except OSError:  # how Linux says that nobody is there any more
            data = b""
        stream.feed(data)
        now, picture = time.monotonic(), "\n".join(line.rstrip() for line in screen.display)
        if not data:  # after the last line there was only the end of the process
            return
        if picture != before:
            if not shown.screens:
                shown.start_s = now - start
            elif now - changed > shown.longest_silence and not _SPINNER & set(before):
                shown.longest_silence, shown.silent_after = now - changed, before
            changed, before = now, picture
            shown.screens.append(picture.rstrip())
    raise TimeoutError(f"not done after {timeout:g} seconds:\n{before}")
