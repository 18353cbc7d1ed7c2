"""The ONNX file of whatever a user names as a model."""

from __future__ import annotations

import hashlib
from pathlib import Path

from clearer.errors import InputError
from clearer.export.metadata import model_metadata, with_metadata
from clearer.export.to_onnx import saved_to_onnx
from clearer.runs.run import Run
from clearer.support.files import write_atomic
from clearer.support.user_cache import user_cache
from clearer.zoo.catalogue import ZooNetwork
from clearer.zoo.found import Found, OnnxFile

__all__ = ["onnx_file"]


def onnx_file(found: Found) -> Path:
    """The file itself, that of a run, or one that is made in the cache.

    Raises:
        InputError: If a run has not been exported, or weights are damaged.
        ClearerError: If a network that comes with the package is damaged.
    """
    if isinstance(found, OnnxFile):
        return found.path
    if isinstance(found, Run):
        if not found.onnx.is_file():
            raise InputError(
                f"{found.path} has no {found.onnx.name} yet: make it with clearer export "
                f"{found.path}"
            )
        return found.onnx
    if isinstance(found, ZooNetwork):
        from clearer.export.zoo import exported_network  # it loads torch

        return exported_network(found).onnx
    saved = found.read_weights()
    model = with_metadata(saved_to_onnx(saved), model_metadata(saved.architecture, saved.info))
    # Made each time, which takes less than a second: a newer version may write another file.
    digest = hashlib.sha256(found.path.read_bytes()).hexdigest()
    path = user_cache() / "weights" / digest[:12] / f"{found.name}.onnx"
    write_atomic(path, model)
    return path
