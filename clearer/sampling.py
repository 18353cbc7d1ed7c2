"""Search over single architectures, drawn by the op weights, in place of the mixture."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

__all__ = ["draw", "expected_loss"]


def draw(op_weights: Tensor, rng: np.random.Generator) -> Tensor:
    """One architecture, each column drawn by its op weights.

    Args:
        op_weights: Probabilities of parallel and fusion, shape ``(K, 2)``.
        rng: Decides.

    Returns:
        One-hot rows of shape ``(K, 2)``, on the CPU: what they say is read without waiting for a
        GPU.
    """
    fused = torch.tensor(rng.random(len(op_weights)) < op_weights[:, 1].cpu().numpy())
    return torch.stack([~fused, fused], dim=1).float()


def expected_loss(loss_of: Callable[[Tensor], Tensor], op_weights: Tensor, drawn: Tensor) -> Tensor:
    """Loss of a drawn architecture, with an unbiased gradient of its expectation.

    The expectation over what one column may be is exact, given the other columns: each column is
    turned in the drawn architecture, on the same batch. No gradient of a network is computed.

    Args:
        loss_of: Loss, a scalar, of one-hot rows of shape ``(K, 2)``.
        op_weights: Probabilities that carry the gradient, shape ``(K, 2)``.
        drawn: What :func:`draw` gave for them.
    """
    with torch.no_grad():
        loss = loss_of(drawn)
        losses = loss.repeat(drawn.shape)
        for column in range(len(drawn)):
            turned = drawn.clone()
            turned[column] = 1 - drawn[column]
            losses[column, turned[column].argmax()] = loss_of(turned)
    expectation = (op_weights * losses.to(op_weights.device)).sum()
    return loss + expectation - expectation.detach()
