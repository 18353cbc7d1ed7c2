"""From the supernet to a network of one architecture."""

from __future__ import annotations

from clearer.networks.network import RestorationNet
from clearer.networks.supernet import SuperNet
from clearer.space.space import Architecture

__all__ = ["inherit_weights"]


def inherit_weights(supernet: SuperNet, architecture: Architecture) -> RestorationNet:
    """A network with the weights that the chosen candidates have in the supernet.

    Its output equals the supernet's with one-hot op weights.

    Args:
        supernet: Where the weights come from.
        architecture: One of the same space.
    """
    network = RestorationNet(architecture)
    state = supernet.state_dict()
    network.load_state_dict({name: state[name] for name in network.state_dict()})
    return network
