"""How long tests wait for what has to come."""

from __future__ import annotations

from typing import Final

__all__ = ["PATIENCE_S"]

PATIENCE_S: Final = 900.0
"""Nothing takes that long, however busy the machine is: it hangs."""
