"""What is left of a network in several ways trains for a moment, and the best one is chosen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from clearer.networks.network import RestorationNet
from clearer.operations.layers import batch_norms
from clearer.pictures.images import ImageSet
from clearer.pruning.trial import best_learner
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture, SearchSpace
from tests.run_settings import quick_run

SPACE = SearchSpace(width=8, columns=(2,), stem="conv", residual=True, first_scales=1, gates=True)
NETWORK = Architecture.from_text("PP", SPACE)


def settings(iterations: int) -> RunSettings:
    return quick_run(SPACE, {"iterations": iterations, "batch_size": 4, "patch_size": 24})


def images() -> ImageSet:
    generator = np.random.default_rng(0)
    tiles = generator.integers(0, 255, (2, 8, 8, 1), dtype=np.uint8)
    return ImageSet(("a", "b"), tuple(t.repeat(8, axis=0).repeat(8, axis=1) for t in tiles))


def able() -> RestorationNet:
    torch.manual_seed(0)
    return RestorationNet(NETWORK).eval()


def crippled() -> RestorationNet:
    """It always gives back its input: no block and no output has an effect, or learns."""
    network = able()
    with torch.no_grad():
        for norm in batch_norms(network):
            norm.weight.zero_()
            norm.bias.fill_(-1)  # the next ReLU gives 0 and no gradient
        network.output.head.weight.zero_()
    return network


@pytest.mark.parametrize("place", [0, 1, 2])
def test_the_one_that_learns_is_chosen(place: int) -> None:
    ways = [crippled(), crippled()]
    ways.insert(place, able())
    before = [{n: t.clone() for n, t in way.state_dict().items()} for way in ways]
    shares: list[float] = []
    assert best_learner(ways, settings(800), images(), shares.append) == place
    assert shares == sorted(shares)
    assert shares[-1] == 1
    for way, state in zip(ways, before, strict=True):
        for name, tensor in way.state_dict().items():
            assert torch.equal(tensor, state[name]), name


def test_values_that_are_not_finite_lose() -> None:
    broken = able()
    with torch.no_grad():
        next(broken.parameters()).fill_(torch.nan)
    assert best_learner([broken, able()], settings(80), images(), print) == 1


def test_minutes_limit_it() -> None:
    ways = [crippled(), able()]
    assert best_learner(ways, replace(settings(7), minutes=1.0), images(), print) == 1
    assert best_learner(ways, replace(settings(800), minutes=1e-6), images(), print) == 0


def test_a_short_training_takes_the_first() -> None:
    assert best_learner([crippled(), able()], settings(7), images(), print) == 0
    assert best_learner([crippled()], settings(1000), images(), print) == 0
