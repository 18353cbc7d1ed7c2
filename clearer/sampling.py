"""Search over single architectures, drawn by the op weights, in place of the mixture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from clearer.supernet import SuperNet

__all__ = ["draw", "expected_loss", "losses_of_choices"]


def draw(op_weights: Tensor, uniform: Tensor) -> Tensor:
    """One architecture, each column drawn by its op weights.

    Args:
        op_weights: Probabilities of parallel and fusion, shape ``(K, 2)``.
        uniform: Random numbers in [0, 1), shape ``(K,)``, that decide.

    Returns:
        One-hot rows of shape ``(K, 2)``, on the same device.
    """
    fused = uniform < op_weights[:, 1]
    return torch.stack([~fused, fused], dim=1).float()


def losses_of_choices(
    supernet: SuperNet,
    image: Tensor,
    loss_of: Callable[[Tensor], Tensor],
    drawn: Tensor,
    columns: Sequence[int],
) -> Tensor:
    """Loss of a drawn architecture with some of its columns turned, and of itself.

    Two architectures that differ in column k agree in all that comes before: each turned one is
    computed from what its column reads.

    Args:
        supernet: The weights.
        image: Batch of shape ``(N, channels, H, W)``.
        loss_of: Loss, a scalar, of a restored batch.
        drawn: What :func:`draw` gave.
        columns: Which are turned, in rising order.

    Returns:
        Shape ``(K, 2)``: of the drawn architecture with column k being each of its candidates. For
        a column that is not turned both are alike. Where a random part of the columns is turned,
        the differences of these stand for all: they are larger by one over that part.
    """
    with torch.no_grad():
        read: list[list[Tensor]] = []
        first = supernet.first_features(image)
        loss = loss_of(supernet.forward_from(0, first, image, drawn, read))
        losses = loss.repeat(drawn.shape)
        for column in columns:
            turned = drawn.clone()
            turned[column] = 1 - drawn[column]
            restored = supernet.forward_from(column, read[column], image, turned)
            losses[column] += turned[column] * (loss_of(restored) - loss)
        return loss + (losses - loss) * (len(drawn) / len(columns))


def expected_loss(losses: Tensor, op_weights: Tensor, drawn: Tensor) -> Tensor:
    """Loss of a drawn architecture, with an unbiased gradient of its expectation.

    The expectation over what one column may be is exact, given the other columns.

    Args:
        losses: What :func:`losses_of_choices` gave.
        op_weights: Probabilities that carry the gradient, shape ``(K, 2)``.
        drawn: What :func:`draw` gave for them.
    """
    loss = (losses[0] * drawn[0]).sum()
    expectation = (op_weights * losses).sum()
    return loss + expectation - expectation.detach()
