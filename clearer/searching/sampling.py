"""Search with single architectures, sampled by the op weights, in place of the mixture."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from clearer.networks.supernet import SuperNet

__all__ = ["draw", "expected_loss", "losses_of_choices"]


def draw(op_weights: Tensor, uniform: Tensor) -> Tensor:
    """Sample one architecture, each choice by its op weights.

    Args:
        op_weights: Probabilities of the candidates, shape ``(K, C)``.
        uniform: Random numbers in [0, 1), shape ``(K,)``.

    Returns:
        One-hot rows of shape ``(K, C)``, on the same device.
    """
    # Shares are in reverse order: with two candidates, fusion is drawn if the number is below its
    # op weight.
    above = op_weights.flip(1).cumsum(1)[:, :-1] <= uniform[:, None]
    places = torch.arange(op_weights.shape[1], device=op_weights.device)
    return (above.sum(1, keepdim=True) == places).flip(1).float()


def losses_of_choices(
    supernet: SuperNet,
    image: Tensor,
    loss_of: Callable[[Tensor], Tensor],
    drawn: Tensor,
    turned: Sequence[int],
) -> Tensor:
    """Losses of a sampled architecture, and of those that differ from it in one choice.

    Architectures that differ in one choice agree before its column: each changed one is computed
    from the input of that column on.

    Args:
        supernet: The weights.
        image: Batch of shape ``(N, input_planes, H, W)``.
        loss_of: Gives the loss, a scalar, of a restored batch.
        drawn: What :func:`draw` gave.
        turned: Choices to change to each of their other candidates, in rising order.

    Returns:
        Shape ``(K, C)``: the loss of the sampled architecture with choice k set to each candidate.
        Where nothing is changed, or a candidate is not allowed, it is that of the architecture
        itself. If only a random part of the choices is changed, differences are scaled up by one
        over that part, so that they are unbiased.
    """
    allowed = supernet.space.allowed()
    columns = [column for column, rows in enumerate(supernet.rows()) for _ in rows]
    with torch.no_grad():
        read: list[list[Tensor]] = []
        first = supernet.first_features(image)
        loss = loss_of(supernet.forward_from(0, first, image, drawn, read))
        losses = loss.repeat(drawn.shape)
        for choice in turned:
            column = columns[choice]
            for step in range(1, sum(allowed[choice])):
                row = _next_candidate(drawn[choice], allowed[choice], step)
                architecture = drawn.clone()
                architecture[choice] = row
                restored = supernet.forward_from(column, read[column], image, architecture)
                losses[choice] += row * (loss_of(restored) - loss)
        return loss + (losses - loss) * (len(drawn) / len(turned))


def _next_candidate(row: Tensor, allowed: Sequence[bool], step: int) -> Tensor:
    """One-hot row of the allowed candidate ``step`` places after the sampled one, cyclically.

    The row stays on its device, and nothing waits for it.
    """
    has = [index for index, is_allowed in enumerate(allowed) if is_allowed]
    return torch.stack(
        [
            row[has[has.index(index) - step]] if index in has else torch.zeros_like(row[0])
            for index in range(len(allowed))
        ]
    )


def expected_loss(losses: Tensor, op_weights: Tensor, drawn: Tensor) -> Tensor:
    """Loss of a sampled architecture, with an unbiased gradient of its expectation.

    The expectation over each choice is exact, given the other choices.

    Args:
        losses: What :func:`losses_of_choices` gave.
        op_weights: Probabilities that carry the gradient, shape ``(K, C)``.
        drawn: What :func:`draw` gave for them.
    """
    loss = (losses[0] * drawn[0]).sum()
    expectation = (op_weights * losses).sum()
    return loss + expectation - expectation.detach()
