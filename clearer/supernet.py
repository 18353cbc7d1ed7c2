"""The relaxed network that the search trains: every column mixes its two candidates."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from clearer.blocks import (
    FusionModule,
    InputStage,
    OutputStage,
    ParallelModule,
    make_transitions,
)
from clearer.space import SearchSpace

__all__ = ["MixedColumn", "SuperNet"]


class MixedColumn(nn.Module):
    r"""Equation (1): :math:`y_{j+1} = \\alpha_p f_p(y_j) + \\alpha_f f_f(y_j)`.

    Both candidates read the same ``y_j``.
    """

    def __init__(self, space: SearchSpace, num_scales: int) -> None:
        super().__init__()
        self.parallel = ParallelModule(space, num_scales)
        self.fusion = FusionModule(space, num_scales)

    def forward(self, features: list[Tensor], op_weights: Tensor) -> list[Tensor]:
        r"""Mix the candidates.

        Args:
            features: One tensor per scale, finest first.
            op_weights: :math:`(\\alpha_p, \\alpha_f)`, shape ``(2,)``.

        Returns:
            One tensor per scale, of the shapes that came in.
        """
        alpha_p, alpha_f = op_weights
        # A single candidate needs no mixture. Asking a GPU which one would wait for all its work.
        if not op_weights.requires_grad and not op_weights.is_cuda and op_weights.max() == 1:
            chosen = self.parallel if alpha_p == 1 else self.fusion
            return chosen(features)  # type: ignore[no-any-return]
        candidates = zip(self.parallel(features), self.fusion(features), strict=True)
        return [alpha_p * parallel + alpha_f * fusion for parallel, fusion in candidates]


class SuperNet(nn.Module):
    """All architectures of a space at once, weighted by the architecture parameters.

    Args:
        space: The space to search.

    Attributes:
        alpha: Logits of the choices, shape ``(K, 2)``: K columns, (parallel, fusion).
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space = space
        self.input = InputStage(space)
        self.transitions = make_transitions(space)
        self.cells = nn.ModuleList(
            nn.ModuleList(MixedColumn(space, cell + 2) for _ in range(count))
            for cell, count in enumerate(space.columns)
        )
        self.output = OutputStage(space)
        self.alpha = nn.Parameter(torch.zeros(space.num_columns, 2))

    def weight_parameters(self) -> Iterator[nn.Parameter]:
        """All parameters but ``alpha``."""
        return (p for name, p in self.named_parameters() if name != "alpha")

    def op_weights(self) -> Tensor:
        """Softmax of ``alpha`` per column, shape ``(K, 2)``."""
        return self.alpha.softmax(dim=1)

    def forward(self, image: Tensor, op_weights: Tensor) -> Tensor:
        """Restore a batch.

        Args:
            image: ``(N, channels, H, W)`` with sides that are multiples of ``space.multiple``.
            op_weights: Weight of both candidates per column, shape ``(K, 2)``.

        Returns:
            The restored batch, of the same shape.
        """
        return self.forward_from(0, self.first_features(image), image, op_weights)

    def first_features(self, image: Tensor) -> list[Tensor]:
        """What the first column reads; no choice has a part in it."""
        first: list[Tensor] = self.transitions[0]([self.input(image)])
        return first

    def forward_from(
        self,
        column: int,
        features: list[Tensor],
        image: Tensor,
        op_weights: Tensor,
        read: list[list[Tensor]] | None = None,
    ) -> Tensor:
        """Restore a batch from what a column reads, so that architectures share what they can.

        Args:
            column: Index of the first column to compute.
            features: What it reads.
            image: The batch, as for :meth:`forward`.
            op_weights: Likewise; the rows before ``column`` are not looked at.
            read: What each column from ``column`` on reads is appended here.

        Returns:
            The restored batch.
        """
        index = 0
        for cell, columns in enumerate(self.cells):
            for place, module in enumerate(columns.children()):
                if index > column and place == 0:
                    features = self.transitions[cell](features)
                if index >= column:
                    if read is not None:
                        read.append(features)
                    features = module(features, op_weights[index])
                index += 1
        restored: Tensor = self.output(features)
        return image - restored if self.space.residual else restored
