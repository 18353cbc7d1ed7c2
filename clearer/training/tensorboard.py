"""Logs for TensorBoard, in addition to the JSON lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from clearer.errors import require

__all__ = ["Board"]


class Board:
    """Event files of one loop.

    Args:
        folder: For the event files.
        iteration: Where the loop starts; TensorBoard then hides later points, from lost
            work.

    Raises:
        ClearerError: If the package is not installed.
    """

    def __init__(self, folder: Path, iteration: int) -> None:
        require("tensorboard", extra="tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer = SummaryWriter(str(folder), purge_step=iteration + 1)

    def write(self, record: dict[str, Any]) -> None:
        """Add a line of the log: one curve per number, also for each number of a list."""
        for name, value in record.items():
            if name == "iteration":
                continue
            places = np.ndindex(np.shape(value)) if np.ndim(value) else [()]
            for place in places:
                tag = "/".join([name, *map(str, place)])
                self._writer.add_scalar(tag, np.asarray(value)[place], record["iteration"])
        self._writer.flush()
