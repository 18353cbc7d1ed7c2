"""Batch normalisation over a batch shared by several processes, on any device.

torch has one for CUDA only.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["SyncBatchNorm"]

Sum = Callable[[Tensor], Tensor]


class _SumOver(torch.autograd.Function):
    """Sum over the processes; its gradient is the sum of theirs."""

    @staticmethod
    def forward(context: Any, tensor: Tensor, total: Sum) -> Tensor:
        context.total = total
        return total(tensor)

    @staticmethod
    def backward(context: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return context.total(gradient.contiguous()), None


class SyncBatchNorm(nn.BatchNorm2d):
    """As ``BatchNorm2d`` on the whole batch; unchanged in evaluation mode.

    Every process must have an equal share of the batch.
    """

    total: Sum

    def __deepcopy__(self, memo: dict[int, Any]) -> nn.BatchNorm2d:
        """Return a plain layer: averaged weights are used in a single process."""
        copy = nn.BatchNorm2d(self.num_features, self.eps, self.momentum)
        copy.load_state_dict(self.state_dict())
        return copy.to(self.weight.device).train(self.training)

    @classmethod
    def convert(cls, network: nn.Module, total: Sum) -> None:
        """Convert each ``BatchNorm2d`` of a network in place; ``total`` sums over processes."""
        for module in network.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.__class__ = cls
                module.total = total  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        """Normalise ``(N, C, H, W)``."""
        if not self.training:
            return super().forward(x)
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        values = x.float()
        count = values.new_tensor([values.numel() / self.num_features])
        local = torch.cat([values.sum((0, 2, 3)), values.square().sum((0, 2, 3)), count])
        sums, squares, whole = _SumOver.apply(local, self.total).split(  # type: ignore[no-untyped-call]
            [self.num_features, self.num_features, 1]
        )
        whole = whole.detach()
        mean = sums / whole
        variance = squares / whole - mean.square()
        with torch.no_grad():
            self.num_batches_tracked.add_(1)
            self.running_mean.lerp_(mean, self.momentum)
            self.running_var.lerp_(variance * whole / (whole - 1), self.momentum)
        scale = self.weight * (variance + self.eps).rsqrt()
        shift = self.bias - mean * scale
        return torch.addcmul(shift.view(1, -1, 1, 1), values, scale.view(1, -1, 1, 1)).to(x.dtype)
