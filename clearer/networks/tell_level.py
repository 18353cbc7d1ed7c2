"""A network that learned without being told the noise level, with an input for it."""

from __future__ import annotations

from dataclasses import replace

import torch

from clearer.networks.level_map import LEVEL_GAIN
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture

__all__ = ["tell_level", "told_architecture"]


def told_architecture(architecture: Architecture) -> Architecture:
    """The same layers in a space with a level map."""
    return replace(architecture, space=replace(architecture.space, level_map=True))


def tell_level(network: RestorationNet, level: float) -> RestorationNet:
    """A copy with a level map, to be trained on.

    The first layers do not heed the new plane yet. What a residual network predicts comes in units
    of the level from now on, so the last layer is scaled: told ``level``, the copy restores as the
    network does.

    Args:
        network: Without a level map.
        level: Standard deviation of the noise that it knows best, white at 1; above 0.
    """
    told = RestorationNet(told_architecture(network.architecture))
    state = network.state_dict()
    for name, expected in told.state_dict().items():
        missing = expected.shape[1] - state[name].shape[1] if expected.ndim > 1 else 0
        if missing:
            state[name] = torch.nn.functional.pad(state[name], (0, 0, 0, 0, 0, missing))
    if network.architecture.space.residual:
        state["output.head.weight"] = state["output.head.weight"] / (LEVEL_GAIN * level)
    told.load_state_dict(state)
    return told.train(network.training)
