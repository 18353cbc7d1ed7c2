"""Reads what the metadata of a file of any origin say about its pixels."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from clearer.errors import InputError

__all__ = ["said_layout", "said_order", "said_scale"]

_RANGES: Final = ("range", "value_range", "input_range", "pixel_range", "data_range")
_ORDERS: Final = ("color_order", "colour_order", "channel_order", "color_space", "color_format")
_LAYOUTS: Final = ("layout", "data_layout", "data_format")
# These are defined by ONNX: docs/MetadataProps.md of its repository.
_ONNX_RANGE: Final = "image.nominalpixelrange"
_ONNX_ORDER: Final = "image.bitmappixelformat"
_ONNX_RANGES: Final = {"nominalrange_0_255": 255.0, "normalized_0_1": 1.0}
_WORDS: Final = {"uint8": 255.0, "u8": 255.0, "8bit": 255.0, "8-bit": 255.0, "unit": 1.0}
_NUMBER: Final = re.compile(r"(?<![\w.])[-\u2212+]?\d+(?:\.\d+|\.(?!\.))?(?:e[-+]?\d+)?", re.I)
_SPAN: Final = re.compile(
    r"(?<=[\d.])\s*(?:\.\.+|-|\u2013|\u2014|\u2212|:|to|,|;)\s*(?=[-+\u2212.\d])"
)


def said_scale(metadata: Mapping[str, str]) -> float | None:
    """The value of white; None if the file does not say.

    It may say ``0..255``, ``[0, 1]``, ``0-255``, ``0..1, output not clipped`` or ``255``.

    Raises:
        InputError: If it says another range than 0..1 or 0..255. The message lacks the file name.
    """
    told = _lower(metadata)
    if _ONNX_RANGE in told:
        text = told[_ONNX_RANGE]
        if text not in _ONNX_RANGES:
            raise _unknown_range(text)
        return _ONNX_RANGES[text]
    found = {_scale(told[key]) for key in _RANGES if key in told} - {None}
    if len(found) > 1:
        raise InputError("says two ranges of its pixels: leave one in its metadata")
    return found.pop() if found else None


def _scale(text: str) -> float | None:
    text = text.strip().lower()
    if text in _WORDS:
        return _WORDS[text]
    numbers = [float(n.replace("\u2212", "-")) for n in _NUMBER.findall(_SPAN.sub(" ", text))]
    if not numbers:
        return None
    if numbers[:2] in ([0, 1], [0, 255]) or numbers in ([1], [255]):
        return numbers[:2][-1]
    raise _unknown_range(text)


def _unknown_range(text: str) -> InputError:
    return InputError(f"says that its pixels are {text[:40]!r}: only 0..1 and 0..255 are known")


def said_order(metadata: Mapping[str, str]) -> str | None:
    """``RGB``, ``BGR`` or ``gray``; None if the file does not say.

    Raises:
        InputError: If it says another order, or two. The message lacks the file name.
    """
    told = _lower(metadata)
    texts = [told[key] for key in (_ONNX_ORDER, *_ORDERS) if told.get(key)]
    known = {"rgb": "RGB", "bgr": "BGR", "gray": "gray", "grey": "gray", "l": "gray", "y": "gray"}
    known |= {"grayscale": "gray", "greyscale": "gray", "srgb": "RGB"}
    for text in texts:
        if text.removesuffix("8") not in known:
            raise InputError(
                f"says that its channels are {text[:40]!r}: RGB, BGR and gray are known"
            )
    orders = {known[text.removesuffix("8")] for text in texts}
    if len(orders) > 1:
        raise InputError("says two orders of its channels: leave one in its metadata")
    return orders.pop() if orders else None


def said_layout(metadata: Mapping[str, str]) -> str | None:
    """``NCHW`` or ``NHWC``; None if the file does not say."""
    told = _lower(metadata)
    words = {told[key].upper() for key in _LAYOUTS if key in told} & {"NCHW", "NHWC"}
    return words.pop() if len(words) == 1 else None


def _lower(metadata: Mapping[str, str]) -> dict[str, str]:
    return {key.strip().lower(): value.strip().lower() for key, value in metadata.items()}
