"""Search spaces in files of earlier versions: their words, in those of today.

What is ``unshuffle`` now was called ``stem``, and what is ``stem`` now was called ``entry``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

__all__ = ["space_in_words_of_today", "text_in_words_of_today"]

_UNSHUFFLE: Final = (1, 2, "1", "2")
"""As a number or, as an option, in letters."""


def space_in_words_of_today(fields: Any) -> Any:
    """Fields of a search space, all or some, by the names that they have now.

    Args:
        fields: Plain data; what is no mapping, or has the names of today, comes back as it is.
    """
    if not isinstance(fields, Mapping) or "unshuffle" in fields:
        return fields
    return {_name(name, value): value for name, value in fields.items()}


def _name(name: str, value: Any) -> str:
    if name == "stem" and value in _UNSHUFFLE:
        return "unshuffle"
    return "stem" if name == "entry" else name


def text_in_words_of_today(text: str) -> str:
    """The same for people: ``stem 2, entry conv`` becomes ``unshuffle 2, stem conv``."""
    return re.sub(r"\bentry (?=[a-z])", "stem ", re.sub(r"\bstem (?=\d)", "unshuffle ", text))
