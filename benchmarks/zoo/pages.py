"""Parts of the README and of docs/ that scripts write, each between its own two marks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from clearer.errors import InputError
from clearer.support.files import write_atomic

README: Final = Path(__file__).resolve().parents[2] / "README.md"
NETWORKS: Final = README.parent / "docs" / "networks.md"
_END: Final = "<!-- until here -->"


def rewrite_page(path: Path, script: str, text: str) -> None:
    """Replace the text between the marks of a script.

    Raises:
        InputError: If they are not there.
    """
    start = f"<!-- written by benchmarks/zoo/{script} -->"
    before, _, rest = path.read_text().partition(start)
    _, found, after = rest.partition(_END)
    if not found:
        raise InputError(f"{path} has no marks {start} and {_END}")
    write_atomic(path, f"{before}{start}\n{text}\n{_END}{after}".encode())
