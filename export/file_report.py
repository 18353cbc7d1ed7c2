"""What a network's file says, of any origin, as plain data: ``clearer show FILE --json``."""

from __future__ import annotations

from typing import Any

from clearer.errors import ClearerError
from clearer.export.external_data import model_bytes
from clearer.export.metadata import read_model_info
from clearer.export.model_description import describe_weights, read_description
from clearer.zoo.found import OnnxFile, WeightsFile

__all__ = ["file_report"]


def file_report(found: OnnxFile | WeightsFile) -> dict[str, Any]:
    """Everything that the file says, and whether it can restore here.

    Raises:
        InputError: If the file is damaged, or holds no network.
    """
    path = found.path
    # Weights of clearer are usable or damaged; a network of another program may be neither.
    weights = None if isinstance(found, OnnxFile) else describe_weights(found.read_weights())
    info = read_model_info(path) if weights is None else weights.info
    num_bytes = model_bytes(path) if weights is None else weights.num_bytes
    report = {"file": str(path), "bytes": num_bytes, **info.to_dict()}
    try:
        file = weights or read_description(path)
    except ClearerError as error:
        return {**report, "pictures": None, "not_usable": str(error)}
    return {
        **report,
        "channels": file.io.channels,
        "color": file.color,
        "shape": [info.shape[0], file.io.height, file.io.width],
        "pictures": file.to_dict(),
        "not_usable": None,
    }
