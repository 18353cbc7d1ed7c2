"""What a terminal shows while pictures are restored."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from clearer.api.watch import PictureListener
from clearer.terminal import console, live
from clearer.terminal.watch import TerminalWatch

if TYPE_CHECKING:
    from clearer.bench.restorers import LoadedModel
    from clearer.restoring.restore_files import RestoredFile

__all__ = ["RestoreWatch"]


class RestoreWatch(TerminalWatch):
    """Bars for pictures and tiles, and a line for each picture; collects their records.

    Args:
        quiet: Print lines only for pictures that failed.
    """

    def __init__(self, *, quiet: bool) -> None:
        self._quiet = quiet
        self.records: list[RestoredFile] = []
        """Records of all pictures so far, also after an interrupt."""
        self.has_begun = False
        """Whether restoring has begun."""

    def describe_restorer(self, model: LoadedModel, tiles: str, color_note: str | None) -> None:
        """Describe the network in one line, then its notes."""
        info = model.runner.info
        self.say(
            f"{info.name}, {'gray' if model.channels == 1 else 'RGB'}"
            + (", which comes with clearer" if model.is_shipped else "")
            + f"; {info.backend} {info.version}, {info.precision}, {info.threads} threads; {tiles}"
            + ("" if model.architecture else " (architecture unknown: see --overlap)")
        )
        for note in (*model.notes, color_note):
            if note is not None:
                self.say(note)

    @contextmanager
    def pictures(self, names: Sequence[str]) -> Iterator[PictureListener]:
        """A bar for all pictures, and one for the tiles of the current one."""
        self.has_begun = True
        with live.progress_bar() as progress:
            all_ = progress.add_task("pictures", total=len(names), note="")
            tiles = progress.add_task("tiles", total=None, note="")

            def tell(pictures: int, done: int, total: int) -> None:
                if pictures < len(names):
                    note = console.printable(names[pictures])
                    progress.update(tiles, completed=done, total=total, note=note)
                progress.update(all_, completed=pictures + done / total)

            yield tell

    def restored(self, record: RestoredFile) -> None:
        """Print a line, or an error."""
        self.records.append(record)
        if record["status"] == "failed":
            name, reason = record["input"], record["reason"]
            console.warn(reason if name in reason else f"{name}: {reason}")
        elif not self._quiet:
            self.say(_line(record))


def _line(record: RestoredFile) -> str:
    if record["status"] == "skipped":
        return f"{record['output']}: exists, left as it is (--overwrite makes it again)"
    given = record["sigma"]
    sigma = "" if given is None else f", noise level {given:.1f}"
    tiles = "" if record["tiles"] == 1 else f", {record['tiles']} tiles"
    notes = "".join(f"; {note}" for note in record["notes"])
    choice = "" if record["why"] is None else f", by {record['network']} ({record['why']})"
    return (
        f"{record['output']}: {record['width']}x{record['height']}, {record['bits']} bits"
        f"{sigma}{choice}{tiles}, "
        f"{record['seconds']:.1f} s{notes}"
    )
