"""Weights that a model stores in other files: external data of ONNX files, ``.bin`` of IR."""

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
    """Files with weights of a parsed model, each once, sorted; they are not read.

    Args:
        model: The model as parsed from its file.
        path: Path of that file.

    Raises:
        InputError: If one is missing, outside the folder, or shorter than the weights.
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
            raise InputError(f"{path} keeps weights outside its folder: put them beside it")
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
    """Offset of a tensor's end in its file."""
    total = 0
    for key in ("offset", "length"):
        text = entries.get(key, "0")
        if not (text.isascii() and text.isdecimal() and len(text) < 16):
            raise InputError(f"{path} does not say where its weights are: {key} is {text[:40]!r}")
        total += int(text)
    return total


def model_bytes(path: Path) -> int:
    """Size in bytes of an ONNX file with its external data, or of OpenVINO IR with its weights.

    Raises:
        InputError: As :func:`external_files`.
    """
    return sum(file.stat().st_size for file in _files(path))


def model_digest(path: Path) -> str:
    """SHA-256 of an ONNX file and its external data.

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
    if path.suffix == ".xml":
        return [path, path.with_suffix(".bin")]
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
