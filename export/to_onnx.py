"""A frozen network as one ONNX file for any batch and image size."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import onnx
import torch

from clearer.export.graph import OPSET
from clearer.export.metadata import model_metadata
from clearer.network import RestorationNet
from clearer.space import Architecture

__all__ = ["INPUT_NAME", "OPSET", "OUTPUT_NAME", "file_mb", "to_onnx", "untrained_file"]

INPUT_NAME: Final = "input"
OUTPUT_NAME: Final = "output"
# Sides and batch of the example that is traced: no two alike, none a multiple of 8, none 1, so that
# nothing of it can be taken for a constant.
_EXAMPLE_SHAPE: Final = (2, 41, 57)


def to_onnx(network: RestorationNet, metadata: dict[str, str]) -> bytes:
    """Export in fp32 with batch normalisation folded and padding inside.

    The input and output are float32, ``(n, channels, h, w)``, all but the channels free.

    Args:
        network: In evaluation mode, on the CPU.
        metadata: Key and value strings that the file carries.

    Returns:
        The bytes of a checked ONNX file.

    Raises:
        ValueError: If the network is in training mode.
    """
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
    batch, height, width = _EXAMPLE_SHAPE
    example = torch.rand(batch, network.architecture.space.channels, height, width)
    with tempfile.TemporaryDirectory() as folder, _quiet():
        path = Path(folder) / "model.onnx"
        torch.onnx.export(
            network,
            (example,),
            path,
            dynamo=True,
            external_data=False,
            opset_version=OPSET,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: "n", 2: "h", 3: "w"},),
            verbose=False,
        )
        model = onnx.load(path)
    _strip(model)
    onnx.helper.set_model_props(model, metadata)
    onnx.checker.check_model(model, full_check=True)
    data: bytes = model.SerializeToString(deterministic=True)
    return data


@functools.cache
def untrained_file(architecture: Architecture) -> bytes:
    """The file that a trained network of this architecture becomes, but for the weights' values."""
    network = RestorationNet(architecture).eval()
    for tensor in network.state_dict().values():
        # Not as initialised: the exporter stores equal tensors once and drops those that are zero.
        if tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    # Stands for the figures and names that a trained network adds to the metadata.
    info = {"data": "x" * 100, "selection": "x" * 60, "val_psnr_db": 0.0, "val_ssim": 0.0}
    return to_onnx(network, model_metadata(architecture, info))


def file_mb(architecture: Architecture) -> float:
    """Size in MB (10**6 bytes) of :func:`untrained_file`."""
    return len(untrained_file(architecture)) / 1e6


def _strip(model: onnx.ModelProto) -> None:
    """Drop what the exporter notes for debugging: stack traces hold paths of this machine."""
    model.doc_string = ""
    graph = model.graph
    graph.doc_string = ""
    del graph.metadata_props[:]
    del graph.value_info[:]
    for item in [*graph.node, *graph.input, *graph.output, *graph.initializer]:
        item.doc_string = ""
        del item.metadata_props[:]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter's notes on absent packages and on its own future are no news to a user."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
