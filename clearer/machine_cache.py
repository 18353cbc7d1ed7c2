"""What was measured on this machine, kept for the next time."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

from clearer.files import write_json
from clearer.user_cache import user_cache

__all__ = ["read_measured", "remember"]


def read_measured(name: str) -> dict[str, Any]:
    """All that was remembered under a name; empty where nothing was, or the file is damaged."""
    try:
        data = json.loads(_path(name).read_bytes())
    except (OSError, ValueError):
        return {}
    return data if isinstance(data, dict) else {}


def remember(name: str, key: str, value: Any) -> None:
    """Add plain data; where the cache cannot be written, it is measured again next time."""
    with contextlib.suppress(OSError):
        write_json(_path(name), {**read_measured(name), key: value})


def _path(name: str) -> Path:
    return user_cache() / f"{name}.json"
