"""Adds an input for the noise level to a network that was trained without one."""

from __future__ import annotations

from dataclasses import replace

import torch

from clearer.networks.level_map import LEVEL_GAIN
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture

__all__ = ["tell_level", "told_architecture"]


def told_architecture(architecture: Architecture, *, in_units: bool) -> Architecture:
    """The same layers in a space with a level map.

    Args:
        architecture: One without a level map.
        in_units: Whether a residual network then predicts the noise in units of the level.
    """
    space = replace(architecture.space, level_map=True, level_units=in_units)
    return replace(architecture, space=space)


def tell_level(network: RestorationNet, level: float | None) -> RestorationNet:
    """A copy with a level map, for further training.

    The weights of the new plane are zero. A residual network for one level then predicts in units
    of the level, so its last layer is scaled: given that level, the copy restores as the original
    does. One that was trained blind stays as it is, and restores as before at all levels.

    Args:
        network: One without a level map.
        level: Standard deviation of the noise that it was trained for, white at 1, above 0; None
            for one that was trained blind.
    """
    told = RestorationNet(told_architecture(network.architecture, in_units=level is not None))
    state = network.state_dict()
    for name, expected in told.state_dict().items():
        missing = expected.shape[1] - state[name].shape[1] if expected.ndim > 1 else 0
        if missing:
            state[name] = torch.nn.functional.pad(state[name], (0, 0, 0, 0, 0, missing))
    if network.architecture.space.residual and level is not None:
        state["output.head.weight"] = state["output.head.weight"] / (LEVEL_GAIN * level)
    told.load_state_dict(state)
    return told.train(network.training)
