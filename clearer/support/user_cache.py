"""Where this user's cache lies."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["user_cache"]


def user_cache() -> Path:
    """This user's folder for data that can be recreated.

    Where ``platformdirs`` is missing (a source tree used without an installation), it is the folder
    that ``platformdirs`` uses on Linux.
    """
    try:
        import platformdirs
    except ImportError:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "clearer"
    return Path(platformdirs.user_cache_dir("clearer"))
