"""Inputs and outputs of exported networks: names, shapes, arrays."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.networks.level_map import file_inputs
from clearer.space.space import SearchSpace

__all__ = [
    "INPUT_NAME",
    "LEVEL_NAME",
    "OUTPUT_NAME",
    "network_feed",
    "network_inputs",
    "session_call",
    "session_restorer",
]

INPUT_NAME: Final = "input"
LEVEL_NAME: Final = "sigma"
"""Input of networks with a level map: the noise level of each picture, or one for all, scale 0 to
255."""
OUTPUT_NAME: Final = "output"


def network_inputs(space: SearchSpace, height: int, width: int) -> list[list[int]]:
    """Shapes of a network's inputs for one image: the image and, if it has one, the level.

    Args:
        space: The space of the network.
        height: Height of the image in pixels.
        width: Width of the image in pixels.
    """
    return [[1, space.channels, height, width], *([[1]] if space.level_map else [])]


def network_feed(given: NDArray[np.float32], *, has_level: bool) -> dict[str, NDArray[Any]]:
    """Inputs of a network by name, from images ``(N, C, H, W)``, maybe with a plane of levels."""
    arrays = file_inputs(given, has_level=has_level)
    return dict(zip((INPUT_NAME, LEVEL_NAME), arrays, strict=False))


def session_call(session: Any) -> Callable[..., NDArray[Any]]:
    """An ONNX Runtime session as a function from its inputs, in order, to its first output."""
    names = [value.name for value in session.get_inputs()]

    def call(*inputs: NDArray[Any]) -> NDArray[Any]:
        result: NDArray[Any] = session.run(None, dict(zip(names, inputs, strict=True)))[0]
        return result

    return call


def session_restorer(session: Any) -> Callable[[NDArray[Any]], NDArray[Any]]:
    """An ONNX Runtime session as a restorer; if the file takes a level, it is the last channel."""
    call, has_level = session_call(session), len(session.get_inputs()) > 1
    return lambda given: call(*file_inputs(given, has_level=has_level))
