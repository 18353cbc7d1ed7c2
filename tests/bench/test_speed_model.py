"""The model of a device's speed, on known times."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from clearer.bench.speed_model import SpeedModel, probes
from clearer.costs.cost import network_convs, network_cost
from clearer.networks.network import RestorationNet
from clearer.space.shapes import shapes_within
from clearer.space.space import Architecture, SearchSpace

SPACE = SearchSpace(channels=3, residual=True)


def device_ms(architecture: Architecture, lanes: int = 8) -> float:
    """A device that computes so many channels at once."""
    total = 0.3
    for conv in network_convs(architecture):
        vectors = -(-conv.inputs // lanes) * -(-conv.outputs // lanes) * lanes**2
        rate = {1: 2e-5, 3: 1e-5}[conv.kernel]
        total += (rate * vectors * conv.kernel**2 + 4e-4 * conv.outputs) / 4**conv.octave + 0.02
    return total


def others() -> list[Architecture]:
    """Small and large networks that are not probes."""
    found = []
    for limit in (20_000, 400_000):

        def fits(architecture: Architecture, most: int = limit) -> bool:
            return network_cost(architecture, "params") <= most

        found += [shape.architecture() for shape in shapes_within(SPACE, fits)]
    return found


@pytest.mark.parametrize("lanes", [8, 16])
def test_times_that_follow_the_model_are_predicted_exactly(lanes: int) -> None:
    known = probes(SPACE)
    model = SpeedModel(known, [device_ms(a, lanes) for a in known])
    for architecture in others():
        assert model.ms(architecture) == pytest.approx(device_ms(architecture, lanes), rel=1e-4)


def test_times_with_noise_are_predicted_nearly() -> None:
    known = probes(SPACE)
    noise = np.random.default_rng(0).normal(1, 0.01, size=len(known))
    model = SpeedModel(known, [device_ms(a) * n for a, n in zip(known, noise, strict=True)])
    errors = [model.ms(a) / device_ms(a) - 1 for a in others()]
    assert np.abs(errors).mean() < 0.05


def test_no_time_is_negative() -> None:
    known = probes(SPACE)
    times = np.random.default_rng(1).uniform(1, 2, size=len(known))
    model = SpeedModel(known, list(times))
    assert all(model.ms(a) >= 0 for a in others())


def test_probes_are_small_differ_and_can_be_built() -> None:
    known = probes(SPACE)
    assert len(set(known)) == len(known) > 5
    assert {a.space.unshuffle for a in known} == {1, 2}
    for architecture in known:
        assert architecture.space.channels == 3
        assert architecture.space.residual
        assert network_cost(architecture, "mb") < 4
        image = torch.rand(1, 3, 16, 24)
        with torch.inference_mode():
            assert RestorationNet(architecture).eval()(image).shape == image.shape
