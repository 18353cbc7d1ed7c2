"""The losses of Gou et al., "CLEARER", NeurIPS 2020, section 3.2: equations (2) to (5)."""

from __future__ import annotations

from typing import Final

import torch.nn.functional as F
from torch import Tensor

__all__ = [
    "architecture_loss",
    "complexity_loss",
    "restoration_loss",
    "root_error_loss",
    "search_loss",
    "taught_loss",
    "taught_root_error_loss",
]


# 90 dB: the gradient of the root is not finite at zero.
_LEAST_ERROR: Final = 1e-9


def restoration_loss(restored: Tensor, clean: Tensor, mask: Tensor | None = None) -> Tensor:
    r"""Equation (3): mean squared error, :math:`L_\text{Res}`.

    Args:
        restored: Output of the network, range [0, 1]: any shape, or with a mask ``(N, C, H, W)``.
        clean: Target of the same shape.
        mask: ``(N, 1, H, W)``, 1 where it counts; None: everywhere. Every image counts alike.
    """
    if mask is None:
        return F.mse_loss(restored, clean)
    return _square_errors(restored, clean, mask).mean()


def root_error_loss(restored: Tensor, clean: Tensor, mask: Tensor | None = None) -> Tensor:
    """Root of the mean squared error of each image, averaged over images.

    Where images are degraded very differently, the worst ones dominate the mean squared error; the
    root balances them.

    Args:
        restored: Output of the network, ``(N, C, H, W)``, range [0, 1].
        clean: Target of the same shape.
        mask: As for :func:`restoration_loss`.

    Example:
        >>> import torch
        >>> root_error_loss(torch.full((1, 1, 2, 2), 0.1), torch.zeros(1, 1, 2, 2))
        tensor(0.1000)
    """
    return (_square_errors(restored, clean, mask) + _LEAST_ERROR).sqrt().mean()


def taught_loss(
    restored: Tensor, taught: Tensor, clean: Tensor, mask: Tensor | None = None
) -> Tensor:
    r"""Stands in for :func:`restoration_loss`: its gradient, without most of the noise.

    The expected gradient leads to the mean of all clean pictures that a degraded one may come from,
    :math:`E[\text{clean} \mid \text{degraded}]`. A single clean picture differs from that mean by
    what nobody can predict, which is most of the error. What a better network restores does not.

    Args:
        restored: Output of the network, ``(N, C, H, W)``, range [0, 1].
        taught: Output of the better network, of the same shape.
        clean: Clean pictures, which are not needed here.
        mask: As for :func:`restoration_loss`.
    """
    return restoration_loss(restored, taught, mask)


def taught_root_error_loss(
    restored: Tensor, taught: Tensor, clean: Tensor, mask: Tensor | None = None
) -> Tensor:
    r"""Stands in for :func:`root_error_loss`, as :func:`taught_loss` does for the other.

    The gradient of a root is that of the squared error, divided by twice the root: the root is that
    of the error against the clean picture, so that pictures weigh what they do without a teacher.

    Args:
        restored: Output of the network, ``(N, C, H, W)``, range [0, 1].
        taught: Output of the better network, of the same shape.
        clean: Clean pictures.
        mask: As for :func:`restoration_loss`.
    """
    errors = (_square_errors(restored.detach(), clean, mask) + _LEAST_ERROR).sqrt()
    return (_square_errors(restored, taught, mask) / (2 * errors)).mean()


def _square_errors(restored: Tensor, clean: Tensor, mask: Tensor | None) -> Tensor:
    """Mean squared error of each image, shape ``(N,)``."""
    squares = (restored - clean).square()
    if mask is None:
        return squares.mean((1, 2, 3))
    counts = mask.sum((1, 2, 3)) * restored.shape[1]
    return (squares * mask).sum((1, 2, 3)) / counts


def architecture_loss(alpha: Tensor) -> Tensor:
    r"""Equation (4): mean entropy of the choices, small once they are decided.

    .. math:: L_\text{Arch} = -\frac{1}{N} \sum_k \left[ \alpha_k \log \alpha_k
              + (1 - \alpha_k) \log (1 - \alpha_k) \right]

    over all N = 2K values of :math:`\alpha`, the softmax of the logits. It is computed from the
    logits, so that it stays finite where a choice is certain. With two candidates both terms of the
    bracket occur twice, and the sum is twice the entropy; for more it is defined so, too.

    Args:
        alpha: Logits, shape ``(K, C)``: K choices of C candidates.

    Example:
        >>> import torch
        >>> architecture_loss(torch.zeros(3, 2))  # log 2: nothing is decided
        tensor(0.6931)
    """
    log_weights = alpha.log_softmax(dim=1)
    return -2 * (log_weights.exp() * log_weights).sum() / alpha.numel()


def complexity_loss(alpha: Tensor, cost: Tensor) -> Tensor:
    r"""Equation (5): mean expected cost of the candidates.

    .. math:: L_\text{Comp} = \frac{1}{N} \sum_k (\alpha_{p,k} C_{p,k} + \alpha_{f,k} C_{f,k})

    Args:
        alpha: Logits, shape ``(K, C)``; :math:`\alpha` is their softmax and N = CK.
        cost: Cost of each candidate, shape ``(K, C)``, in any unit.

    Returns:
        Scalar in the unit of ``cost``; its gradient reaches only ``alpha``.

    Raises:
        ValueError: If the shapes differ.

    Example:
        >>> import torch
        >>> complexity_loss(torch.zeros(2, 2), torch.tensor([[1.0, 3.0], [2.0, 4.0]]))
        tensor(1.2500)
    """
    if alpha.shape != cost.shape:
        raise ValueError(f"cost has shape {tuple(cost.shape)}, alpha {tuple(alpha.shape)}")
    return (alpha.softmax(dim=1) * cost.detach()).sum() / alpha.numel()


def search_loss(
    restoration: Tensor,
    architecture: Tensor,
    complexity: Tensor,
    lambda_arch: float,
    lambda_comp: float,
) -> Tensor:
    r"""Equation (2): :math:`L = L_\text{Res} + \lambda_1 L_\text{Arch} + \lambda_2 L_\text{Comp}`.

    The architecture parameters are trained on it, the weights only on ``restoration``.
    """
    return restoration + lambda_arch * architecture + lambda_comp * complexity
