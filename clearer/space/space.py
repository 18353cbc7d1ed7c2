"""The search space and its architectures, as plain data (no torch).

Gou et al., "CLEARER: Multi-Scale Neural Architecture Search for Image Restoration", NeurIPS 2020,
section 3.1. There a whole column is a parallel or a fusion module. With gates, each scale of a
column has a choice of its own, and may be passed on unchanged. The paper's space is the part in
which all scales of a column agree.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, Final, Literal, get_args

from clearer.errors import InputError
from clearer.operations.identity import IDENTITY
from clearer.operations.operation import Place
from clearer.operations.registry import OPERATIONS, PAPER_OPERATIONS, check_operations, operation
from clearer.space.choices import Choice, Column, cell_text, read_cells
from clearer.space.old_words import space_in_words_of_today
from clearer.space.widths import check_widths, grown_width, width_text
from clearer.support.json_text import parse_json
from clearer.support.schema import checked

__all__ = [
    "PAPER_SPACE",
    "STEMS",
    "Architecture",
    "Choice",
    "Column",
    "SearchSpace",
    "Stem",
]

Stem = Literal["bottlenecks", "conv"]
STEMS: Final[tuple[Stem, ...]] = get_args(Stem)
"""What may come before the first cell."""

_SCHEMA_VERSION: Final = 2
# Descriptions also come from untrusted files: these bounds keep networks small enough to build.
_MAX_SCALES: Final = 6
_MAX_COLUMNS: Final = 32
_PAPER_FIELDS: Final = ("channels", "width", "columns", "unshuffle", "stem", "residual")


@dataclass(frozen=True, kw_only=True, slots=True)
class SearchSpace:
    """A family of multi-scale networks that differ in when their scales are fused.

    Raises:
        InputError: If a value is outside the range stated for its field.
    """

    channels: int = 1
    """Image channels: 1 (gray) or 3 (RGB)."""
    width: int = 32
    """Channels of the finest scale. From 2 to 512."""
    columns: tuple[int, ...] = (4, 4, 4)
    """Columns of each cell, 1 to 32; cell i works on ``first_scales + i`` scales, six at most."""
    unshuffle: int = 1
    """Side of the space-to-depth blocks before the first scale: 1 (the paper) or 2 (faster)."""
    stem: Stem = "bottlenecks"
    """Before the first cell: two bottlenecks of ``4 * width`` channels (the paper), or one 3x3
    convolution, which leaves a fifth of the time or more for the cells."""
    residual: bool = False
    """Whether the network predicts what to remove, rather than the restored image."""
    growth: float = 2.0
    """How much wider each scale is than the next finer one: 1 to 2. Unless it is 2 (the paper),
    widths are rounded to multiples of 8, which processors compute fast."""
    widths: tuple[int, ...] = ()
    """Channels of each scale, finest first, in place of those that follow from the growth."""
    first_scales: int = 2
    """Scales of the first cell: 2 (the paper) or, with gates, 1. With 1 the first columns come
    before the first strided convolution, as in a U-Net."""
    gates: bool = False
    """Whether each scale of a column has a choice of its own, and may be passed on unchanged."""
    level_map: bool = False
    """Whether the input has a plane with the noise level beside the image, as in FFDNet (Zhang et
    al., 2018): one network then serves all levels."""
    level_units: bool = True
    """Whether a residual network with a level map predicts the noise in units of its level. One
    that was trained blind already predicts the right amount, and goes on doing so."""
    operations: tuple[str, ...] = PAPER_OPERATIONS
    """Candidates of each choice, in the order of arrays. The first needs no second scale."""

    def __post_init__(self) -> None:
        if self.channels not in (1, 3):
            raise InputError(f"channels must be 1 (gray) or 3 (RGB), got {self.channels}")
        if self.unshuffle not in (1, 2):
            raise InputError(f"unshuffle must be 1 or 2, got {self.unshuffle}")
        if self.stem not in STEMS:
            raise InputError(f"stem must be one of {', '.join(STEMS)}, got {self.stem!r}")
        if self.first_scales not in (1, 2) or (self.first_scales == 1 and not self.gates):
            raise InputError(
                f"first_scales must be 2, or 1 with gates, got {self.first_scales}"
                + " without gates" * (self.first_scales == 1)
            )
        if self.first_scales == 1 and self.stem == "bottlenecks":
            raise InputError("first_scales 1 needs the stem conv: bottlenecks need two scales")
        most = _MAX_SCALES - self.first_scales + 1
        if not 1 <= len(self.columns) <= most:
            raise InputError(f"there must be 1..{most} cells, got {len(self.columns)}")
        if any(not 1 <= count <= _MAX_COLUMNS for count in self.columns):
            raise InputError(f"each cell needs 1..{_MAX_COLUMNS} columns, got {self.columns}")
        check_widths(self.width, self.growth, self.widths, self.num_scales)
        check_operations(self.operations)

    @property
    def input_planes(self) -> int:
        """Planes of the input: the channels and, with a level map, the noise level."""
        return self.channels + self.level_map

    @property
    def first_planes(self) -> int:
        """Planes that the first convolution reads, after unshuffling."""
        return self.channels * self.unshuffle**2 + self.level_map

    @property
    def num_scales(self) -> int:
        """Number of resolutions in the last cell."""
        return self.first_scales + len(self.columns) - 1

    @property
    def num_columns(self) -> int:
        """Number of columns over all cells."""
        return sum(self.columns)

    @property
    def num_choices(self) -> int:
        """Choices to make: one per column or, with gates, one per scale of each column."""
        return sum(self.column_scales()) if self.gates else self.num_columns

    @property
    def candidates(self) -> tuple[Choice, ...]:
        """Candidates of each choice, in the order of arrays."""
        return (*self.operations, IDENTITY.name) if self.gates else self.operations

    def choice_scales(self) -> list[tuple[int, range]]:
        """For each choice, in order: the number of scales of its column, and the scales it decides.

        Example:
            >>> SearchSpace(columns=(1,), stem="conv", gates=True).choice_scales()
            [(2, range(0, 1)), (2, range(1, 2))]
        """
        if not self.gates:
            return [(scales, range(scales)) for scales in self.column_scales()]
        return [(n, range(s, s + 1)) for n in self.column_scales() for s in range(n)]

    def allowed(self) -> list[tuple[bool, ...]]:
        """Which candidates each choice may take; on a single scale there is nothing to fuse."""
        return [
            tuple(OPERATIONS[choice].smallest_column <= scales for choice in self.candidates)
            for scales, _ in self.choice_scales()
        ]

    @property
    def multiple(self) -> int:
        """Image sides are padded to a multiple of this inside the network."""
        return int(self.unshuffle * 2 ** (self.num_scales - 1))

    def padded_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of an image inside the network, in pixels."""
        rows, columns = (-(-side // self.multiple) * self.multiple for side in (height, width))
        return rows, columns

    def scale_width(self, scale: int) -> int:
        """Channels of a scale (0 is the finest)."""
        return self.widths[scale] if self.widths else grown_width(self.width, self.growth, scale)

    @property
    def width_text(self) -> str:
        """Its widths in words, such as ``width 16 x2``."""
        return width_text(self.width, self.growth, self.widths)

    def place(self, num_scales: int, scale: int) -> Place:
        """Place of a scale in a column that works on ``num_scales`` scales."""
        widths = tuple(self.scale_width(s) for s in range(num_scales))
        return Place(widths, scale)

    @property
    def stem_width(self) -> int:
        """Channels before the first transition."""
        return self.width * (4 if self.stem == "bottlenecks" else 1)

    def column_scales(self) -> list[int]:
        """Number of scales that each column works on, column by column."""
        first = self.first_scales
        return [first + cell for cell, count in enumerate(self.columns) for _ in range(count)]

    def architectures(self) -> Iterator[Architecture]:
        """All architectures of the space: ``2**num_columns`` in that of the paper."""
        options = [
            [choice for choice, is_allowed in zip(self.candidates, row, strict=True) if is_allowed]
            for row in self.allowed()
        ]
        for choices in product(*options):
            yield Architecture(space=self, choices=choices)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON. Fields that the paper lacks are left out at their defaults."""
        values = {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
            if field.name in _PAPER_FIELDS or getattr(self, field.name) != field.default
        }
        return {name: list(v) if isinstance(v, tuple) else v for name, v in values.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> SearchSpace:
        """Inverse of :meth:`to_dict`.

        Raises:
            InputError: If a field is missing, unknown, of the wrong type or out of range.
        """
        data = space_in_words_of_today(data)
        fields = {field.name for field in dataclasses.fields(cls)}
        if not isinstance(data, Mapping) or not set(_PAPER_FIELDS) <= set(data) <= fields:
            raise InputError(f"a search space needs exactly the fields {sorted(_PAPER_FIELDS)}")
        return checked(data, cls, "a search space")


@dataclass(frozen=True, kw_only=True, slots=True)
class Architecture:
    """A search space and the choices made in it.

    The short form has a letter per column: ``P`` (parallel), ``F`` (fusion), ``.`` (passed on), or
    the letter of a further operation.
    Where the scales of a column differ, their letters stand in brackets, finest first.

    Example:
        >>> paper = Architecture.from_text("PFPP-FFPF-PFFP", PAPER_SPACE)
        >>> paper.cells[1][2]
        ('parallel', 'parallel', 'parallel')
        >>> Architecture.from_json(paper.to_json()) == paper
        True
        >>> space = SearchSpace(columns=(2, 3), stem="conv", first_scales=1, gates=True)
        >>> Architecture.from_text("PP-[.P][F.]P", space).cells[1][0]
        ('identity', 'parallel')

    Raises:
        InputError: If the number of choices is wrong, or one is not possible in its place.
    """

    space: SearchSpace
    choices: tuple[Choice, ...]
    """One per column or, with gates, per scale of each column; cell after cell, finest first."""

    def __post_init__(self) -> None:
        if len(self.choices) != self.space.num_choices:
            raise InputError(
                f"{len(self.choices)} choices for a space that has {self.space.num_choices}"
            )
        unknown = sorted(set(self.choices) - set(self.space.candidates))
        if unknown:
            raise InputError(f"unknown choice {unknown[0]!r}; use one of {self.space.candidates}")
        for choice, (scales, _) in zip(self.choices, self.space.choice_scales(), strict=True):
            if scales < OPERATIONS[choice].smallest_column:
                raise InputError(
                    f"{choice} needs {OPERATIONS[choice].smallest_column} scales or more, and one "
                    f"of its columns works on {scales}"
                )

    @property
    def cells(self) -> tuple[tuple[Column, ...], ...]:
        """What each scale of each column does, cell by cell."""
        left = iter(self.choices)
        cells = []
        for cell, count in enumerate(self.space.columns):
            scales = self.space.first_scales + cell
            if self.space.gates:
                columns = [tuple(next(left) for _ in range(scales)) for _ in range(count)]
            else:
                columns = [(next(left),) * scales for _ in range(count)]
            cells.append(tuple(columns))
        return tuple(cells)

    @property
    def text(self) -> str:
        """Short form such as ``PFPP-FFPF-PFFP``."""
        return "-".join(map(cell_text, self.cells))

    @property
    def label(self) -> str:
        """Its name in tables and plots: the short form or, with gates, its main figures."""
        space = self.space
        if not space.gates:
            return self.text
        scales = f"{space.num_scales} scale{'s' * (space.num_scales > 1)}"
        return f"unshuffle {space.unshuffle}, {space.width_text}, {scales}"

    @property
    def hash(self) -> str:
        """Twelve hexadecimal digits that identify the architecture and its space."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @classmethod
    def uniform(cls, space: SearchSpace, choice: Choice) -> Architecture:
        """The same choice wherever it is possible; elsewhere the input is passed on.

        Raises:
            InputError: If the space does not have this candidate.
        """
        if choice not in space.candidates:
            raise InputError(f"{choice} is not a candidate of this space: it needs gates")
        return cls.nearest(space, [choice] * space.num_choices)

    @classmethod
    def nearest(cls, space: SearchSpace, wanted: Sequence[Choice]) -> Architecture:
        """The wanted choices; where one is not possible, the input is passed on.

        Without gates, such a column gets the first operation of the space.

        Raises:
            InputError: If an operation is unknown, or is not a candidate of the space.
            ValueError: If there is not one for each choice.
        """
        other = IDENTITY.name if space.gates else space.operations[0]
        choices = zip(wanted, space.choice_scales(), strict=True)
        return cls(
            space=space,
            choices=tuple(
                choice if operation(choice).smallest_column <= scales else other
                for choice, (scales, _) in choices
            ),
        )

    @property
    def picks(self) -> list[int]:
        """For each choice, the index of the chosen one in ``space.candidates``."""
        return [self.space.candidates.index(choice) for choice in self.choices]

    @classmethod
    def from_picks(cls, space: SearchSpace, picks: Iterable[int]) -> Architecture:
        """Inverse of :attr:`picks`."""
        return cls(space=space, choices=tuple(space.candidates[pick] for pick in picks))

    @classmethod
    def from_text(cls, text: str, space: SearchSpace) -> Architecture:
        """Read the short form.

        Raises:
            InputError: If the text does not fit the space.
        """
        try:
            scales = [space.first_scales + cell for cell in range(len(space.columns))]
            choices = read_cells(text, space.columns, scales, gates=space.gates)
            return cls(space=space, choices=choices)
        except (ValueError, InputError) as error:
            first = OPERATIONS[space.operations[0]].letter
            example = "-".join(first * count for count in space.columns)
            raise InputError(
                f"architecture {text!r} does not fit the space; expected something like {example}"
            ) from error

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
        """Inverse of :meth:`to_dict`; other fields are ignored.

        Raises:
            InputError: If the data does not describe an architecture.
        """
        if not isinstance(data, Mapping) or data.get("schema_version") not in (1, 2):
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
