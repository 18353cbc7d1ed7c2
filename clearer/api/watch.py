"""The interface through which work reports messages and progress."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from clearer.bench.restorers import LoadedModel
    from clearer.costs.cost import CostTable
    from clearer.data.splits import Splits
    from clearer.pictures.images import Color
    from clearer.restoring.restore_files import RestoredFile
    from clearer.runs.run_records import DecisionRecord
    from clearer.runs.settings import RunSettings
    from clearer.training.progress import Listener

__all__ = ["SILENT", "PictureListener", "Watch"]

PictureListener = Callable[[int, int, int], None]


class Watch:
    """Receives messages and progress, and ignores them; subclasses override what they need.

    The one for terminals is :class:`clearer.terminal.watch.TerminalWatch`.
    """

    def say(self, line: str) -> None:
        """Show a line."""

    def be_quiet(self) -> None:
        """Be silent from now on: another process of the same work reports."""

    def describe_settings(self, settings: RunSettings) -> None:
        """Describe what a run is about to do."""

    def describe_images(self, splits: Splits, color: Color) -> None:
        """Describe the pictures of a run."""

    def describe_costs(self, table: CostTable) -> None:
        """Describe the cost table in milliseconds."""

    def describe_decision(self, decision: DecisionRecord) -> None:
        """Describe the architecture that a search found."""

    def status(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Work of unknown length runs.

        Returns:
            Called with a new text when the work changes.
        """
        return nullcontext(lambda words: None)

    def timing(self, text: str) -> AbstractContextManager[Callable[[float], None]]:
        """Networks are timed, for a known time.

        Returns:
            Called with the share of the time that is over.
        """
        return nullcontext(lambda share: None)

    def loops(self, settings: RunSettings) -> AbstractContextManager[Listener]:
        """The loops of a run.

        Returns:
            Called after each iteration.
        """
        return nullcontext(lambda progress: None)

    def steps(self, first: str) -> AbstractContextManager[Callable[[str, int, int], None]]:
        """Work runs in several steps, each with its own count.

        Returns:
            Called with (what, done, total).
        """
        return nullcontext(lambda what, done, total: None)

    def timing_rounds(self) -> AbstractContextManager[Callable[[float, int, int], None]]:
        """Networks are timed in rounds.

        Returns:
            Called with (groups done, groups, rounds).
        """
        return nullcontext(lambda done, groups, rounds: None)

    def describe_restorer(self, model: LoadedModel, tiles: str, color_note: str | None) -> None:
        """Describe a network that restores pictures, once, before its first picture."""

    def pictures(self, names: Sequence[str]) -> AbstractContextManager[PictureListener]:
        """Pictures are restored.

        Returns:
            Called with (pictures done, tiles done of the current one, its tiles).
        """
        return nullcontext(lambda pictures, done, total: None)

    def restored(self, record: RestoredFile) -> None:
        """A picture was restored, skipped, or failed."""


SILENT: Final = Watch()
