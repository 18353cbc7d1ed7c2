"""The colours of operations in the report: CSS rules for each that is drawn as a box."""

from __future__ import annotations

from typing import Final

from clearer.operations.operation import Box, Colours, Operation
from clearer.operations.registry import OPERATIONS

__all__ = ["operation_style"]

_RULES: Final = """
.wire.NAME { stroke: var(--NAME-line); opacity: .75; }
.box.NAME rect { fill: var(--NAME); stroke: var(--NAME-line); }
.box.NAME text, .head.NAME .letter, .tile.NAME b { fill: var(--NAME-ink); color: var(--NAME-ink); }
.head.NAME .share { fill: var(--NAME-line); }
.chip.NAME {
  background: var(--NAME); color: var(--NAME-ink); border-color: var(--NAME-line);
  border-radius: CORNERpx;
}
.tile polygon.NAME { fill: var(--NAME-line); opacity: .55; }
"""


def operation_style() -> str:
    """CSS for the boxes, letters and tiles of all operations, in light and dark mode."""
    drawn = [(found, found.box) for found in OPERATIONS.values() if found.box is not None]
    light = " ".join(_variables(found, box.light) for found, box in drawn)
    dark = " ".join(_variables(found, box.dark) for found, box in drawn)
    rules = "".join(_rules(found, box) for found, box in drawn)
    scheme = "@media (prefers-color-scheme: dark)"
    return f"\n:root {{ {light} }}\n{scheme} {{ :root {{ {dark} }} }}{rules}"


def _variables(found: Operation, colours: Colours) -> str:
    name = found.name
    return f"--{name}: {colours.fill}; --{name}-ink: {colours.ink}; --{name}-line: {colours.line};"


def _rules(found: Operation, box: Box) -> str:
    # Chips are lower than boxes.
    return _RULES.replace("NAME", found.name).replace("CORNER", str(min(box.corner, 10)))
