"""The residual block with SiLU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from clearer.operations.layers import batch_norms
from clearer.operations.operation import Place
from clearer.operations.swish import Swish
from tests.clearer.networks.test_supernet import randomize

PLACE = Place((4, 8), 1)


def block() -> nn.Module:
    torch.manual_seed(0)
    layer = Swish().layer("swish", PLACE).eval()
    randomize(layer)
    return layer


def compute(layer: nn.Module, x: Tensor) -> Tensor:
    """Features of scale 1; scale 0 is not read."""
    with torch.inference_mode():
        return Swish().forward({"swish": layer}, [torch.full((1, 4, 16, 12), torch.nan), x], 1)


def test_adds_two_convolutions_with_silu_between() -> None:
    layer, x = block(), torch.randn(1, 8, 8, 6)
    first, last = (conv for conv in layer.modules() if isinstance(conv, nn.Conv2d))
    before, after = batch_norms(layer)
    with torch.inference_mode():
        hidden = before(first(x))
        expected = x + after(last(hidden / (1 + (-hidden).exp())))
    torch.testing.assert_close(compute(layer, x), expected)


def test_passes_negative_features_on() -> None:
    """So a trained network can go on without it, and a larger one can start so."""
    layer, x = block(), torch.randn(1, 8, 8, 6)
    (branch,) = Swish().branches(layer)
    *_, last = batch_norms(branch)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)
    assert torch.equal(compute(layer, x), x)
