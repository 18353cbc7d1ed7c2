"""Translates search spaces in files of earlier versions to today's field names.

Today's ``unshuffle`` was called ``stem``, and today's ``stem`` was called ``entry``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["space_in_words_of_today", "text_in_words_of_today"]

_UNSHUFFLE: Final = (1, 2, "1", "2")
"""As a number or, from the command line, as text."""


def space_in_words_of_today(fields: Any) -> Any:
    """Rename fields of a search space, all or some, to today's names.

    Args:
        fields: Plain data; anything but a mapping, or with today's names, is returned as it is.
    """
    if not isinstance(fields, Mapping) or "unshuffle" in fields:
        return fields
    return {_name(name, value): value for name, value in fields.items()}


def _name(name: str, value: Any) -> str:
    if name == "stem" and value in _UNSHUFFLE:
        return "unshuffle"
    return "stem" if name == "entry" else name


def text_in_words_of_today(text: str) -> str:
    """The same in text for people: ``stem 2, entry conv`` becomes ``unshuffle 2, stem conv``."""
    return re.sub(r"\bentry (?=[a-z])", "stem ", re.sub(r"\bstem (?=\d)", "unshuffle ", text))
