"""Measurements of this machine, kept for the next time."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any

from clearer.errors import InputError
from clearer.support.files import read_record, write_json
from clearer.support.schema import Kind
from clearer.support.user_cache import user_cache

__all__ = ["read_measured", "remember"]


def read_measured(name: str, kind: type[Kind]) -> dict[str, Kind]:
    """All values remembered under a name; empty if there are none, or the file is damaged.

    Args:
        name: What was measured.
        kind: The type of each value, as for :func:`clearer.support.schema.checked`.
    """
    try:
        return read_record(_path(name), dict[str, kind])  # type: ignore[valid-type]
    except InputError:
        return {}


def remember(name: str, key: str, value: Any) -> None:
    """Add a value of plain data; if the cache cannot be written, nothing happens."""
    with contextlib.suppress(OSError):
        write_json(_path(name), {**read_measured(name, object), key: value})


def _path(name: str) -> Path:
    return user_cache() / f"{name}.json"
