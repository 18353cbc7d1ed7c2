"""Makes output that cannot be written an error like any other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["checked_output"]


@contextlib.contextmanager
def checked_output() -> Iterator[None]:
    """Wrap everything that a command does.

    Buffered output is written at the end. If that fails, as on a full disk, the exit code is 1, and
    one line says so.
    """
    code: object = 0
    try:
        try:
            yield
        except SystemExit as end:
            code = end.code
            raise
        finally:
            sys.stdout.flush()
    except OSError as error:
        # A reader that went away needs no message, and an error is reported only once.
        if not code and not isinstance(error, BrokenPipeError):
            print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        # The interpreter would flush once more when it exits.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(code or 1)  # type: ignore[arg-type]
