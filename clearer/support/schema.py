"""Checks data from files against types: wrong, missing and unknown fields are named."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

import msgspec

from clearer.errors import InputError

__all__ = [
    "Above0",
    "AtLeast0",
    "Count",
    "Kind",
    "Share",
    "Side",
    "Text",
    "check_known",
    "checked",
]

# Ranges of numbers that many records share; other bounds stand with their fields.
Count = Annotated[int, msgspec.Meta(ge=1, le=10**9)]
"""A number of things, at least one."""
AtLeast0 = Annotated[float, msgspec.Meta(ge=0)]
Above0 = Annotated[float, msgspec.Meta(gt=0)]
Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
Side = Annotated[int, msgspec.Meta(ge=1, le=8192)]
"""Side of a picture or a patch, in pixels."""
Text = Annotated[str, msgspec.Meta(max_length=10_000)]

Kind = TypeVar("Kind")
_PLACE = re.compile(r"(?s)(?P<problem>.*?)(?: - at `(?:key in )?(?P<place>.*)`)?")


def checked(
    data: Any,
    kind: type[Kind],
    where: object,
    *,
    advice: str = "",
    hook: Callable[[type, Any], Any] | None = None,
) -> Kind:
    """Convert plain data to a record whose fields have the types and ranges of their annotations.

    Args:
        data: Anything that JSON can hold.
        kind: A dataclass, a ``TypedDict`` or a ``msgspec.Struct``; fields of ``data`` that it
            does not have are ignored.
        where: Name of the file, for the message.
        advice: What the user can do, for the end of the message.
        hook: Converts plain data to types that ``msgspec`` does not know.

    Raises:
        InputError: For the first field that is missing, or of the wrong type or range.
    """
    end = f"; {advice}" if advice else ""
    try:
        return msgspec.convert(data, kind, dec_hook=hook)
    except (msgspec.ValidationError, InputError) as error:
        raise InputError(f"{where}: {_problem(error)}{end}") from error
    except RecursionError as error:
        raise InputError(f"{where}: it is nested too deeply{end}") from error


def _problem(error: Exception) -> str:
    """``Expected `int` - at `$.x``` becomes ``x: expected int``."""
    found = _PLACE.fullmatch(str(error))
    assert found is not None
    problem, place = found["problem"].replace("`", ""), found["place"]
    if isinstance(error, InputError) or not problem:
        return str(error)
    place = (place or "").removeprefix("$").removeprefix(".")
    problem = problem[0].lower() + problem[1:]
    return f"{place}: {problem}" if place else problem


def check_known(data: Any, known: Any, where: object, place: str = "") -> None:
    """Refuse fields that a record does not have: another version may mean something by them.

    Args:
        data: The data as read.
        known: The record made from it, as plain data again.
        where: Name of the file, for the message.
        place: Where the data stand in the file.

    Raises:
        InputError: For the first such field.
    """
    if isinstance(data, dict) and isinstance(known, dict):
        for name, value in data.items():
            if name not in known:
                raise InputError(f"{where}: {place}{name}: unknown field")
            check_known(value, known[name], where, f"{place}{name}.")
    elif isinstance(data, (list, tuple)) and isinstance(known, (list, tuple)):
        for index, (value, other) in enumerate(zip(data, known, strict=False)):
            check_known(value, other, where, f"{place[:-1]}[{index}].")
