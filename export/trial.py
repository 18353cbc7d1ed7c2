"""Finds out with small pictures how a network takes them, if it does not say."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from clearer.data.splits import PHOTOGRAPHS
from clearer.errors import ClearerError, InputError, require
from clearer.export.network_io import session_call
from clearer.export.openvino import open_core
from clearer.export.picture_io import PictureIo, first_line, picture_restorer
from clearer.networks.level_map import with_level
from clearer.restoring.metrics import psnr_db

__all__ = ["Run", "find_io", "find_scale", "open_trial"]

Array = NDArray[np.float32]
Run = Callable[..., NDArray[Any]]

_ELEMENTS: Final = ("float32", "float16", "uint8")
# Downsampling gives powers of two; attention windows of 7 are common, others are rare.
_MULTIPLES: Final = (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 16, 20, 24, 28, 32, 48, 56, 64, 96, 128)
_LEAST_SIDE: Final = 64
_PRIMES: Final = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73)
_SCALE_SIDE: Final = 96
_SCALE_MARGIN_DB: Final = 3.0
# Of 25 published networks for 0..1, the one that changes this picture most still has 26.8 dB;
# converted to 0..255, the best of them has 20.2 dB with values of 0..1.
_SPOILED_DB: Final = 23.5
_PHOTOGRAPH: Final = "cell.png"


def open_trial(path: Path) -> Run:
    """Load a file for a few small pictures, in whichever runtime is installed.

    Raises:
        InputError: If the runtime cannot load it.
        ClearerError: If there is neither ONNX Runtime nor OpenVINO.
    """
    has_ort = importlib.util.find_spec("onnxruntime") is not None
    if not has_ort and importlib.util.find_spec("openvino") is not None:
        return _open_openvino(path)
    ort = require("onnxruntime", extra="cpu")
    options = ort.SessionOptions()
    options.log_severity_level = 4  # the caller reports failures in one line
    # So a network loads at once, and small pictures need no speed.
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    try:
        session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime has its own, unexported exception types
        raise InputError(f"{path} cannot be loaded by ONNX Runtime: {first_line(error)}") from error
    return session_call(session)


def _open_openvino(path: Path) -> Run:
    try:
        request = open_core().compile_model(path, "CPU").create_infer_request()
    except Exception as error:  # OpenVINO raises plain RuntimeError and its own types
        raise InputError(f"{path} cannot be loaded by OpenVINO: {first_line(error)}") from error
    return lambda *arrays: np.array(request.infer(list(arrays))[0])


def find_io(run: Run, candidates: Sequence[PictureIo], name: str) -> PictureIo:
    """The first input format for which a network returns pictures of the same size.

    Args:
        run: The network.
        candidates: Formats to try, with free or fixed sizes, multiple 1.
        name: Name of the network, for errors.

    Returns:
        The format with the smallest multiple of sides that works; channels are None if the network
        takes both gray and RGB pictures.

    Raises:
        InputError: If there is none.
    """
    failure: ClearerError | None = None
    for candidate in candidates:
        found = _with_multiple(run, candidate, name)
        if isinstance(found, ClearerError):
            failure = failure or found
            continue
        other = replace(found, channels=3)
        if other in [replace(c, multiple=found.multiple) for c in candidates] and other != found:
            height, width = next(_sizes(found, (found.multiple,)))[1:]
            if _failure(run, other, (height, width), name) is None:
                return replace(found, channels=None)
        return found
    raise InputError(str(failure)) from failure


def _with_multiple(run: Run, io: PictureIo, name: str) -> PictureIo | ClearerError:
    """The format with the smallest multiple that works, or why none does."""
    failure: ClearerError | None = None
    for multiple, height, width in _sizes(io, _MULTIPLES if io.has_any_size else (1,)):
        failure = _failure(run, io, (height, width), name)
        if failure is None:
            return replace(io, multiple=multiple)
    assert failure is not None
    return failure


def _sizes(io: PictureIo, multiples: Sequence[int]) -> Iterator[tuple[int, int, int]]:
    """Each multiple, with a height and width of which it is the greatest common divisor."""
    for multiple in multiples:
        first = next(i for i, p in enumerate(_PRIMES) if multiple * p >= _LEAST_SIDE)
        height, width = (multiple * p for p in _PRIMES[first : first + 2])
        yield multiple, io.height or height, io.width or width


def _failure(run: Run, io: PictureIo, size: tuple[int, int], name: str) -> ClearerError | None:
    """Why a network does not restore a picture of a size; None if it does."""
    restore = picture_restorer(_of_its_element(run, io, name), io, name)
    try:
        restore(np.full((1, (io.channels or 1) + io.has_level, *size), 0.5, np.float32))
    except ClearerError as error:
        return error
    return None


def _of_its_element(run: Run, io: PictureIo, name: str) -> Run:
    def checked(given: NDArray[Any], *levels: NDArray[Any]) -> NDArray[Any]:
        result = run(given, *levels)
        kinds = (str(given.dtype), str(getattr(result, "dtype", type(result).__name__)))
        if kinds[1] not in _ELEMENTS or kinds.count("uint8") == 1:
            raise InputError(f"{name} takes {kinds[0]} and gives {kinds[1]}: give one that agrees")
        return result

    return checked


def find_scale(run: Run, io: PictureIo, name: str) -> float:
    """The value of white, 1 or 255, for a network that does not say: that with which it restores.

    Every restoration network leaves a smooth, clean picture nearly unchanged in the right range.
    One for 0..255 spoils values of 0..1: that decides. One for 0..1 may keep values of 0..255 even
    better than those of its own range, since it takes noise in them for detail.

    Args:
        run: The network.
        io: How pictures go into it.
        name: Name of the network, for errors.
    """
    side = -(-_SCALE_SIDE // io.multiple) * io.multiple
    clean = _smooth_picture(io.channels or 1, io.height or side, io.width or side)
    small, large = (_quality(run, replace(io, scale=s), name, clean) for s in (1.0, 255.0))
    return 255.0 if small < _SPOILED_DB and large > small + _SCALE_MARGIN_DB else 1.0


def _quality(run: Run, io: PictureIo, name: str, clean: Array) -> float:
    """PSNR in dB; 0 if the network fails or gives values that are not finite."""
    try:
        with np.errstate(all="ignore"):
            given = with_level(clean, 0) if io.has_level else clean
            restored = picture_restorer(run, io, name)(given)
    except ClearerError:
        return 0.0
    return psnr_db(restored.clip(0, 1), clean) if np.isfinite(restored).all() else 0.0


@functools.cache
def _pixels() -> NDArray[np.uint8]:
    with Image.open(PHOTOGRAPHS / _PHOTOGRAPH) as file:
        return np.asarray(file.convert("L"))


def _smooth_picture(channels: int, height: int, width: int) -> Array:
    """Centre crop of a picture, ``(1, channels, height, width)``; tiled if it is too small."""
    pixels = _pixels()
    have = pixels.shape
    pixels = np.tile(pixels, (-(-height // have[0]), -(-width // have[1])))
    top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
    plane = pixels[top : top + height, left : left + width].astype(np.float32) / np.float32(255)
    return np.repeat(plane[None, None], channels, axis=1)
