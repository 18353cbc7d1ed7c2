"""Which channels of a network belong together, and a network with fewer of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from clearer.errors import InputError
from clearer.networks.blocks import ColumnModule
from clearer.networks.network import RestorationNet
from clearer.operations.layers import batch_norms
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, SearchSpace

__all__ = ["Group", "Kept", "Layer", "check_prunable", "layers_of", "with_channels"]


@dataclass(frozen=True, slots=True)
class Group:
    """Channels that many layers read and write, and that can only be removed together."""

    scale: int
    """The scale whose width is their number."""
    branch: str = ""
    """Name of the convolution that writes them, if they are inside a branch; empty for the features
    of the scale."""


Kept = Mapping[Group, Tensor]
"""Indices of the channels that remain."""


@dataclass(frozen=True, slots=True)
class Layer:
    """A convolution and the batch normalisation behind it, by name."""

    conv: str
    norm: str | None
    reads: Group | None
    """None for the image."""
    writes: Group | None
    """None for the image."""


def check_prunable(name: str, space: SearchSpace) -> None:
    """Check that channels of a network's scales can be removed.

    Raises:
        InputError: If it has the stem ``bottlenecks``, whose shortcuts depend on the width.
    """
    if space.stem == "bottlenecks":
        raise InputError(
            f"{name} has the stem bottlenecks, which cannot be cut: take a network with --stem conv"
        )


def layers_of(network: RestorationNet) -> list[Layer]:
    """All convolutions of a network with the stem ``conv``, and the channels that they connect."""
    space = network.architecture.space
    layers = [*_chain("input.blocks", network.input.blocks, None, Group(0))]
    for index, transition in enumerate(network.transitions):
        down = transition.get_submodule("down")
        layers += _chain(f"transitions.{index}.down", down, Group(index), Group(index + 1))
    for place, cell in enumerate(network.cells):
        assert isinstance(cell, nn.ModuleList)
        for index, column in enumerate(cell):
            assert isinstance(column, ColumnModule)
            layers += _column(f"cells.{place}.{index}", column, space, space.first_scales + place)
    layers += _column("output.fusion", network.output.fusion, space, space.num_scales)
    return [*layers, Layer("output.head", None, Group(0), None)]


def _column(
    name: str, column: ColumnModule, space: SearchSpace, num_scales: int
) -> Iterator[Layer]:
    for found in OPERATIONS.values():
        for part in found.parts:
            for scale, layer in getattr(column, part, nn.ModuleDict()).items():
                place = space.place(num_scales, int(scale))
                names = {module: path for path, module in layer.named_modules()}
                branches = found.branches(layer)
                for source, branch in zip(found.sources(part, place), branches, strict=True):
                    where = f"{name}.{part}.{scale}.{names[branch]}"
                    yield from _chain(where, branch, Group(source), Group(place.scale))


def _chain(name: str, branch: nn.Module, reads: Group | None, writes: Group) -> Iterator[Layer]:
    """Convolutions, one after the other, each with a batch normalisation."""
    names = {module: f"{name}.{path}" for path, module in branch.named_modules()}
    convs = [module for module in branch.modules() if isinstance(module, nn.Conv2d)]
    for conv, norm in zip(convs, batch_norms(branch), strict=True):
        is_last = conv is convs[-1]
        inside = Group((reads or writes).scale, names[conv])
        written = writes if is_last else inside
        yield Layer(names[conv], names[norm], reads, written)
        reads = written


def with_channels(
    network: RestorationNet, kept: Kept, dropped: tuple[int, int] | None = None
) -> RestorationNet:
    """A network with some of the channels of another one, and without one of its columns.

    Args:
        network: The network; it stays as it is.
        kept: For each group that becomes smaller, the channels that remain: as many in all groups
            of a scale.
        dropped: Cell and index of a column to leave out, or None.
    """
    old = network.architecture
    widths = [
        len(kept[group]) if (group := Group(scale)) in kept else old.space.scale_width(scale)
        for scale in range(old.space.num_scales)
    ]
    cells = [
        [column for index, column in enumerate(cell) if (place, index) != dropped]
        for place, cell in enumerate(old.cells)
    ]
    space = replace(
        old.space,
        width=widths[0],
        growth=2.0,
        widths=tuple(widths),
        columns=tuple(len(cell) for cell in cells),
    )
    columns = [column if space.gates else column[:1] for cell in cells for column in cell]
    choices = tuple(choice for column in columns for choice in column)
    architecture = Architecture(space=space, choices=choices)
    state = network.state_dict()
    for layer in layers_of(network):
        weight = f"{layer.conv}.weight"
        if layer.writes is not None and layer.writes in kept:
            remain = kept[layer.writes]
            state[weight] = state[weight][remain]
            for name in [n for n in state if n.startswith(f"{layer.norm}.") and state[n].ndim]:
                state[name] = state[name][remain]
        if layer.reads is not None and layer.reads in kept:
            state[weight] = state[weight][:, kept[layer.reads]]
    with torch.device("meta"):  # layers without storage
        cut = RestorationNet(architecture)
    named = {_renamed(name, dropped): tensor.clone() for name, tensor in state.items()}
    cut.load_state_dict({n: t for n, t in named.items() if n is not None}, assign=True)
    return cut.train(network.training)


def _renamed(name: str, dropped: tuple[int, int] | None) -> str | None:
    """Name of a tensor once a column is left out; None if it was that column's."""
    if dropped is None or not name.startswith(f"cells.{dropped[0]}."):
        return name
    parts = name.split(".")
    index = int(parts[2])
    if index == dropped[1]:
        return None
    parts[2] = str(index - (index > dropped[1]))
    return ".".join(parts)
