"""The relaxed network that the search trains: every column mixes its candidates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import torch
from torch import Tensor, nn

from clearer.networks.blocks import (
    ColumnModule,
    InputStage,
    OutputStage,
    grow,
    make_transitions,
    remove,
)
from clearer.operations.registry import OPERATIONS
from clearer.space.space import SearchSpace

__all__ = ["MixedColumn", "SuperNet"]

_NEVER: Final = -1e9


class MixedColumn(ColumnModule):
    r"""Equation (1): :math:`y_{j+1} = \\alpha_p f_p(y_j) + \\alpha_f f_f(y_j)`.

    All candidates read the same ``y_j``. With gates each scale has its own op weights, and the last
    candidate is :math:`y_j` itself.
    """

    def __init__(self, space: SearchSpace, num_scales: int) -> None:
        found = [OPERATIONS[name] for name in space.candidates]
        self._candidates = [
            (index, one) for index, one in enumerate(found) if one.smallest_column <= num_scales
        ]
        scales = range(num_scales)
        super().__init__(space, num_scales, {one.name: scales for _, one in self._candidates})
        self.operations = found
        self._num_scales = num_scales

    def forward(self, features: list[Tensor], op_weights: Tensor) -> list[Tensor]:
        r"""Mix the candidates.

        Args:
            features: One tensor per scale, finest first.
            op_weights: :math:`(\\alpha_p, \\alpha_f)`, shape ``(1, C)`` for C candidates; with
                gates ``(num_scales, C)``.

        Returns:
            One tensor per scale, of the input's shapes.
        """
        # A single candidate needs no mixture. Asking a GPU which one would wait for all its work.
        is_one_hot = not op_weights.requires_grad and not op_weights.is_cuda
        rows = op_weights.expand(self._num_scales, -1)
        picks = rows.tolist() if is_one_hot else []
        mixed = []
        for scale, row in enumerate(rows):
            if picks and max(picks[scale]) == 1:
                chosen = self.operations[picks[scale].index(1)]
                mixed.append(self.compute(chosen, scale, features))
                continue
            (first, one), *others = self._candidates
            total = row[first] * self.compute(one, scale, features)
            for index, one in others:
                total = total + row[index] * self.compute(one, scale, features)
            mixed.append(total)
        return mixed


class SuperNet(nn.Module):
    """All architectures of a space at once, weighted by the architecture parameters.

    Args:
        space: The space to search.

    Attributes:
        alpha: Logits of the choices, shape ``(K, C)``: K columns or, with gates, K scales of
            columns; C candidates in the order of ``space.candidates``. Candidates that a choice may
            not take have logits so low that their op weight is 0.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space = space
        self.input = InputStage(space)
        self.transitions = make_transitions(space)
        self.cells = nn.ModuleList(
            nn.ModuleList(MixedColumn(space, space.first_scales + cell) for _ in range(count))
            for cell, count in enumerate(space.columns)
        )
        self.output = OutputStage(space)
        self.alpha = nn.Parameter(torch.where(torch.tensor(space.allowed()), 0.0, _NEVER))

    def weight_parameters(self) -> Iterator[nn.Parameter]:
        """All parameters but ``alpha``."""
        return (p for name, p in self.named_parameters() if name != "alpha")

    def rows(self) -> list[range]:
        """The rows of ``alpha`` that belong to each column."""
        rows, start = [], 0
        for number in (
            self.space.column_scales() if self.space.gates else [1] * self.space.num_columns
        ):
            rows.append(range(start, start + number))
            start += number
        return rows

    def op_weights(self) -> Tensor:
        """Softmax of each row of ``alpha``, of the same shape."""
        return self.alpha.softmax(dim=1)

    def forward(self, image: Tensor, op_weights: Tensor) -> Tensor:
        """Restore a batch.

        Args:
            image: ``(N, input_planes, H, W)``, its sides multiples of ``space.multiple``.
            op_weights: Weight of each candidate, of the shape of ``alpha``.

        Returns:
            The restored batch, ``(N, channels, H, W)``.
        """
        return self.forward_from(0, self.first_features(image), image, op_weights)

    def first_features(self, image: Tensor) -> list[Tensor]:
        """What the first column reads; it does not depend on any choice."""
        return grow(self.space, self.transitions, 0, [self.input(image)])

    def forward_from(
        self,
        column: int,
        features: list[Tensor],
        image: Tensor,
        op_weights: Tensor,
        read: list[list[Tensor]] | None = None,
    ) -> Tensor:
        """Restore a batch from the input of a column on, so that architectures share what they can.

        Args:
            column: Index of the first column to compute.
            features: Its input.
            image: The batch, as for :meth:`forward`.
            op_weights: As for :meth:`forward`; the rows of earlier columns are ignored.
            read: The input of each column from ``column`` on is appended here.

        Returns:
            The restored batch.
        """
        rows, index = self.rows(), 0
        for cell, columns in enumerate(self.cells):
            for place, module in enumerate(columns.children()):
                if index > column and place == 0:
                    features = grow(self.space, self.transitions, cell, features)
                if index >= column:
                    if read is not None:
                        read.append(features)
                    own = rows[index]
                    features = module(features, op_weights[own.start : own.stop])
                index += 1
        restored: Tensor = self.output(features)
        if self.space.residual:
            restored = remove(self.space, image, restored)
        return restored
