"""The identity: the input is passed on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from clearer.operations.operation import NodeWriter, Operation, Place

if TYPE_CHECKING:
    from torch import Tensor, nn

__all__ = ["IDENTITY", "Identity"]


class Identity(Operation):
    """The candidate that gates add to the operations of a space."""

    name: ClassVar[str] = "identity"
    letter: ClassVar[str] = "."
    mark: ClassVar[str] = "-----"
    words: ClassVar[str] = "passed on"
    is_residual: ClassVar[bool] = True

    def layer(self, part: str, place: Place) -> nn.Module:
        """There are none.

        Raises:
            KeyError: Always.
        """
        raise KeyError(part)

    def forward(
        self, layers: Mapping[str, nn.Module], features: Sequence[Tensor], scale: int
    ) -> Tensor:
        """The scale itself, not a copy."""
        return features[scale]

    def nodes(self, graph: NodeWriter, features: Sequence[str], layer: str, place: Place) -> str:
        """None."""
        return features[place.scale]


IDENTITY = Identity()
