"""How long tests wait for something that must happen."""

from __future__ import annotations

from typing import Final

__all__ = ["PATIENCE_S"]

PATIENCE_S: Final = 900.0
"""Nothing takes this long on even the busiest machine: what does, hangs."""
