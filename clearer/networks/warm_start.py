"""Starts a larger network from a trained smaller one, so that both restore alike at first.

Chen et al., "Net2Net: Accelerating Learning via Knowledge Transfer", ICLR 2016: new channels,
blocks and scales add nothing until the training gives them something to add. An operation may also
be replaced by its successor: then weights are kept, but they restore worse until trained again.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn

from clearer.errors import InputError
from clearer.networks.blocks import ColumnModule
from clearer.networks.network import RestorationNet
from clearer.operations.identity import IDENTITY
from clearer.operations.layers import batch_norms
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, Column

__all__ = ["check_warm_start", "keeps_operations", "warm_start"]

Places = dict[tuple[int, int], tuple[int, int]]
"""Columns of the small network and theirs in the large one: (cell, index) to (cell, index)."""
_SAME = ("channels", "unshuffle", "stem", "residual", "first_scales", "level_map", "level_units")
"""Fields of the space that have to agree."""


def warm_start(name: str, small: RestorationNet, large: RestorationNet) -> None:
    """Let an untrained network restore as a smaller, trained one does.

    With successors of its operations, it has their weights, but does not yet restore as well.
    It has all layers of the smaller one, in the same order, and may have more: wider scales,
    further scales below, further operations between. Of the weights of those, the ones that would
    let them change the output become zero; the others stay.

    Args:
        name: Name of the trained network, for messages.
        small: The trained network.
        large: The untrained one; changed in place.

    Raises:
        InputError: If it lacks something that ``small`` has.
    """
    columns = check_warm_start(name, small.architecture, large.architecture)
    _silence(large)
    state = large.state_dict()
    for layer, tensor in small.state_dict().items():
        found = _renamed(layer, columns, large.architecture)
        state[found] = _inside(tensor, state[found])
    large.load_state_dict(state)


def check_warm_start(name: str, small: Architecture, large: Architecture) -> Places:
    """Check that :func:`warm_start` can begin one network from another.

    Args:
        name: Name of the trained network, for the message.
        small: Its architecture.
        large: That of the network to train.

    Returns:
        Where each column of the small network goes.

    Raises:
        InputError: If not.
    """
    try:
        return _places(small, large)
    except InputError as error:
        raise InputError(f"{name} is not part of the network to train: {error}") from error


def keeps_operations(small: Architecture, large: Architecture) -> bool:
    """Whether a network has the operations of a smaller one, and not their successors.

    Raises:
        InputError: If :func:`warm_start` cannot begin one from the other.
    """
    columns = _places(small, large)
    return all(
        own in (other, IDENTITY.name)
        for place, column in _numbered(small)
        for own, other in zip(
            column, large.cells[columns[place][0]][columns[place][1]], strict=False
        )
    )


def _places(small: Architecture, large: Architecture) -> Places:
    for name in _SAME:
        if getattr(small.space, name) != getattr(large.space, name):
            raise InputError(
                f"its {name} is {getattr(small.space, name)}, in place of "
                f"{getattr(large.space, name)}"
            )
    if small.space.num_scales > large.space.num_scales:
        raise InputError(
            f"it has {small.space.num_scales} scales, in place of {large.space.num_scales}"
        )
    for scale in range(small.space.num_scales):
        width, most = small.space.scale_width(scale), large.space.scale_width(scale)
        # The stem of the paper has a shortcut that depends on its width.
        if width > most or (width < most and small.space.stem == "bottlenecks"):
            raise InputError(f"its width at scale {scale} is {width}, in place of {most}")
    places: Places = {}
    free = iter(_numbered(large))
    last = len(small.cells) - 1
    for place, column in _numbered(small):
        # The transition after a cell reads what the cell computes: only the last cell may move.
        for other, wider in free:
            is_there = other[0] == place[0] or place[0] == last <= other[0]
            if is_there and _fits(column, wider):
                places[place] = other
                break
        else:
            raise InputError(
                f"column {place[1] + 1} of its cell {place[0] + 1} is not there, in this order"
            )
    for place, column in _numbered(large):
        scales = column[: small.space.num_scales]
        if place not in places.values() and not _fits((IDENTITY.name,) * len(scales), scales):
            raise InputError(
                f"column {place[1] + 1} of cell {place[0] + 1} of that is new, and cannot start by "
                "doing nothing"
            )
    return places


def _numbered(architecture: Architecture) -> Iterator[tuple[tuple[int, int], Column]]:
    for cell, columns in enumerate(architecture.cells):
        for index, column in enumerate(columns):
            yield (cell, index), column


def _fits(column: Column, wider: Column) -> bool:
    """Whether a column has all operations of another, and what is new can do nothing."""
    pairs = zip(column, wider, strict=False)
    return all(
        own in (other, OPERATIONS[other].successor_of)
        or (own == IDENTITY.name and OPERATIONS[other].is_residual)
        for own, other in pairs
    )


def _silence(network: nn.Module) -> None:
    """Let all operations pass on what they read, the final fusion among them."""
    for column in network.modules():
        if isinstance(column, ColumnModule):
            for found in OPERATIONS.values():
                for part in found.parts:
                    for layer in getattr(column, part, nn.ModuleDict()).values():
                        for branch in found.branches(layer):
                            _silence_norm(branch)


def _silence_norm(branch: nn.Module) -> None:
    *_, last = batch_norms(branch)
    nn.init.zeros_(last.weight)
    nn.init.zeros_(last.bias)


def _renamed(name: str, columns: Places, large: Architecture) -> str:
    """The name of a tensor of the small network in the large one."""
    parts = name.split(".")
    if parts[0] == "cells":
        cell, index = columns[int(parts[1]), int(parts[2])]
        parts[1:3] = map(str, (cell, index))
        new = OPERATIONS[large.cells[cell][index][int(parts[4])]]
        if new.successor_of is not None:
            old = OPERATIONS[new.successor_of].parts
            parts[3] = dict(zip(old, new.parts, strict=True)).get(parts[3], parts[3])
    return ".".join(parts)


def _inside(tensor: Tensor, larger: Tensor) -> Tensor:
    """A larger tensor with another one in its first channels.

    Those output channels read nothing of further input channels.
    """
    if tensor.ndim == 0:
        return larger  # batches that a normalisation has seen
    larger = larger.clone()
    if tensor.ndim > 1:
        larger[: tensor.shape[0]] = 0
    larger[tuple(map(slice, tensor.shape))] = tensor
    return larger
