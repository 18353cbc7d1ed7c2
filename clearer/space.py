"""The search space and one architecture of it, as plain data (no torch).

Gou et al., "CLEARER: Multi-Scale Neural Architecture Search for Image Restoration", NeurIPS 2020,
section 3.1.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal, get_args

from clearer.errors import InputError
from clearer.json_text import parse_json
from clearer.schema import checked

__all__ = ["CHOICES", "ENTRIES", "PAPER_SPACE", "Architecture", "Choice", "Entry", "SearchSpace"]

Choice = Literal["parallel", "fusion"]
Entry = Literal["bottlenecks", "conv"]
CHOICES: Final[tuple[Choice, Choice]] = ("parallel", "fusion")
"""Order of the two candidates wherever an array has one entry per candidate."""

ENTRIES: Final[tuple[Entry, ...]] = get_args(Entry)
"""What may come before the first cell."""

_LETTERS: Final[dict[Choice, str]] = {"parallel": "P", "fusion": "F"}
_NAMES: Final[dict[str, Choice]] = {"P": "parallel", "F": "fusion"}
_SCHEMA_VERSION: Final = 1
# Descriptions also come from files of unknown origin: these bounds keep a network buildable.
_MAX_WIDTH: Final = 512
_MAX_SCALES: Final = 6
_MAX_COLUMNS: Final = 16


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpace:
    """A family of multi-scale networks that differ in when their scales are fused.

    Raises:
        InputError: If a value is outside the range that its field names.
    """

    channels: int = 1
    """Image channels: 1 (gray) or 3 (RGB)."""
    width: int = 32
    """Channels of the finest scale; scale s has ``width * 2**s``. From 2 to 512."""
    columns: tuple[int, ...] = (4, 4, 4)
    """Columns of each cell; cell i works on i + 2 scales. One to five cells of 1 to 16 columns."""
    stem: int = 1
    """Side of the space-to-depth blocks before the first scale: 1 (the paper) or 2 (faster)."""
    entry: Entry = "bottlenecks"
    """Before the first cell: two bottlenecks of ``4 * width`` channels (the paper), or one 3x3
    convolution (a fifth of the time or more is left for the cells)."""
    residual: bool = False
    """Whether the network predicts what to remove, rather than the restored image."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (gray) or 3 (RGB), got {self.channels}")
        if not 2 <= self.width <= _MAX_WIDTH:
            raise InputError(f"width must lie in 2..{_MAX_WIDTH}, got {self.width}")
        if self.stem not in (1, 2):
            raise InputError(f"stem must be 1 or 2, got {self.stem}")
        if self.entry not in ENTRIES:
            raise InputError(f"entry must be one of {', '.join(ENTRIES)}, got {self.entry!r}")
        if not 1 <= len(self.columns) < _MAX_SCALES:
            raise InputError(f"there must be 1..{_MAX_SCALES - 1} cells, got {len(self.columns)}")
        if any(not 1 <= count <= _MAX_COLUMNS for count in self.columns):
            raise InputError(f"each cell needs 1..{_MAX_COLUMNS} columns, got {self.columns}")

    @property
    def num_scales(self) -> int:
        """Number of resolutions in the last cell."""
        return len(self.columns) + 1

    @property
    def num_columns(self) -> int:
        """Number of columns, and so of binary choices, over all cells."""
        return sum(self.columns)

    @property
    def multiple(self) -> int:
        """Image sides are padded to a multiple of this inside the network."""
        return int(self.stem * 2 ** (self.num_scales - 1))

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Size that an image has inside the network."""
        rows, columns = (-(-side // self.multiple) * self.multiple for side in (height, width))
        return rows, columns

    def scale_width(self, scale: int) -> int:
        """Channels of a scale (0 is the finest)."""
        return int(self.width * 2**scale)

    @property
    def entry_width(self) -> int:
        """Channels before the first transition."""
        return self.width * (4 if self.entry == "bottlenecks" else 1)

    def column_scales(self) -> list[int]:
        """Number of scales that each column works on, column by column."""
        return [cell + 2 for cell, count in enumerate(self.columns) for _ in range(count)]

    def architectures(self) -> Iterator[Architecture]:
        """All ``2**num_columns`` architectures of the space."""
        for choices in product(CHOICES, repeat=self.num_columns):
            yield Architecture(space=self, choices=choices)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "channels": self.channels,
            "width": self.width,
            "columns": list(self.columns),
            "stem": self.stem,
            "entry": self.entry,
            "residual": self.residual,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchSpace:
        """Inverse of :meth:`to_dict`.

        Raises:
            InputError: If a field is missing, unknown, of the wrong type or out of range.
        """
        fields = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(data, Mapping) or set(data) != set(fields):
            raise InputError(f"a search space needs exactly the fields {sorted(fields)}")
        return checked(data, cls, "a search space")


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """A search space and one choice for each of its columns.

    Example:
        >>> paper = Architecture.from_text("PFPP-FFPF-PFFP", PAPER_SPACE)
        >>> paper.cells[1]
        ('fusion', 'fusion', 'parallel', 'fusion')
        >>> Architecture.from_json(paper.to_json()) == paper
        True

    Raises:
        InputError: If there is not exactly one known choice per column.
    """

    space: SearchSpace
    choices: tuple[Choice, ...]
    """One choice per column, cell after cell."""

    def __post_init__(self) -> None:
        if len(self.choices) != self.space.num_columns:
            raise InputError(
                f"{len(self.choices)} choices for a space of {self.space.num_columns} columns"
            )
        unknown = sorted(set(self.choices) - set(CHOICES))
        if unknown:
            raise InputError(f"unknown choice {unknown[0]!r}; a column is one of {CHOICES}")

    @property
    def cells(self) -> tuple[tuple[Choice, ...], ...]:
        """The choices cell by cell."""
        cells, start = [], 0
        for count in self.space.columns:
            cells.append(self.choices[start : start + count])
            start += count
        return tuple(cells)

    @property
    def text(self) -> str:
        """Short form such as ``PFPP-FFPF-PFFP``."""
        return "-".join("".join(_LETTERS[choice] for choice in cell) for cell in self.cells)

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the architecture and its space."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def uniform(cls, space: SearchSpace, choice: Choice) -> Architecture:
        """The same choice in every column."""
        return cls(space=space, choices=(choice,) * space.num_columns)

    @classmethod
    def from_text(cls, text: str, space: SearchSpace) -> Architecture:
        """Read the short form.

        Raises:
            InputError: If the text does not fit the space.
        """
        cells = text.strip().upper().split("-")
        if tuple(len(cell) for cell in cells) != space.columns or set("".join(cells)) - set("PF"):
            example = "-".join("P" * count for count in space.columns)
            raise InputError(f"architecture {text!r} does not fit the space; expected {example}")
        return cls(space=space, choices=tuple(_NAMES[letter] for letter in "".join(cells)))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "schema_version": _SCHEMA_VERSION,
            "space": self.space.to_dict(),
            "choices": self.text,
        }

    def to_json(self) -> str:
        """Canonical JSON: equal architectures give equal text."""
        return json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Architecture:
        """Inverse of :meth:`to_dict`; further fields are ignored.

        Raises:
            InputError: If the data does not describe an architecture.
        """
        if not isinstance(data, Mapping) or data.get("schema_version") != _SCHEMA_VERSION:
            raise InputError(f"not an architecture of schema version {_SCHEMA_VERSION}")
        if not isinstance(data.get("choices"), str):
            raise InputError("an architecture needs the text field choices, like PFPP-FFPF-PFFP")
        return cls.from_text(data["choices"], SearchSpace.from_dict(data.get("space", {})))

    @classmethod
    def from_json(cls, text: str) -> Architecture:
        """Inverse of :meth:`to_json`.

        Raises:
            InputError: If the text is not JSON or does not describe an architecture.
        """
        try:
            data = parse_json(text)
        except ValueError as error:
            raise InputError(f"architecture is not valid JSON: {error}") from error
        return cls.from_dict(data)


PAPER_SPACE: Final = SearchSpace()
"""The paper's instance: gray, width 32, three cells of four columns, no global residual."""
