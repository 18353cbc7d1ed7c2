"""Strict JSON, as other programs read it."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["parse_json", "to_json", "to_json_line"]

_BOM = b"\xef\xbb\xbf"


def to_json(data: Any) -> str:
    """Indented JSON; numbers that are not finite, which JSON lacks, become null."""
    return json.dumps(_without_infinity(data), indent=2, allow_nan=False)


def to_json_line(data: Any) -> str:
    """The same on one line, with a newline."""
    return json.dumps(_without_infinity(data), allow_nan=False) + "\n"


def parse_json(text: bytes | str) -> Any:
    """Plain data from JSON in UTF-8.

    Raises:
        ValueError: If it is not JSON, or nested too deeply.
    """
    # Slow to load, and not needed to write JSON or to print help.
    import msgspec

    try:
        return msgspec.json.decode(text.removeprefix(_BOM) if isinstance(text, bytes) else text)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def _without_infinity(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_infinity(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_infinity(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
