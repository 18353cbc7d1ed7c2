"""Standard streams that are closed, and output that cannot be written: an error like any other."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

__all__ = ["checked_output", "open_closed_streams"]


def open_closed_streams() -> None:
    """Send what goes to a closed standard stream (``clearer zoo >&-``) nowhere.

    Python has no stream for it then, and the next file that is opened would get its number.
    """
    for number, name, mode in ((0, "stdin", "r"), (1, "stdout", "w"), (2, "stderr", "w")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, os.fdopen(number, mode, encoding="utf-8", closefd=False))


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
