"""Muon: orthogonalised steps for convolutions; other parameters are left to Adam.

K. Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024. Its steps are
scaled to those of Adam (J. Liu et al., "Muon is scalable for LLM training", 2025), so that one
learning rate serves both. ``torch.optim.Muon`` takes only matrices, one at a time; here all
convolutions of one shape are orthogonalised as one batch, which matters for a hundred small ones.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any, Final

import torch
from torch import Tensor, nn

__all__ = ["Muon", "hidden_and_other", "orthogonalize"]

_QUINTIC: Final = (3.4445, -4.7750, 2.0315)
"""Coefficients of Newton-Schulz: singular values in (0, 1] become about 0.7 to 1.2."""
_NUM_ITERATIONS: Final = 5
_MOMENTUM: Final = 0.95
_ADAM_RMS: Final = 0.2
"""Usual root mean square of an Adam step, relative to its learning rate."""


def orthogonalize(matrices: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """Approximate the nearest matrices with orthonormal rows (or columns, if those are fewer).

    Args:
        matrices: Of shape ``(count, rows, columns)``; zero stays zero.
        dtype: The type to compute in.
    """
    a, b, c = _QUINTIC
    is_tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if is_tall else matrices
    x = (x / x.norm(dim=(1, 2), keepdim=True).clamp_min(1e-12)).to(dtype)
    for _ in range(_NUM_ITERATIONS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return (x.mT if is_tall else x).to(matrices.dtype)


def hidden_and_other(network: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """The weights of the convolutions between features, and all other parameters.

    The first and the last convolution, from and to a picture, are among the others.
    """
    convolutions = [layer.weight for layer in network.modules() if isinstance(layer, nn.Conv2d)]
    hidden = convolutions[1:-1]
    ids = {id(weight) for weight in hidden}
    return hidden, [weight for weight in network.parameters() if id(weight) not in ids]


class Muon(torch.optim.Optimizer):
    """Nesterov momentum; each weight's step is orthogonalised as (out channels, everything else).

    Args:
        weights: Weights of convolutions.
        lr: Learning rate, as for Adam; a tensor if the step is recorded as a CUDA graph.
        dtype: The type to orthogonalise in.
    """

    def __init__(
        self, weights: Iterable[Tensor], lr: float | Tensor, dtype: torch.dtype = torch.float32
    ) -> None:
        super().__init__(weights, {"lr": lr})
        self._dtype = dtype

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:  # type: ignore[override]
        """Update the weights that have gradients."""
        for group in self.param_groups:
            weights = [weight for weight in group["params"] if weight.grad is not None]
            if not weights:
                continue
            alike: dict[torch.Size, list[tuple[Tensor, Tensor]]] = defaultdict(list)
            for pair in zip(weights, self._directions(weights), strict=True):
                alike[pair[0].shape].append(pair)
            for pairs in alike.values():
                self._step_alike(pairs, group["lr"])

    def _step_alike(self, pairs: list[tuple[Tensor, Tensor]], lr: float | Tensor) -> None:
        """Update weights of one shape, each given with its direction."""
        # In the order of memory, channels last, nothing is copied; the step does not depend on it.
        by_row = torch.stack([direction.permute(0, 2, 3, 1) for _, direction in pairs])
        steps = orthogonalize(by_row.flatten(2), self._dtype)
        steps = steps * (lr * (-_ADAM_RMS * max(steps.shape[1:]) ** 0.5))
        by_weight = steps.view(by_row.shape).permute(0, 1, 4, 2, 3).unbind()
        torch._foreach_add_([weight for weight, _ in pairs], list(by_weight))

    def _directions(self, weights: list[Tensor]) -> Sequence[Tensor]:
        """The gradients with Nesterov momentum."""
        for weight in weights:
            if not self.state[weight]:
                self.state[weight]["momentum"] = torch.zeros_like(weight)
        momenta = [self.state[weight]["momentum"] for weight in weights]
        gradients = [weight.grad for weight in weights]
        torch._foreach_lerp_(momenta, gradients, 1 - _MOMENTUM)  # type: ignore[arg-type]
        return torch._foreach_lerp(momenta, gradients, 1 - _MOMENTUM)  # type: ignore[arg-type]
