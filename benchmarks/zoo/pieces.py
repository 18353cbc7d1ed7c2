"""The list of networks to train, and one piece of work on one of them.

A piece is a process of ``clearer train`` or ``clearer search`` that ends at a checkpoint. All that
belongs to a network is in one folder: its run ``NAME/``, ``NAME.log`` with what clearer said, and
``NAME.pieces.jsonl`` with a line per piece.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Any, Final, TypedDict

from recipes import RECIPES, picture_folder

from clearer.data.datasets import DATA_SETS
from clearer.errors import InputError
from clearer.runs.run import Run
from clearer.space.old_words import space_in_words_of_today
from clearer.support.files import append_jsonl, read_json, read_jsonl
from clearer.zoo.catalogue import zoo_names

__all__ = [
    "DATA",
    "QUEUE",
    "ROOT",
    "Entry",
    "State",
    "clearer_environment",
    "command",
    "find",
    "go_on",
    "last_line",
    "log_path",
    "pieces_path",
    "read_queue",
    "state_of",
]

QUEUE: Final = Path(__file__).with_name("queue.toml")
ROOT: Final = Path(__file__).resolve().parents[2]
DATA: Final = "data"
"""Folder of pictures, beside the runs."""
_KEYS: Final = ("name", "why", "data", "fine-tune", "architecture", "space", "color")
_KINDS: Final = ("training", "search")


class Piece(TypedDict):
    """A line of the log of pieces."""

    started: str
    seconds: float
    exit_code: int
    entry: dict[str, Any]


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """A network to train, or a search."""

    kind: str
    """``training`` or ``search``."""
    name: str
    why: str
    data: str
    fine_tune: str | None = None
    architecture: str | None = None
    space: dict[str, Any] = field(default_factory=dict)
    color: str | None = None
    options: dict[str, str]
    """Options of the command, without the dashes."""

    @property
    def plain(self) -> dict[str, Any]:
        """The fields that decide the result, for the log of pieces."""
        names = ("kind", "data", "fine_tune", "architecture", "space", "color", "options")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """How far a network is."""

    iteration: int
    target: int | None
    """None before its run begins, if the list does not say."""
    best_db: float | None
    """Highest validation PSNR so far."""
    hours: float
    text: str
    """waiting, begun, done, or what went wrong."""


def read_queue(path: Path = QUEUE) -> list[Entry]:
    """Read the list.

    Raises:
        InputError: If it cannot be read, or an entry lacks something or contradicts itself.
    """
    try:
        tables = tomllib.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    if set(tables) - set(_KINDS):
        raise InputError(f"{path}: only [[training]] and [[search]] may stand there")
    entries = [_read_entry(kind, table) for kind in _KINDS for table in tables.get(kind, [])]
    names = [entry.name for entry in entries]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise InputError(f"{path} names {', '.join(twice)} twice")
    return entries


def _read_entry(kind: str, table: dict[str, Any]) -> Entry:
    name = table.get("name", "")
    if not name.replace("-", "").isalnum() or name == DATA:
        raise InputError(f"{name!r}: a name has letters, digits and dashes, and is not {DATA}")
    missing = [key for key in ("why", "data") if key not in table]
    if kind == "training" and not {"iterations", "minutes"} & set(table):
        missing.append("iterations or minutes")
    if missing:
        raise InputError(f"{name} lacks {', '.join(missing)}")
    if table["data"] not in (*RECIPES, *DATA_SETS):
        raise InputError(
            f"{name}: no pictures are known as {table['data']!r}: use one of "
            f"{', '.join((*RECIPES, *DATA_SETS))}"
        )
    fine_tune, architecture = table.get("fine-tune"), table.get("architecture")
    if kind == "training" and (fine_tune is None) == (architecture is None):
        raise InputError(f"{name} needs fine-tune or architecture, and not both")
    if fine_tune is not None and fine_tune not in zoo_names():
        raise InputError(f"{name}: no network {fine_tune!r} comes with clearer")
    is_new = architecture is not None
    if (("space" in table) or (kind == "training" and "color" in table)) != is_new:
        raise InputError(f"{name}: space and color go with an architecture")
    own = _KEYS if kind == "training" else ("name", "why", "data")
    return Entry(
        kind=kind,
        name=name,
        why=table["why"],
        data=table["data"],
        fine_tune=fine_tune,
        architecture=architecture,
        space=table.get("space", {}),
        color=table.get("color") if kind == "training" else None,
        options={key: str(value) for key, value in table.items() if key not in own},
    )


def find(name: str, kind: str, entries: list[Entry]) -> Entry:
    """An entry by its name.

    Raises:
        InputError: If there is none.
    """
    of_kind = {entry.name: entry for entry in entries if entry.kind == kind}
    if name not in of_kind:
        raise InputError(f"the list has no {kind} {name!r}: use one of {', '.join(of_kind)}")
    return of_kind[name]


def log_path(name: str, folder: Path) -> Path:
    """The log of clearer for a network."""
    return folder / f"{name}.log"


def pieces_path(name: str, folder: Path) -> Path:
    """The log with a line per piece of a network."""
    return folder / f"{name}.pieces.jsonl"


def state_of(entry: Entry, folder: Path) -> State:
    """How far a network is, from its run and its pieces."""
    run, pieces = Run(folder / entry.name), read_jsonl(pieces_path(entry.name, folder), Piece)
    is_training = entry.kind == "training"
    checkpoint = run.train_checkpoint if is_training else run.search_checkpoint
    iteration = read_json(checkpoint)["state"]["iteration"] if checkpoint.exists() else 0
    key = "iterations" if is_training else "search-iterations"
    target = int(entry.options[key]) if key in entry.options else None
    if run.config.exists():
        settings = run.settings()
        target = settings.train.iterations if is_training else settings.search.iterations
    quality = [line.get("val_psnr_db") for line in read_jsonl(run.train_log)]
    is_done = (
        iteration == target and run.weights.exists() if is_training else run.architecture.exists()
    )
    text = "done" if is_done else "begun" if pieces or iteration else "waiting"
    if not is_done and pieces and pieces[-1]["exit_code"] not in (0, 130):
        text = f"failed: {last_line(log_path(entry.name, folder))}"
    if pieces and _in_words_of_today(pieces[-1]["entry"]) != entry.plain:
        text += f"; the list has changed, remove {folder / entry.name} to begin again"
    return State(
        iteration=iteration,
        target=target,
        best_db=max((value for value in quality if value is not None), default=None),
        hours=sum(piece["seconds"] for piece in pieces) / 3600,
        text=text,
    )


def _in_words_of_today(plain: dict[str, Any]) -> dict[str, Any]:
    """An entry as an earlier piece logged it, with today's names."""
    named = {key: space_in_words_of_today(plain.get(key)) for key in ("space", "options")}
    return {**plain, **named}


def clearer_environment() -> dict[str, str]:
    """Variables with which ``python -m clearer`` runs from this source tree.

    What the caller put on PYTHONPATH stays there: packages that clearer needs may be in it.
    """
    paths = [str(ROOT), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}


def last_line(path: Path) -> str:
    """The end of a log."""
    lines = path.read_text(errors="replace").split("\n") if path.exists() else []
    return next((line.strip() for line in reversed(lines) if line.strip()), "no word")


def go_on(
    entry: Entry, folder: Path, minutes: float, *, is_background: bool, held: tuple[int, ...] = ()
) -> int:
    """Work on a network for some minutes, up to its next checkpoint.

    SIGINT and SIGTERM are passed on: clearer then stops at a checkpoint.

    Args:
        entry: The network.
        folder: Where its run is or will be.
        minutes: Until it stops; starting and the last figures come on top.
        is_background: One thread, at the lowest priority.
        held: File descriptors that stay open while the work lasts.

    Returns:
        The exit code of clearer: 0 at the end of the piece or of all, 130 when stopped.

    Raises:
        InputError: If the pictures are not here.
    """
    folder.mkdir(parents=True, exist_ok=True)
    words = command(entry, folder, minutes)
    environment = clearer_environment()
    if is_background:
        words = ["nice", "-n", "19", *words]
        environment["OMP_NUM_THREADS"] = "1"
    started, start = time.strftime("%Y-%m-%dT%H:%M:%S%z"), time.monotonic()
    with log_path(entry.name, folder).open("a") as log, _PassOn() as stop:
        process = subprocess.Popen(
            words,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            pass_fds=held,
            # Ctrl-C reaches only this process, which passes it on once.
            start_new_session=True,
        )
        stop.pass_to(process)
        if is_background:
            # A new session is a separate group for the scheduler, which shares time between groups.
            with contextlib.suppress(OSError):
                Path(f"/proc/{process.pid}/autogroup").write_text("19")
        code = process.wait()
    if stop.requested:
        code = 130
    append_jsonl(
        pieces_path(entry.name, folder),
        {
            "started": started,
            "seconds": time.monotonic() - start,
            "exit_code": code,
            "entry": entry.plain,
        },
    )
    return code


class _PassOn:
    """While active, SIGINT and SIGTERM ask a process to stop, and nothing else."""

    def __init__(self) -> None:
        self.requested = False
        self._process: subprocess.Popen[bytes] | None = None
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> _PassOn:
        for number in (signal.SIGINT, signal.SIGTERM):
            self._previous[number] = signal.signal(number, self._note)
        return self

    def pass_to(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        if self.requested:
            process.terminate()

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.requested = True
        if self._process is not None:
            self._process.terminate()

    def __exit__(self, *error: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)


def command(entry: Entry, folder: Path, minutes: float) -> list[str]:
    """The command that begins or resumes a network, for some minutes."""
    run, clearer = Run(folder / entry.name), [sys.executable, "-m", "clearer"]
    now = ["--minutes-now", f"{minutes:g}"]
    if entry.kind == "search" and run.config.exists():
        return [*clearer, "search", "--resume", "--out", str(run.path), *now]
    if run.architecture.exists():
        return [*clearer, "train", str(run.path), "--resume", *now]
    shutil.rmtree(
        run.path, ignore_errors=True
    )  # stopped while it was being created: nothing is lost
    data = picture_folder(entry.data, folder / DATA)
    options = [word for k, v in entry.options.items() for word in _option(k, v)]
    options += ["--data", str(data), "--out", str(run.path), *now]
    if entry.kind == "search":
        return [*clearer, "search", "--no-train", *options]
    if entry.fine_tune is not None:
        return [*clearer, "train", entry.fine_tune, "--fine-tune", *options]
    origin = folder / f"{entry.name}.origin"
    _write_origin(entry, data, origin)
    return [*clearer, "train", str(origin), *options]


def _option(name: str, value: str) -> list[str]:
    """An option of the command; if it is true in the list, it is a switch."""
    return [f"--{name}"] if value == str(True) else [f"--{name}", value]


def _write_origin(entry: Entry, data: Path, folder: Path) -> None:
    """Write a run that only holds an architecture, for a training to start from."""
    from clearer.costs.cost_source import CostSource
    from clearer.costs.decision import decide
    from clearer.export.to_onnx import file_mb
    from clearer.planning.workflow import make_settings
    from clearer.space.space import Architecture
    from clearer.support.files import write_json
    from clearer.tasks.registry import make_task

    size = (256, 256)
    costs = CostSource(size, file_mb)
    space = {name: tuple(x) if isinstance(x, list) else x for name, x in entry.space.items()}
    settings = make_settings(
        preset="quick",
        task=make_task("denoise", {}),  # the options of the entry say what it is trained for
        color=entry.color or "gray",  # type: ignore[arg-type]
        data=data,
        budgets=(),
        image_size=size,
        costs=costs,
        strategy="gradient",
        num_seeds=1,
        seed=0,
        device="auto",
        precision="auto",
        space=space,
        search={},
        train={},
    )
    architecture = Architecture.from_text(entry.architecture or "", settings.space)
    decision = decide(settings.space, lambda tables, limits: architecture, (), (), costs)
    shutil.rmtree(folder, ignore_errors=True)
    run = Run.create(folder, settings)
    write_json(run.architecture, {**decision.to_dict(), "strategy": "given"})
