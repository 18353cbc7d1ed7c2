"""What is told while work goes on."""

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
    """Is told how work goes on. This one keeps silent; a subclass overrides what it wants to hear.

    The one that fills a terminal is :class:`clearer.terminal.watch.TerminalWatch`.
    """

    def say(self, line: str) -> None:
        """A line for people."""

    def be_quiet(self) -> None:
        """Another process of the same work speaks from now on."""

    def describe_settings(self, settings: RunSettings) -> None:
        """What a run is about to do."""

    def describe_images(self, splits: Splits, color: Color) -> None:
        """Which pictures a run uses."""

    def describe_costs(self, table: CostTable) -> None:
        """Where milliseconds come from."""

    def describe_decision(self, decision: DecisionRecord) -> None:
        """Which architecture a search found."""

    def status(self, text: str) -> AbstractContextManager[Callable[[str], None]]:
        """Something of unknown length runs.

        Returns:
            Takes another text, where the work goes on to something else.
        """
        return nullcontext(lambda words: None)

    def timing(self, text: str) -> AbstractContextManager[Callable[[float], None]]:
        """Networks are timed, for a time that is known.

        Returns:
            Takes the share of it that is over.
        """
        return nullcontext(lambda share: None)

    def loops(self, settings: RunSettings) -> AbstractContextManager[Listener]:
        """The loops of a run.

        Returns:
            Called after each iteration.
        """
        return nullcontext(lambda progress: None)

    def steps(self, first: str) -> AbstractContextManager[Callable[[str, int, int], None]]:
        """Work in several steps, each of which counts itself.

        Returns:
            Called with (what, done, total).
        """
        return nullcontext(lambda what, done, total: None)

    def timing_rounds(self) -> AbstractContextManager[Callable[[float, int, int], None]]:
        """Networks are timed.

        Returns:
            Called with (groups done, groups, rounds).
        """
        return nullcontext(lambda done, groups, rounds: None)

    def describe_restorer(self, model: LoadedModel, tiles: str, color_note: str | None) -> None:
        """What restores pictures, once, before the first of them."""

    def pictures(self, names: Sequence[str]) -> AbstractContextManager[PictureListener]:
        """Pictures are restored.

        Returns:
            Called with (pictures done, tiles done of the next, tiles of it).
        """
        return nullcontext(lambda pictures, done, total: None)

    def restored(self, record: RestoredFile) -> None:
        """A picture is restored, was left as it is, or failed."""


SILENT: Final = Watch()
