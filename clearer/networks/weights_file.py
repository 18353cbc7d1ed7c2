"""Files of trained weights: safetensors, with the architecture and facts about the training.

Read and checked without torch, which takes seconds to load.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NotRequired, TypedDict

import msgspec
import safetensors.numpy
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from clearer.costs.cost import cost_table
from clearer.errors import InputError
from clearer.space.space import Architecture
from clearer.support.files import write_atomic

__all__ = ["SavedWeights", "read_weights", "weights_errors", "write_weights"]

Tensors = Mapping[str, NDArray[Any]]
_METADATA_KEY: Final = "clearer"
_TYPES: Final = frozenset({"F32", "I64"})


class _Info(TypedDict, total=False):
    """What training saves with the weights."""

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


@dataclass(frozen=True, slots=True)
class SavedWeights:
    """What a file of weights holds; its shapes are not yet checked against the architecture."""

    path: Path
    architecture: Architecture
    info: dict[str, Any]
    """What training saved with them: task, protocol, data, figures."""
    tensors: Tensors
    """Weights by the name of their torch module."""


def write_weights(
    path: Path, architecture: Architecture, tensors: Tensors, info: Mapping[str, Any]
) -> None:
    """Write weights as safetensors, with the architecture and ``info`` as JSON in the metadata."""
    description = {"architecture": architecture.to_dict(), "info": info}
    # One entry: safetensors writes several in random order, and equal runs should give equal files.
    described = {**description, "sha256": _digest(description, tensors)}
    metadata = {_METADATA_KEY: json.dumps(described, sort_keys=True)}
    write_atomic(path, safetensors.numpy.save(dict(tensors), metadata))


def read_weights(path: Path) -> SavedWeights:
    """Read a file, which need not be trusted.

    Raises:
        InputError: If it is missing, damaged, not written by :func:`write_weights`, or holds more
            or fewer numbers than its architecture has parameters.
    """
    with weights_errors(path), safe_open(path, framework="np") as file:
        description, digest = _description(file.metadata() or {})
        architecture = Architecture.from_dict(description["architecture"])
        names = list(file.keys())
        slices = {name: file.get_slice(name) for name in names}
        if strange := {part.get_dtype() for part in slices.values()} - _TYPES:
            raise ValueError(f"it has numbers of type {min(strange)}")
        _check_count({name: part.get_shape() for name, part in slices.items()}, architecture)
        tensors = {name: file.get_tensor(name) for name in names}
        if digest is not None and digest != _digest(description, tensors):
            raise ValueError("its SHA-256 is not that of what it holds")
    return SavedWeights(path, architecture, description["info"], tensors)


@contextmanager
def weights_errors(path: Path) -> Iterator[None]:
    """Turn errors of reading weights into one that says what to do.

    Raises:
        InputError: For any error of safetensors, numpy or torch.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(
            f"no weights at {path}: train first with clearer train {path.parent}"
        ) from error
    except (SafetensorError, InputError, RuntimeError, TypeError, ValueError, OSError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        advice = "give a file that clearer train wrote"
        if (path.parent / "config.json").is_file():
            resume = f"clearer train --resume {path.parent}"
            advice = f"delete it, then {resume} writes it again from the checkpoint"
        raise InputError(
            f"{path} does not hold the weights of a network ({reason}): {advice}"
        ) from error


def _description(metadata: Mapping[str, str]) -> tuple[dict[str, Any], str | None]:
    """The description in a file's metadata, as it was written, and the SHA-256 stored with it.

    Raises:
        InputError: If the metadata are not clearer's.
        ValueError: If they do not have the form that :func:`write_weights` writes.
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


def _check_count(shapes: Mapping[str, list[int]], architecture: Architecture) -> None:
    """Compare the number of parameters, before memory is spent on what the file claims.

    Raises:
        InputError: If it is not that of the architecture.
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


def _digest(description: Mapping[str, Any], tensors: Tensors) -> str:
    """SHA-256 of everything that a file of weights holds."""
    found = hashlib.sha256(json.dumps(description, sort_keys=True).encode())
    for name in sorted(tensors):
        tensor = tensors[name]
        found.update(f"{name} torch.{tensor.dtype} {tensor.shape}".encode())
        found.update(tensor.tobytes())
    return found.hexdigest()
