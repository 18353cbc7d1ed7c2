"""Train the networks of queue.toml, piece by piece, while the machine has nothing better to do.

    make zoo            # continues with the first unfinished one, until all are done or Ctrl-C
    make zoo-status     # how far each is

    python benchmarks/zoo/train_queue.py run [--minutes 30] [--pieces N]
    python benchmarks/zoo/train_queue.py status

Each piece is a process with one thread, at the lowest priority. Everything is in ``zoo-runs/``.
Ctrl-C and SIGTERM stop at a checkpoint; after kill -9, work resumes from the last checkpoint.
"""

from __future__ import annotations

import argparse
import fcntl
import sys
import time
from pathlib import Path
from typing import Final

from pieces import QUEUE, Entry, State, go_on, log_path, read_queue, state_of
from rich.console import Console
from rich.table import Table

from clearer.errors import ClearerError, InputError

RUNS: Final = Path("zoo-runs")


def main(words: list[str] | None = None) -> int:
    """Run, or print the status; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--queue", type=Path, default=QUEUE)
    parser.add_argument("--runs", type=Path, default=RUNS, help="default: zoo-runs")
    commands = parser.add_subparsers(dest="command", required=True)
    run = commands.add_parser("run")
    run.add_argument("--minutes", type=float, default=30.0, help="of a piece; default: 30")
    run.add_argument("--pieces", type=int, help="stop after so many; default: when all is done")
    commands.add_parser("status")
    arguments = parser.parse_args(words)
    try:
        entries = [entry for entry in read_queue(arguments.queue) if entry.kind == "training"]
        if arguments.command == "status":
            print_status(entries, arguments.runs)
            return 0
        if not arguments.minutes > 0:
            raise InputError(f"--minutes must be above 0, not {arguments.minutes:g}")
        return work(entries, arguments.runs, arguments.minutes, arguments.pieces)
    except ClearerError as error:
        print(f"error: {error}", file=sys.stderr)
        return error.exit_code


def work(entries: list[Entry], folder: Path, minutes: float, num_pieces: int | None) -> int:
    """Do pieces, one after the other; a network that fails is left for the next call.

    Returns:
        0, 1 if a network failed, or 130 if stopped.

    Raises:
        InputError: If another queue works in the folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    failed: set[str] = set()
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise InputError(f"a queue works in {folder} already: stop it first") from error
        done = 0
        while num_pieces is None or done < num_pieces:
            todo = [e for e in entries if e.name not in failed and not is_done(e, folder)]
            if not todo:
                break
            code = step(todo[0], folder, minutes, lock.fileno())
            if code == 130:
                return code
            if code:
                failed.add(todo[0].name)
            done += 1
    return 1 if failed else 0


def is_done(entry: Entry, folder: Path) -> bool:
    """Whether there is nothing left to do."""
    return state_of(entry, folder).text.startswith("done")


def step(entry: Entry, folder: Path, minutes: float, lock: int) -> int:
    """Do one piece, with a line before and after it; return its exit code."""
    log = log_path(entry.name, folder)
    print(f"{time.strftime('%H:%M')} {entry.name}: {minutes:g} minutes; see {log}", flush=True)
    try:
        code = go_on(entry, folder, minutes, is_background=True, held=(lock,))
    except ClearerError as error:
        print(f"      {entry.name}: {error}", flush=True)
        return error.exit_code
    print(f"      {describe(state_of(entry, folder))}", flush=True)
    return code


def describe(state: State) -> str:
    """A line about it."""
    quality = "" if state.best_db is None else f", {state.best_db:.2f} dB"
    return f"{state.iteration:,} of {state.target or 0:,}{quality}: {state.text}"


def print_status(entries: list[Entry], folder: Path) -> None:
    """Print a row per network, and why it is trained."""
    table = Table(box=None)
    for name in ("network", "iterations", "val. PSNR, dB", "hours", "state", "why"):
        table.add_column(name, justify="right" if name in ("val. PSNR, dB", "hours") else "left")
    for entry in entries:
        state = state_of(entry, folder)
        table.add_row(
            entry.name,
            f"{state.iteration:,} / {state.target:,}",
            "" if state.best_db is None else f"{state.best_db:.3f}",
            f"{state.hours:.2f}",
            state.text,
            entry.why,
        )
    Console().print(table)


if __name__ == "__main__":
    sys.exit(main())
