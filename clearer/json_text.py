"""JSON as other programs read it, strictly."""

from __future__ import annotations

import json
import math
from typing import Any

__all__ = ["to_json"]


def to_json(data: Any) -> str:
    """Indented JSON; numbers that are not finite, which JSON does not have, become null."""
    return json.dumps(_without_infinity(data), indent=2, allow_nan=False)


def _without_infinity(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _without_infinity(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_without_infinity(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data
