"""Parts of the README and of docs/ that scripts write, each between its own two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clearer.errors import InputError
from clearer.support.files import write_atomic

README: Final = Path(__file__).resolve().parents[2] / "README.md"
NETWORKS: Final = README.parent / "docs" / "networks.md"
_END: Final = "<!-- until here -->"


def read_part(path: Path, script: str) -> str:
    """The text between the marks of a script.

    Raises:
        InputError: If they are not there.
    """
    return _parts(path, script)[1]


def rewrite_page(path: Path, script: str, text: str) -> None:
    """Replace the text between the marks of a script.

    Raises:
        InputError: If they are not there.
    """
    before, _, after = _parts(path, script)
    write_atomic(path, f"{before}{_start(script)}\n{text}\n{_END}{after}".encode())


def _start(script: str) -> str:
    return f"<!-- written by benchmarks/zoo/{script} -->"


def _parts(path: Path, script: str) -> tuple[str, str, str]:
    """What is before, between and after the marks of a script."""
    before, _, rest = path.read_text().partition(_start(script))
    between, found, after = rest.partition(_END)
    if not found:
        raise InputError(f"{path} has no marks {_start(script)} and {_END}")
    return before, between.strip("\n"), after
