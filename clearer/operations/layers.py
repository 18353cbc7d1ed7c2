"""Layers that operations and the fixed parts of a network are built from."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

__all__ = ["ResidualBlock", "batch_norms", "conv_norm", "upsample"]


def conv_norm(
    inputs: int, outputs: int, kernel: int, *, stride: int = 1, relu: bool = False
) -> nn.Sequential:
    """Convolution without bias, batch normalisation and, if asked for, ReLU; the size is kept."""
    layers: list[nn.Module] = [
        nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


def batch_norms(network: nn.Module) -> list[nn.BatchNorm2d | nn.SyncBatchNorm]:
    """The batch normalisations of a network, in order.

    On several GPUs they are of a kind that is no ``BatchNorm2d``.
    """
    kinds = nn.BatchNorm2d | nn.SyncBatchNorm
    return [module for module in network.modules() if isinstance(module, kinds)]


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions and a skip connection: ``(N, C, H, W)`` to the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *conv_norm(width, width, 3, relu=True), *conv_norm(width, width, 3)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return ``relu(x + body(x))``."""
        return F.relu_(self.body(x) + x)


def upsample(x: Tensor) -> Tensor:
    """Nearest upsampling by 2: ``(N, C, H, W)`` to ``(N, C, 2 * H, 2 * W)``."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")
