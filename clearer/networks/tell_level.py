"""Gives a trained network an input for the noise level, or takes it away."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import torch
from torch import Tensor

from clearer.networks.level_map import LEVEL_GAIN
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture

__all__ = [
    "blind_architecture",
    "forget_level",
    "helpful_level",
    "tell_level",
    "told_architecture",
]

_LEVELS: Final = tuple(level / 255 for level in (2, 5, 10, 15, 25, 50))


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


def blind_architecture(architecture: Architecture) -> Architecture:
    """The same layers in a space without a level map."""
    space = replace(architecture.space, level_map=False, level_units=True)
    return replace(architecture, space=space)


def forget_level(network: RestorationNet, level: float) -> RestorationNet:
    """A copy without a level map, for further training: it restores as if told this level.

    The plane of a fixed level adds a constant to each convolution that reads it, which the batch
    normalisation behind absorbs. Only the outermost pixels differ, where a 3x3 convolution sees
    zeros around the plane.

    Args:
        network: One with a level map.
        level: Standard deviation, white at 1, above 0.
    """
    blind = RestorationNet(blind_architecture(network.architecture))
    state = network.state_dict()
    for name, expected in blind.state_dict().items():
        if state[name].shape != expected.shape:  # a convolution that reads the plane
            *path, index, _ = name.split(".")
            mean = ".".join([*path, str(int(index) + 1), "running_mean"])
            state[mean] = state[mean] - level * state[name][:, -1].sum(dim=(1, 2))
            state[name] = state[name][:, :-1]
    space = network.architecture.space
    if space.residual and space.level_units:
        state["output.head.weight"] = state["output.head.weight"] * (LEVEL_GAIN * level)
    blind.load_state_dict(state)
    return blind.train(network.training)


@torch.no_grad()
def helpful_level(network: RestorationNet, degraded: Tensor, clean: Tensor) -> float:
    """The level at which a network with a level map restores other degradations best.

    Args:
        network: In evaluation mode.
        degraded: Pictures without a level plane, ``(N, C, H, W)``.
        clean: The same without degradation.

    Returns:
        A standard deviation, white at 1.
    """

    def error(level: float) -> float:
        plane = torch.full_like(degraded[:, :1], level)
        return float(((network(torch.cat([degraded, plane], dim=1)) - clean) ** 2).mean())

    return min(_LEVELS, key=error)
