"""Exports a frozen network as one ONNX file for any batch and image size."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

from clearer.costs.cost import FilePrecision
from clearer.errors import InputError
from clearer.export.graph import network_model, random_weights
from clearer.export.graph_nodes import OPSET, to_bytes
from clearer.export.metadata import model_metadata
from clearer.export.untrained_int8 import in_int8
from clearer.networks.fold_arrays import fold_arrays
from clearer.networks.weights_file import SavedWeights, weights_errors
from clearer.space.space import Architecture

if TYPE_CHECKING:
    from clearer.networks.network import RestorationNet

__all__ = ["OPSETS", "check_opset", "file_mb", "saved_to_onnx", "to_onnx", "untrained_file"]

OPSETS: Final = range(15, 26)
"""From the first in which a graph can query a single side of an image, to the newest that ONNX
Runtime 1.32 supports."""


def check_opset(opset: int) -> None:
    """Refuse operator sets that cannot be written, or that no runtime supports yet.

    Raises:
        InputError: If the operator set is too old or too new.
    """
    if opset not in OPSETS:
        raise InputError(
            f"--opset {opset} cannot be written: it must lie in {OPSETS[0]}..{OPSETS[-1]}"
        )


def to_onnx(
    network: RestorationNet,
    metadata: dict[str, str],
    *,
    opset: int = OPSET,
    half: bool = False,
    sigma: float | None = None,
) -> bytes:
    """Export with batch normalisation folded and padding inside.

    Input and output are float32, ``(n, channels, h, w)``, with n, h and w free. A network
    with a level map has a second input (:data:`clearer.export.graph.LEVEL_NAME`).

    Args:
        network: A network in evaluation mode.
        metadata: Metadata of the file, as key and value strings.
        opset: ONNX operator set, one of :data:`OPSETS`.
        half: Compute in fp16 inside. Batch normalisation is folded before that, in fp32: its
            variances may be too small for fp16.
        sigma: Fixed level, scale 0 to 255, of a network with a level map; no second input then.

    Returns:
        The bytes of a checked ONNX file.

    Raises:
        ValueError: If the network is in training mode.
    """
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
    state = {name: tensor.cpu().numpy() for name, tensor in network.state_dict().items()}
    model = _model(network.architecture, state, opset=opset, half=half, sigma=sigma)
    return _checked(model, metadata)


def saved_to_onnx(saved: SavedWeights) -> bytes:
    """Convert a file of weights to an fp32 ONNX file without metadata, and without torch.

    Raises:
        InputError: If the weights do not fit their architecture.
    """
    with weights_errors(saved.path):
        return to_bytes(_model(saved.architecture, saved.tensors))


def _model(
    architecture: Architecture,
    state: Mapping[str, NDArray[Any]],
    *,
    opset: int = OPSET,
    half: bool = False,
    sigma: float | None = None,
) -> onnx.ModelProto:
    """The graph with these weights.

    Raises:
        ValueError: If they do not fit.
    """
    kind = np.float16 if half else np.float32
    arrays = {name: array.astype(kind) for name, array in fold_arrays(state).items()}

    def take(name: str, shape: tuple[int, ...]) -> TensorProto:
        array = arrays.pop(name, None)
        if array is None or array.shape != shape:
            raise ValueError(f"its tensor {name!r} does not fit its architecture")
        return numpy_helper.from_array(array, name)

    model = network_model(architecture, take, opset=opset, half=half, sigma=sigma)
    if arrays:
        raise ValueError(f"its tensor {min(arrays)[:80]!r} does not fit its architecture")
    return model


def _checked(model: onnx.ModelProto, metadata: dict[str, str]) -> bytes:
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    return to_bytes(model)


@functools.cache
def untrained_file(architecture: Architecture, precision: FilePrecision = "fp32") -> bytes:
    """The file of a trained network of this architecture, but with random weights.

    In int8 it is the file for CPUs, with all convolutions in int8.
    """
    # Stands for the options, figures and names in the metadata of a trained network.
    info = {
        "task": {"name": "denoise", "options": "x" * 90},
        "protocol": "x" * 16,
        "data": "x" * 100,
        "selection": "x" * 60,
        "val_psnr_db": 10.0,
        "val_ssim": 0.0,
    }
    half = precision == "fp16"
    model = network_model(architecture, random_weights(half=half), half=half)
    metadata = model_metadata(architecture, info, precision=precision)
    return _checked(in_int8(model) if precision == "int8" else model, metadata)


def file_mb(architecture: Architecture, precision: FilePrecision = "fp32") -> float:
    """Size in MB (10**6 bytes) of :func:`untrained_file`."""
    return len(untrained_file(architecture, precision)) / 1e6
