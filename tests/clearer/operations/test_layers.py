"""Chains of layers."""

from __future__ import annotations

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.operations.layers import Chain, batch_norms, conv_norm


def chain() -> Chain:
    """Layers whose normalisations have all sorts of statistics."""
    torch.manual_seed(0)
    last = conv_norm(5, 4, 3, stride=2, relu=True)
    layers = Chain(*conv_norm(3, 5, 3), nn.SiLU(inplace=True), *last)
    for norm in batch_norms(layers):
        for tensor in (norm.weight, norm.bias, norm.running_mean, norm.running_var):
            assert tensor is not None
            nn.init.uniform_(tensor, 0.1, 2)
    return layers


def layer_by_layer(layers: Chain, x: Tensor) -> Tensor:
    for layer in layers:
        x = layer(x)
    return x


@pytest.mark.parametrize("is_training", [False, True])
def test_it_gives_what_its_layers_give_and_their_gradients(is_training: bool) -> None:
    layers = chain().double().train()
    for norm in batch_norms(layers):
        norm.train(is_training)
    other, x = copy.deepcopy(layers), torch.rand(2, 3, 9, 8, dtype=torch.float64)
    given, expected = layers(x), layer_by_layer(other, x)
    torch.testing.assert_close(given, expected)
    for result in (given, expected):
        result.square().sum().backward()
    for (name, mine), theirs in zip(layers.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, theirs.grad, msg=name)
    for moved, buffer in zip(layers.buffers(), other.buffers(), strict=True):
        assert torch.equal(moved, buffer)  # by batches alone, and alike


def test_at_fixed_statistics_nothing_is_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    layers, x = chain().eval(), torch.rand(1, 3, 8, 8)
    expected = layer_by_layer(layers, x)
    monkeypatch.setattr(F, "batch_norm", None)
    torch.testing.assert_close(layers(x), expected)


def test_an_empty_chain_and_one_that_ends_with_a_convolution_change_nothing_else() -> None:
    x = torch.rand(1, 3, 8, 8)
    assert torch.equal(Chain()(x), x)
    conv = nn.Conv2d(3, 2, 1)
    assert torch.equal(Chain(conv)(x), conv(x))
