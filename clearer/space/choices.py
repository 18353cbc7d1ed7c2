"""The short form of an architecture: one letter per operation (no torch)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from clearer.operations.registry import OPERATIONS

__all__ = ["Choice", "Column", "cell_text", "read_cells"]

Choice = str
"""Name of an operation."""

Column = tuple[Choice, ...]
"""What each scale of a column does, finest first."""


def cell_text(cell: Sequence[Column]) -> str:
    """A letter per column; where its scales differ, their letters in brackets, finest first."""
    return "".join(map(_column_text, cell))


def _column_text(column: Column) -> str:
    letters = "".join(OPERATIONS[choice].letter for choice in column)
    return letters[0] if len(set(letters)) == 1 else f"[{letters}]"


def read_cells(
    text: str, columns: Sequence[int], scales: Sequence[int], *, gates: bool
) -> tuple[Choice, ...]:
    """Inverse of :func:`cell_text` for cells with dashes between them.

    Args:
        text: Such as ``PFP-FFP``.
        columns: Number of columns of each cell.
        scales: Number of scales of each cell.
        gates: Whether each scale of a column has a choice of its own.

    Raises:
        ValueError: If the text does not fit.
    """
    cells = text.strip().upper().split("-")
    if len(cells) != len(columns):
        raise ValueError("wrong number of cells")
    return tuple(
        choice
        for cell, number, num_scales in zip(cells, columns, scales, strict=True)
        for column in _columns_of(cell, number)
        for choice in _choices_of(column, num_scales if gates else 1)
    )


def _columns_of(cell: str, number: int) -> list[str]:
    letter = f"[{re.escape(''.join(_names()))}]"
    columns = re.findall(rf"{letter}|\[{letter}+\]", cell)
    if "".join(columns) != cell or len(columns) != number:
        raise ValueError("wrong number of columns, or unknown letters")
    return columns


def _choices_of(column: str, number: int) -> list[Choice]:
    """The choices that the text of a column stands for."""
    letters = column.strip("[]")
    if len(column) == 1:
        letters *= number
    if len(letters) != number:
        raise ValueError("wrong number of scales")
    names = _names()
    return [names[letter] for letter in letters]


def _names() -> dict[str, Choice]:
    """Names of operations by letter."""
    return {found.letter: name for name, found in OPERATIONS.items()}
