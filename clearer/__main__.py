"""The command: Ctrl-C and SIGTERM end it with one line, even while packages load."""

from __future__ import annotations

import os
import sys

from clearer.support.interrupt import catch_sigterm, exit_code

__all__ = ["main"]


def main() -> None:
    """Run the command line."""
    # Threads that spin while they wait take a core from those they wait for: beside other work,
    # training steps took over ten times as long. The variable is read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        catch_sigterm()
        # When another process ends, torch would print its own stack trace beside our line.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
        from clearer import cli

        cli.main()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(exit_code())


if __name__ == "__main__":
    main()
