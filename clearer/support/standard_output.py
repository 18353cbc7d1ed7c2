"""Results that cannot be printed are an error like any other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["checked_output"]


@contextlib.contextmanager
def checked_output() -> Iterator[None]:
    """Around all that a command does.

    What is printed waits in memory until the end. Where it cannot be written then, such as to a
    full disk, the exit code is 1, and one line says so.
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
        # A reader that went away needs no word, and an error that was told is not told again.
        if not code and not isinstance(error, BrokenPipeError):
            print(f"error: the output cannot be written: {error.strerror}", file=sys.stderr)
        # The interpreter tries once more at its end.
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(code or 1)  # type: ignore[arg-type]
