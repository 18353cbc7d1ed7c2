from __future__ import annotations

import torch
from torch import nn

from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from clearer.training.norm_statistics import float_buffers, measure_statistics


def test_statistics_are_the_means_over_all_batches() -> None:
    layer = nn.BatchNorm2d(3).eval()
    layer.momentum = 0.3
    batches = [torch.randn(4, 3, 8, 8) * scale + scale for scale in (1.0, 2.0, 5.0)]
    measure_statistics(nn.Sequential(layer), batches)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    means = torch.stack([batch.mean((0, 2, 3)) for batch in batches])
    variances = torch.stack([batch.var((0, 2, 3)) for batch in batches])
    torch.testing.assert_close(layer.running_mean, means.mean(0))
    torch.testing.assert_close(layer.running_var, variances.mean(0))
    assert (layer.momentum, layer.training) == (0.3, False)


def test_a_network_then_restores_as_it_did_in_training() -> None:
    """Statistics that lag behind the weights would change the network."""
    torch.manual_seed(0)
    space = SearchSpace(width=4, columns=(2, 2), stem="conv", first_scales=1, gates=True)
    network = RestorationNet(Architecture.from_text("PP-[.P]F", space)).train()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            nn.init.normal_(parameter, std=0.5)
    batch = torch.rand(8, 1, 16, 16)
    with torch.no_grad():
        expected = network(batch)
        network.eval()
        lagging = network(batch)
        measure_statistics(network, [batch])
        measured = network(batch)
    assert (lagging - expected).abs().mean() > 10 * (measured - expected).abs().mean()
    assert all(torch.isfinite(buffer).all() for buffer in float_buffers(network))
