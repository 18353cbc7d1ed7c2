"""Messages and progress of work on a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING

from clearer.api.watch import Watch
from clearer.terminal import console, live

if TYPE_CHECKING:
    from clearer.costs.cost import CostTable
    from clearer.data.splits import Splits
    from clearer.pictures.images import Color
    from clearer.runs.run_records import DecisionRecord
    from clearer.runs.settings import RunSettings
    from clearer.training.progress import Listener

__all__ = ["TerminalWatch"]


class TerminalWatch(Watch):
    """Lines, bars and spinners on stderr."""

    def say(self, line: str) -> None:
        """Print a line."""
        console.say(line)

    def be_quiet(self) -> None:
        """Print nothing but errors from now on."""
        console.be_quiet()

    def describe_settings(self, settings: RunSettings) -> None:
        """Describe what a run is about to do, in two lines."""
        console.describe_settings(settings)

    def describe_images(self, splits: Splits, color: Color) -> None:
        """Describe the pictures of a run, in one line."""
        console.describe_images(splits, color)

    def describe_costs(self, table: CostTable) -> None:
        """Describe the cost table in milliseconds, in one line."""
        console.describe_cost_table(table)

    def describe_decision(self, decision: DecisionRecord) -> None:
        """Describe the architecture that a search found, in a few lines."""
        console.describe_decision(decision)

    def status(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """A spinner."""
        return live.status(text)

    def timing(self, text: str) -> AbstractContextManager[Callable[[float], None]]:
        """A bar with time left."""
        return live.timing_bar(text)

    def loops(self, settings: RunSettings) -> AbstractContextManager[Listener]:
        """A bar per loop."""
        return live.loop_bars(settings)

    @contextmanager
    def steps(self, first: str) -> Iterator[Callable[[str, int, int], None]]:
        """A bar whose text changes."""
        with live.progress_bar() as progress:
            bar = progress.add_task(first, total=None, note="")

            def tell(what: str, done: int, total: int) -> None:
                text = console.printable(what)
                progress.update(bar, description=text, completed=done, total=total)

            yield tell
            progress.remove_task(bar)

    def timing_rounds(self) -> AbstractContextManager[Callable[[float, int, int], None]]:
        """A bar for groups of networks."""
        return live.round_bars()
