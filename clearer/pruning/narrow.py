"""Fewer channels on scales: those that matter least are lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from torch import Tensor

from clearer.data.patches import Batch
from clearer.networks.network import RestorationNet
from clearer.pruning.channels import Group, Kept, with_channels
from clearer.pruning.importance import channel_importance

__all__ = ["MULTIPLE", "most_important", "narrowed"]

MULTIPLE: Final = 4
"""Widths become multiples of this, which processors compute fast."""


def most_important(importance: Mapping[Group, Tensor], widths: Mapping[int, int]) -> Kept:
    """Channels that remain where scales become narrower, by scale."""
    return {
        group: values.topk(widths[group.scale]).indices.sort().values
        for group, values in importance.items()
        if group.scale in widths
    }


def narrowed(
    network: RestorationNet, widths: Mapping[int, int], batches: Sequence[Batch]
) -> RestorationNet:
    """The network with narrower scales, a few channels of each at a time.

    Args:
        network: Trained, in evaluation mode; it stays as it is.
        widths: Of each scale that becomes narrower, at most the present one.
        batches: Training batches on the device of the network.
    """
    now = {scale: network.architecture.space.scale_width(scale) for scale in widths}
    while now != widths:
        now = {scale: max(width, now[scale] - MULTIPLE) for scale, width in widths.items()}
        network = with_channels(network, most_important(channel_importance(network, batches), now))
    return network
