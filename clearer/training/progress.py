"""Progress and log of a running loop."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clearer.support.files import append_jsonl, read_jsonl, write_atomic
from clearer.support.json_text import to_json_line
from clearer.training.tensorboard import Board

__all__ = ["Listener", "LoopLog", "Progress"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """State of a loop after an iteration."""

    stage: str
    iteration: int
    total: int
    record: dict[str, Any]
    """The newest line of the log."""


Listener = Callable[[Progress], None]


@dataclass
class LoopLog:
    """The log file of a loop: means over the iterations since the last line.

    Args:
        path: The ``.jsonl`` file.
        iteration: Where the loop starts; later lines, from lost work, are dropped.
        sums: The running sums at that point.
        writes: Whether this process writes the file; only one does.
        board: Folder for TensorBoard's files, or None.
    """

    path: Path
    iteration: int = 0
    sums: dict[str, float | Tensor] = field(default_factory=dict)
    writes: bool = True
    board: Path | None = None

    def __post_init__(self) -> None:
        # A loop that starts at 0 writes every line itself, also that of a first validation.
        lines = read_jsonl(self.path) if self.iteration else []
        kept = [line for line in lines if line["iteration"] <= self.iteration]
        self.record: dict[str, Any] = kept[-1] if kept else {}
        if self.writes:
            text = "".join(to_json_line(record) for record in kept)
            write_atomic(self.path, text.encode())
        self._board = Board(self.board, self.iteration) if self.board and self.writes else None
        self._count, self._since = 0, time.perf_counter()

    def add(self, **values: Tensor) -> None:
        """Add the values of one iteration: scalars that stay on their device until read."""
        self._count += 1
        for name, value in values.items():
            self.sums[name] = self.sums.get(name, 0.0) + value.detach().double()
        self.sums["count"] = self.sums.get("count", 0.0) + 1.0

    def read_sums(self) -> dict[str, float]:
        """The sums as numbers: this waits for the device, once for all of them."""
        read = {name: value for name, value in self.sums.items() if isinstance(value, Tensor)}
        if read:
            numbers = torch.stack([value.reshape(()) for value in read.values()]).tolist()
            self.sums = {**self.sums, **dict(zip(read, numbers, strict=True))}
        return {name: float(value) for name, value in self.sums.items()}

    def write_means(self, iteration: int, **fields: Any) -> None:
        """Write a line with the means, further fields and the speed; then reset the means."""
        sums = self.read_sums()
        count = sums.pop("count")
        means = {name: total / count for name, total in sums.items()}
        elapsed = time.perf_counter() - self._since
        self.write(iteration, **means, **fields, iterations_per_s=self._count / elapsed)
        self.sums = {}
        self._count, self._since = 0, time.perf_counter()

    def write(self, iteration: int, **fields: Any) -> None:
        """Write a line."""
        self.record = {"iteration": iteration, **fields}
        if self.writes:
            append_jsonl(self.path, self.record)
        if self._board:
            self._board.write(self.record)
