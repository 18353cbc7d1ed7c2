"""What a scale of a column can do, and the letters that stand for it (no torch)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, Literal, get_args

__all__ = ["CHOICES", "Choice", "Column", "cell_text", "read_cells"]

Choice = Literal["parallel", "fusion", "identity"]
CHOICES: Final[tuple[Choice, ...]] = get_args(Choice)
"""Order of the candidates wherever an array has one entry per candidate; the last needs gates."""

Column = tuple[Choice, ...]
"""What each scale of a column does, finest first."""

_LETTERS: Final[dict[Choice, str]] = {"parallel": "P", "fusion": "F", "identity": "."}
_NAMES: Final[dict[str, Choice]] = {letter: choice for choice, letter in _LETTERS.items()}
_COLUMN: Final = re.compile(r"[PF.]|\[[PF.]+\]")


def cell_text(cell: Sequence[Column]) -> str:
    """A letter per column; where its scales differ, their letters in brackets, finest first."""
    return "".join(map(_column_text, cell))


def _column_text(column: Column) -> str:
    letters = "".join(_LETTERS[choice] for choice in column)
    return letters[0] if len(set(letters)) == 1 else f"[{letters}]"


def read_cells(
    text: str, columns: Sequence[int], scales: Sequence[int], *, gates: bool
) -> tuple[Choice, ...]:
    """Inverse of :func:`cell_text` for cells with dashes between them.

    Args:
        text: Such as ``PFP-FFP``.
        columns: Of each cell.
        scales: Of each cell.
        gates: Whether each scale of a column has a choice of its own.

    Raises:
        ValueError: If the text does not fit.
    """
    cells = text.strip().upper().split("-")
    if len(cells) != len(columns):
        raise ValueError("another number of cells")
    return tuple(
        choice
        for cell, number, num_scales in zip(cells, columns, scales, strict=True)
        for column in _columns_of(cell, number)
        for choice in _choices_of(column, num_scales if gates else 1)
    )


def _columns_of(cell: str, number: int) -> list[str]:
    columns = _COLUMN.findall(cell)
    if "".join(columns) != cell or len(columns) != number:
        raise ValueError("another number of columns, or unknown letters")
    return columns


def _choices_of(column: str, number: int) -> list[Choice]:
    """The choices that the text of a column stands for."""
    letters = column.strip("[]")
    if len(column) == 1:
        letters *= number
    if len(letters) != number:
        raise ValueError("another number of scales")
    return [_NAMES[letter] for letter in letters]
