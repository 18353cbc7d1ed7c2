"""Lines and bars on one console."""

from __future__ import annotations

import io
import threading

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress import Progress

from clearer.terminal.console import stderr


class Line:
    """A line; while it is drawn, a thread tries to draw the bars."""

    def __init__(self, progress: Progress) -> None:
        self.thread = threading.Thread(target=progress.refresh)
        self.was_waiting = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.thread.start()
        self.thread.join(0.1)
        self.was_waiting = self.thread.is_alive()
        yield "a line"


def test_bars_wait_until_a_line_is_written() -> None:
    console = type(stderr())(file=io.StringIO(), force_terminal=True)
    with Progress(console=console, auto_refresh=False) as progress:
        line = Line(progress)
        console.print(line)
        line.thread.join()
    assert line.was_waiting
