"""All operations by name: a new one is a file in this room and a line here."""

from __future__ import annotations

from typing import Final

from clearer.errors import InputError
from clearer.operations.fusion import FUSION
from clearer.operations.identity import IDENTITY
from clearer.operations.operation import Operation
from clearer.operations.parallel import Parallel
from clearer.operations.swish import Swish

__all__ = ["OPERATIONS", "PAPER_OPERATIONS", "check_operations", "operation"]

OPERATIONS: Final[dict[str, Operation]] = {
    found.name: found for found in (Parallel(), Swish(), FUSION, IDENTITY)
}

PAPER_OPERATIONS: Final = ("parallel", "fusion")
"""The candidates of the paper's columns, in the order of arrays."""


def operation(name: str) -> Operation:
    """Look up an operation by name.

    Raises:
        InputError: If there is none.
    """
    if name not in OPERATIONS:
        raise InputError(f"{name!r} is not an operation: use some of {', '.join(OPERATIONS)}")
    return OPERATIONS[name]


def check_operations(names: tuple[str, ...]) -> None:
    """Refuse operations that cannot be the candidates of a choice.

    Raises:
        InputError: If there are fewer than two, one is unknown, repeated or identity, or the first
            needs several scales.
    """
    found = [operation(name) for name in names]
    if len(set(names)) < max(2, len(found)) or IDENTITY in found:
        raise InputError(
            "operations must be two or more, each named once, without identity (which gates add); "
            f"got {', '.join(names) or 'none'}"
        )
    if found[0].smallest_column > 1:
        raise InputError(f"{names[0]} cannot be the first operation: it needs several scales")
