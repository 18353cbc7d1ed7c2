"""The restoration network of one architecture: a plain module, with no trace of the search."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from clearer.errors import InputError
from clearer.networks.blocks import (
    ColumnModule,
    InputStage,
    OutputStage,
    grow,
    make_transitions,
    pad_to_multiple,
    remove,
)
from clearer.networks.weights_file import (
    SavedWeights,
    read_weights,
    weights_errors,
    write_weights,
)
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, Choice, Column, SearchSpace

__all__ = ["FrozenColumn", "RestorationNet", "load_network", "network_of", "save_network"]


class FrozenColumn(ColumnModule):
    """A column with the layers of the chosen operations only; the identity has none."""

    def __init__(self, space: SearchSpace, column: Column) -> None:
        chosen = {name: _scales(column, name) for name in space.candidates}
        super().__init__(space, len(column), chosen)
        self.column = column
        self.operations = [OPERATIONS[choice] for choice in column]

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Map the features of all scales to features of the same shapes."""
        return [self.compute(found, scale, features) for scale, found in enumerate(self.operations)]


def _scales(column: Column, choice: Choice) -> list[int]:
    return [scale for scale, found in enumerate(column) if found == choice]


class RestorationNet(nn.Module):
    """Restores images of any size: ``(N, channels, H, W)`` in [0, 1] to the same shape.

    A network with a level map takes one more plane: the standard deviation of the noise, on the
    scale of the image. The output is not clipped. Sides that are not multiples of
    ``space.multiple`` are padded inside.

    Args:
        architecture: Cell i is built from the architecture's cell i.
    """

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        space = architecture.space
        self.architecture = architecture
        self.input = InputStage(space)
        self.transitions = make_transitions(space)
        self.cells = nn.ModuleList(
            nn.ModuleList(FrozenColumn(space, column) for column in cell)
            for cell in architecture.cells
        )
        self.output = OutputStage(space)

    def forward(self, image: Tensor) -> Tensor:
        """Return the restored image."""
        space = self.architecture.space
        padded = pad_to_multiple(image, space.multiple)
        features = [self.input(padded)]
        for place, cell in enumerate(self.cells):
            features = grow(space, self.transitions, place, features)
            for column in cell.children():
                features = column(features)
        restored: Tensor = self.output(features)
        if space.residual:
            restored = remove(space, padded, restored)
        return restored.narrow(2, 0, image.shape[2]).narrow(3, 0, image.shape[3])


def save_network(
    path: Path, architecture: Architecture, state: dict[str, Tensor], info: dict[str, Any]
) -> None:
    """Write weights as :mod:`clearer.networks.weights_file` describes."""
    tensors = {name: tensor.detach().cpu().contiguous().numpy() for name, tensor in state.items()}
    write_weights(path, architecture, tensors, info)


def load_network(path: Path) -> tuple[RestorationNet, dict[str, Any]]:
    """Read a network in evaluation mode, and the ``info`` saved with it.

    Raises:
        InputError: If the file is missing, damaged, or not written by :func:`save_network`.
    """
    saved = read_weights(path)
    return network_of(saved), saved.info


def network_of(saved: SavedWeights) -> RestorationNet:
    """Build the network that a file holds, in evaluation mode.

    Nothing is built until the shapes match the architecture that the file claims.

    Raises:
        InputError: If they do not.
    """
    with weights_errors(saved.path):
        with torch.device("meta"):  # layers without storage
            expected = RestorationNet(saved.architecture).state_dict()
        wrong = set(saved.tensors) ^ set(expected)
        wrong |= {
            n for n, v in saved.tensors.items() if n not in wrong and v.shape != expected[n].shape
        }
        if wrong:
            raise InputError(f"its tensor {min(wrong)[:80]!r} does not fit its architecture")
        network = RestorationNet(saved.architecture)
        tensors = {name: torch.from_numpy(array) for name, array in saved.tensors.items()}
        network.load_state_dict(tensors)
    return network.eval()
