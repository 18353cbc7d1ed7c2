"""Checkpoints of training loops: plain data as JSON, tensors in files beside it, with hashes."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from clearer.errors import InputError
from clearer.support.files import write_atomic

__all__ = [
    "checkpoint_errors",
    "load_checkpoint",
    "load_optimizer",
    "optimizer_state",
    "save_checkpoint",
]

_SCHEMA_VERSION: Final = 1
_MOST_BYTES: Final = 15_000_000
"""Size of a file of tensors: so it passes where only small files do."""
_TENSOR: Final = "tensor:"
"""Prefix of the names that replace tensors in the plain data."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write nested dictionaries and lists of tensors and plain data.

    First the tensors go into ``<stem>-<hash>.safetensors`` beside the JSON file. Then the JSON
    file, which lists them with their SHA-256, replaces the old one atomically. Then the old tensors
    are removed. So there is a complete checkpoint at any time.

    Args:
        path: The JSON file.
        state: Its dictionaries have strings as keys.
    """
    tensors: dict[str, Tensor] = {}
    plain = _without_tensors(state, "", tensors)
    files = {}
    for part in _parts(tensors):
        data = safetensors.torch.save(part)
        digest = hashlib.sha256(data).hexdigest()
        name = f"{path.stem}-{digest[:16]}.safetensors"
        if not (path.parent / name).exists():
            write_atomic(path.parent / name, data)
        files[name] = digest
    record = {"schema_version": _SCHEMA_VERSION, "files": files, "state": plain}
    text = json.dumps(record, indent=1, allow_nan=False)
    digest = hashlib.sha256(text.encode()).hexdigest()
    # The first line holds the hash of the rest, so that a changed number is detected, too.
    write_atomic(path, f'{{"sha256": "{digest}",{text[1:]}\n'.encode())
    for old in path.parent.glob(f"{path.stem}-*.safetensors"):
        if old.name not in files:
            old.unlink(missing_ok=True)


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what :func:`save_checkpoint` wrote; nothing is unpickled.

    Raises:
        ValueError: If a file is damaged, or a file of tensors is missing or of another checkpoint.
    """
    text = path.read_bytes().decode()
    record = json.loads(text)
    if not isinstance(record, dict) or record.get("schema_version") != _SCHEMA_VERSION:
        raise ValueError(f"not a checkpoint of schema version {_SCHEMA_VERSION}")
    digest = record.get("sha256")
    rest = text.replace(f'"sha256": "{digest}",', "", 1).removesuffix("\n")
    if not text.endswith("\n") or hashlib.sha256(rest.encode()).hexdigest() != digest:
        raise ValueError(f"{path.name} was changed")
    tensors: dict[str, Tensor] = {}
    for name, expected in record["files"].items():
        file = path.parent / name
        if not file.is_file():
            raise ValueError(f"{name} is missing")
        data = file.read_bytes()
        if hashlib.sha256(data).hexdigest() != expected:
            raise ValueError(f"{name} was changed")
        tensors |= safetensors.torch.load(data)
    state: dict[str, Any] = _with_tensors(record["state"], tensors)
    return state


def optimizer_state(optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The optimizer's state of each parameter, by the parameter's index."""
    state: dict[int, dict[str, Any]] = optimizer.state_dict()["state"]
    return {str(place): values for place, values in state.items()}


def load_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Restore what :func:`optimizer_state` gave; the optimizer keeps its hyperparameters.

    Raises:
        ValueError: If the state belongs to other parameters.
    """
    by_place = {int(place): values for place, values in state.items()}
    groups = optimizer.state_dict()["param_groups"]
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if any(place >= len(parameters) for place in by_place):
        raise ValueError("the optimizer has other parameters")
    optimizer.load_state_dict({"state": by_place, "param_groups": groups})
    for parameter, values in optimizer.state.items():
        for name, value in values.items():
            if isinstance(value, Tensor) and value.ndim and value.shape != parameter.shape:
                raise ValueError("the optimizer has other parameters")
            if isinstance(value, Tensor) and value.ndim:  # a file keeps no memory format
                values[name] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


@contextlib.contextmanager
def checkpoint_errors(path: Path, advice: str) -> Iterator[None]:
    """Wrap code that reads a checkpoint and restores its state.

    Raises:
        InputError: If it is damaged, or of another network or stage; not if memory runs out.
    """
    try:
        yield
    except torch.OutOfMemoryError:  # not the file's fault, and no reason to delete it
        raise
    except (
        *(ValueError, KeyError, RuntimeError, TypeError, AttributeError, RecursionError),
        SafetensorError,
    ) as error:
        reason = f" ({error})" if isinstance(error, ValueError) and str(error) else ""
        reason = (reason.splitlines() or [""])[0]
        raise InputError(f"{path} is damaged, or of another run{reason}: {advice}") from error


def _without_tensors(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Plain data with each tensor replaced by its name; the tensors are collected."""
    if isinstance(value, Tensor):
        tensors[name] = value.detach().cpu().contiguous()
        return _TENSOR + name
    if isinstance(value, dict):
        return {k: _without_tensors(v, f"{name}/{k}", tensors) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_tensors(v, f"{name}/{i}", tensors) for i, v in enumerate(value)]
    return value


def _with_tensors(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, str) and value.startswith(_TENSOR):
        return tensors[value.removeprefix(_TENSOR)]
    if isinstance(value, dict):
        return {k: _with_tensors(v, tensors) for k, v in value.items()}
    if isinstance(value, list):
        return [_with_tensors(v, tensors) for v in value]
    return value


def _parts(tensors: dict[str, Tensor]) -> Iterator[dict[str, Tensor]]:
    """Groups of tensors of limited size; a single tensor may be larger."""
    part: dict[str, Tensor] = {}
    size = 0
    for name, tensor in tensors.items():
        num_bytes = tensor.numel() * tensor.element_size()
        if part and size + num_bytes > _MOST_BYTES:
            yield part
            part, size = {}, 0
        part[name] = tensor
        size += num_bytes
    if part:
        yield part
