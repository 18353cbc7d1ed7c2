"""Commands as a user types them, run in this process."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner, Result

from clearer.cli import app

__all__ = ["GRADIENT", "SHORT", "TINY", "clearer", "searched"]

SHORT = ["--iterations", "30", "--batch-size", "2", "--patch-size", "32", "--precision", "fp32"]
GRADIENT = ["--strategy", "gradient", "--width", "4", "--search-iterations", "12"]
TINY = [*GRADIENT, "--columns", "1,1", *SHORT]
"""A search that takes seconds."""


def clearer(*words: object) -> Result:
    """Run ``clearer`` with these arguments."""
    return CliRunner().invoke(app, [str(word) for word in words])


def searched(run: Path, data: Path, *words: object) -> Path:
    """A run folder, after a successful search."""
    result = clearer("search", *words, "--data", data, "--out", run)
    assert result.exit_code == 0, result.output
    return run
