"""Bars and spinners on stderr while something runs.

They share one console with the lines of :mod:`clearer.terminal.console`, which appear above them.
Every command imports this module, even to print its help: :mod:`clearer.terminal.bars`, which needs
rich, is loaded with the first bar.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final

from clearer.terminal.console import printable, say

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

    from clearer.runs.settings import RunSettings
    from clearer.training.progress import Listener
    from clearer.training.progress import Progress as LoopProgress

__all__ = ["counting_bar", "loop_bars", "progress_bar", "round_bars", "status", "timing_bar"]

_DECIDED: Final = 0.5
"""Gap between the op weights of a choice above which it is shown as decided."""


def progress_bar() -> Progress:
    """Bar with counts, time left and a note; tasks need the field ``note``."""
    from clearer.terminal.bars import counting

    return counting()


@contextlib.contextmanager
def status(text: str) -> Iterator[Callable[[str], None]]:
    """A spinner while something of unknown length runs.

    Yields:
        Takes a new text when the work changes.
    """
    from clearer.terminal.bars import spinning

    with spinning() as progress:
        task = progress.add_task(printable(text), total=None)
        yield lambda words: progress.update(task, description=printable(words))


@contextlib.contextmanager
def timing_bar(text: str) -> Iterator[Callable[[float], None]]:
    """A bar with time left, which disappears when the work is done.

    Yields:
        Takes the share that is done.
    """
    from clearer.terminal.bars import timing

    with timing() as progress:
        task = progress.add_task(printable(text), total=None)
        yield lambda share: progress.update(task, completed=share, total=1.0)


@contextlib.contextmanager
def counting_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work that reports (done, total)."""
    with progress_bar() as progress:
        task = progress.add_task(printable(description), total=None, note="")
        yield lambda done, total: progress.update(task, completed=done, total=total)


@contextlib.contextmanager
def round_bars() -> Iterator[Callable[[float, int, int], None]]:
    """A bar for timing, group by group."""
    with progress_bar() as progress:
        task = progress.add_task("timing", total=None, note="")

        def listener(done: float, groups: int, rounds: int) -> None:
            progress.update(task, completed=done, total=groups, note=f"round {rounds}")

        yield listener


@contextlib.contextmanager
def loop_bars(settings: RunSettings) -> Iterator[Listener]:
    """A progress bar per loop; without a terminal, a line now and then."""
    tasks: dict[str, TaskID] = {}
    # Before a loop, and between two, there is work without a count.
    with progress_bar() as progress, contextlib.ExitStack() as between:
        between.enter_context(status("preparing"))

        def listener(state: LoopProgress) -> None:
            between.close()
            note = _note(settings, state.record)
            if progress.console.is_interactive:
                if state.stage not in tasks:
                    tasks[state.stage] = progress.add_task(state.stage, total=state.total, note="")
                    progress.reset(tasks[state.stage], completed=state.iteration - 1)
                progress.update(tasks[state.stage], completed=state.iteration, note=note)
            elif state.iteration % max(1, state.total // 10) == 0:
                say(f"{state.stage} {state.iteration}/{state.total}  {note}")
            if state.iteration == state.total:
                between.enter_context(status("preparing"))

        yield listener


def _note(settings: RunSettings, record: dict[str, Any]) -> str:
    """The newest line of a log in a few words."""
    psnr_db, ssim = record.get("val_psnr_db"), record.get("val_ssim")
    if psnr_db is not None and ssim is not None:
        return f"validation {psnr_db:.2f} dB, SSIM {ssim:.4f}"
    if record.get("loss"):
        return f"PSNR of training patches {settings.train.psnr_db(record['loss']):.2f} dB"
    op_weights, loss = record.get("op_weights"), record.get("loss_res")
    if op_weights is None or loss is None:
        return ""
    pairs = zip(settings.budgets, record.get("expected_cost", []), strict=False)
    costs = [f"expected {b.text(cost)} of {b.text(b.limit)}" for b, cost in pairs]
    leaning = _leaning(op_weights, settings.space.candidates)
    return "  ".join([leaning, f"loss {loss:.2e}", *costs])


def _leaning(op_weights: list[list[float]], candidates: tuple[str, ...]) -> str:
    """The letter of each choice, in lower case while it is undecided."""
    from clearer.operations.registry import OPERATIONS

    letters = []
    for row in op_weights:
        first, second = sorted(row, reverse=True)[:2]
        letter = OPERATIONS[candidates[row.index(first)]].letter
        letters.append(letter if first - second > _DECIDED else letter.lower())
    return "".join(letters)
