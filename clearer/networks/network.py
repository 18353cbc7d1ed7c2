"""The restoration network of one architecture: a plain module, with no trace of the search."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import msgspec
import safetensors.torch
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from clearer.costs.cost import cost_table
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
from clearer.operations.registry import OPERATIONS
from clearer.space.space import Architecture, Choice, Column, SearchSpace
from clearer.support.files import write_atomic

__all__ = ["FrozenColumn", "RestorationNet", "load_network", "save_network"]

_METADATA_KEY: Final = "clearer"


class _Info(TypedDict, total=False):
    """What training saves beside weights."""

    iteration: int
    task: dict[str, str]
    protocol: str
    color: str
    data: str
    selection: str
    val_psnr_db: float
    val_ssim: float


class _Description(TypedDict):
    architecture: dict[str, Any]
    info: NotRequired[_Info]
    sha256: NotRequired[str]


class FrozenColumn(ColumnModule):
    """A column with what was chosen, and nothing else: what is passed on is not there."""

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

    A network with a level map is given one plane more: the standard deviation of the noise, on the
    scale of the image. The output is not clipped. Sides that are no multiple of ``space.multiple``
    are padded inside.

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
    """Write weights as safetensors, with the architecture and ``info`` as JSON in the metadata."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in state.items()}
    description = {"architecture": architecture.to_dict(), "info": info}
    # One entry: safetensors writes several in random order, and equal runs should give equal files.
    described = {**description, "sha256": _digest(description, tensors)}
    metadata = {_METADATA_KEY: json.dumps(described, sort_keys=True)}
    write_atomic(path, safetensors.torch.save(tensors, metadata))


def load_network(path: Path) -> tuple[RestorationNet, dict[str, Any]]:
    """Read a network in evaluation mode, and the ``info`` saved with it.

    The file may be anybody's. Nothing is built before the shapes in it are those of the network
    that it claims to hold.

    Raises:
        InputError: If the file is missing, damaged, or not written by :func:`save_network`.
    """
    try:
        with safe_open(path, framework="pt") as file:
            description, digest = _description(file.metadata() or {})
            architecture = Architecture.from_dict(description["architecture"])
            names = list(file.keys())
            _check_shapes({name: file.get_slice(name).get_shape() for name in names}, architecture)
            network = RestorationNet(architecture)
            tensors = {name: file.get_tensor(name) for name in names}
            network.load_state_dict(tensors)
        if digest is not None and digest != _digest(description, tensors):
            raise ValueError("its SHA-256 is not that of what it holds")
    except FileNotFoundError as error:
        raise InputError(
            f"no weights at {path}: train first with clearer train {path.parent}"
        ) from error
    except (SafetensorError, InputError, RuntimeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        advice = "give a file that clearer train wrote"
        if (path.parent / "config.json").is_file():
            resume = f"clearer train --resume {path.parent}"
            advice = f"delete it, then {resume} writes it again from the checkpoint"
        raise InputError(
            f"{path} does not hold the weights of a network ({reason}): {advice}"
        ) from error
    return network.eval(), description["info"]


def _description(metadata: Mapping[str, str]) -> tuple[dict[str, Any], str | None]:
    """What the metadata of a file say, in their words, and the SHA-256 of that and the tensors.

    Raises:
        InputError: If they are those of another program.
        ValueError: If they are not what :func:`save_network` writes.
    """
    text = metadata.get(_METADATA_KEY)
    if text is None:
        raise InputError("its metadata do not say that clearer wrote it")
    try:
        data = json.loads(text)
    except RecursionError as error:
        raise ValueError("its metadata are nested too deeply") from error
    known = msgspec.convert(data, _Description)
    description = {"architecture": known["architecture"], "info": data.get("info", {})}
    return description, known.get("sha256")


def _check_shapes(shapes: Mapping[str, list[int]], architecture: Architecture) -> None:
    """Compare the tensors of a file with those of a network, at no cost that the file decides.

    Raises:
        InputError: If they differ.
    """
    held = sum(
        math.prod(shape)
        for name, shape in shapes.items()
        if not name.endswith(("running_mean", "running_var", "num_batches_tracked"))
    )
    claimed = round(cost_table(architecture.space, "params").cost(architecture))
    if held != claimed:
        raise InputError(
            f"it claims a network of {claimed:,} parameters and holds {held:,} numbers"
        )
    with torch.device("meta"):  # layers without their numbers
        expected = RestorationNet(architecture).state_dict()
    wrong = set(shapes) ^ set(expected)
    wrong |= {n for n in shapes if n not in wrong and list(expected[n].shape) != list(shapes[n])}
    if wrong:
        raise InputError(f"its tensor {min(wrong)[:80]!r} does not fit its architecture")


def _digest(description: dict[str, Any], tensors: dict[str, Tensor]) -> str:
    """SHA-256 of all that a file of weights holds."""
    found = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        found.update(tensor.contiguous().numpy().tobytes())
    return found.hexdigest()
