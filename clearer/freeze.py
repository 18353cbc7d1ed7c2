"""From the super-network to a network of one architecture."""

from __future__ import annotations

from clearer.network import RestorationNet
from clearer.space import Architecture
from clearer.supernet import SuperNet

__all__ = ["inherit_weights"]


def inherit_weights(supernet: SuperNet, architecture: Architecture) -> RestorationNet:
    """A frozen network with the weights that the chosen candidates have in the super-network.

    Its output equals the super-network's with one-hot op weights.

    Args:
        supernet: Where the weights come from.
        architecture: One choice per column of the same space.
    """
    state = {}
    for name, tensor in supernet.state_dict().items():
        parts = name.split(".")
        if parts[0] == "cells":  # cells.<cell>.<column>.<candidate>.<rest>
            cell, column, candidate = int(parts[1]), int(parts[2]), parts[3]
            if architecture.cells[cell][column] != candidate:
                continue
            name = ".".join(parts[:3] + parts[4:])
        if name != "alpha":
            state[name] = tensor
    network = RestorationNet(architecture)
    network.load_state_dict(state)
    return network
