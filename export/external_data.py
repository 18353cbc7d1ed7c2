"""Weights that an ONNX file keeps in other files beside it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

import onnx
from onnx import TensorProto

from clearer.errors import InputError

__all__ = ["external_files", "model_bytes", "model_digest"]

_BLOCK: Final = 2**20


def external_files(model: onnx.ModelProto, path: Path) -> list[Path]:
    """Files that hold weights of a parsed model, each once, sorted; nothing of them is read.

    Args:
        model: As it is in its file.
        path: Of that file.

    Raises:
        InputError: If one is missing, lies elsewhere, or ends before the weights do.
    """
    found: dict[Path, int] = {}
    folder = path.parent.resolve()
    for tensor in _tensors(model):
        if tensor.data_location != TensorProto.EXTERNAL:
            continue
        entries = {entry.key: entry.value for entry in tensor.external_data}
        location = entries.get("location", "")
        file = path.parent / location
        if not location or "\0" in location or folder not in file.resolve().parents:
            raise InputError(f"{path} keeps weights outside of its folder: put them beside it")
        if not file.is_file():
            raise InputError(
                f"{path} keeps its weights in {file.name}, which is not there: put it beside it"
            )
        found[file] = max(found.get(file, 0), _end(entries, path))
    for file, end in found.items():
        if file.stat().st_size < end:
            raise InputError(f"{file} ends before the weights of {path.name} do: copy it again")
    return sorted(found)


def _end(entries: dict[str, str], path: Path) -> int:
    """Where a tensor ends in its file."""
    total = 0
    for key in ("offset", "length"):
        text = entries.get(key, "0")
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise InputError(f"{path} says no place of its weights: {key} is {text[:40]!r}")
        total += int(text)
    return total


def model_bytes(path: Path) -> int:
    """Size of an ONNX file with all that belongs to it.

    Raises:
        InputError: As :func:`external_files`.
    """
    return sum(file.stat().st_size for file in _files(path))


def model_digest(path: Path) -> str:
    """SHA-256 of an ONNX file and of all that belongs to it.

    Raises:
        InputError: As :func:`external_files`.
    """
    digest = hashlib.sha256()
    for part in _files(path):
        with part.open("rb") as file:
            while block := file.read(_BLOCK):
                digest.update(block)
    return digest.hexdigest()


def _files(path: Path) -> list[Path]:
    return [path, *external_files(onnx.load(path, load_external_data=False), path)]


def _tensors(model: onnx.ModelProto) -> Iterator[TensorProto]:
    """All stored tensors, wherever they are."""
    yield from _of_graph(model.graph)
    for function in model.functions:
        yield from _of_nodes(function.node)


def _of_graph(graph: onnx.GraphProto) -> Iterator[TensorProto]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    yield from _of_nodes(graph.node)


def _of_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[TensorProto]:
    for node in nodes:
        for attribute in node.attribute:
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors
            if attribute.HasField("g"):
                yield from _of_graph(attribute.g)
            for graph in attribute.graphs:
                yield from _of_graph(graph)
