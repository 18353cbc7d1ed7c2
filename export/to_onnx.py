"""A frozen network as one ONNX file for any batch and image size."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Final

import onnx
import torch

from clearer.errors import InputError
from clearer.export.graph import OPSET
from clearer.export.metadata import model_metadata
from clearer.network import RestorationNet
from clearer.space import Architecture

__all__ = [
    "EXAMPLE_SHAPE",
    "INPUT_NAME",
    "OPSET",
    "OPSETS",
    "OUTPUT_NAME",
    "check_opset",
    "file_mb",
    "to_onnx",
    "untrained_file",
]

INPUT_NAME: Final = "input"
OUTPUT_NAME: Final = "output"
OPSETS: Final = range(18, 26)
"""What the exporter writes. It knows its operators as of 18, and leaves that, with no more than a
log line, where it is asked for less; from 26 on it has no conversions of its own."""
EXAMPLE_SHAPE: Final = (2, 41, 57)
"""Batch and sides of the example that is traced: no two alike, none a multiple of 8, none 1, so
that nothing of it can be taken for a constant."""


def check_opset(opset: int) -> None:
    """Refuse what the exporter cannot write.

    Raises:
        InputError: If the operator set is unknown or too old.
    """
    if opset not in OPSETS:
        raise InputError(
            f"--opset {opset} cannot be written: it must lie in {OPSETS[0]}..{OPSETS[-1]}"
        )


def to_onnx(network: RestorationNet, metadata: dict[str, str], *, opset: int = OPSET) -> bytes:
    """Export with batch normalisation folded and padding inside.

    The input and output are float32, ``(n, channels, h, w)``, all but the channels free.

    Args:
        network: In evaluation mode, on the CPU; its body may be halved.
        metadata: Key and value strings that the file carries.
        opset: Version of the operators, in :data:`OPSETS`.

    Returns:
        The bytes of a checked ONNX file.

    Raises:
        ValueError: If the network is in training mode.
    """
    if network.training:
        raise ValueError("the network is in training mode: call eval() first")
    batch, height, width = EXAMPLE_SHAPE
    example = torch.rand(batch, network.architecture.space.channels, height, width)
    with _quiet():
        program = torch.onnx.export(
            network,
            (example,),
            dynamo=True,
            opset_version=opset,
            input_names=[INPUT_NAME],
            output_names=[OUTPUT_NAME],
            dynamic_shapes=({0: "n", 2: "h", 3: "w"},),
            verbose=False,
        )
    assert program is not None
    model = program.model_proto
    written = [entry.version for entry in model.opset_import if entry.domain == ""]
    assert written == [opset], f"the exporter wrote opset {written} for {opset}"
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
    # Stands for the options, figures and names that a trained network adds to the metadata.
    info = {
        "task": {"name": "denoise", "options": "x" * 90},
        "protocol": "x" * 16,
        "data": "x" * 100,
        "selection": "x" * 60,
        "val_psnr_db": 10.0,
        "val_ssim": 0.0,
    }
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
