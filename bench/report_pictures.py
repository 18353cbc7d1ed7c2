"""Pictures inside a report, bounded in size."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from PIL import Image

from clearer.bench.report_record import Strip as StripRecord
from clearer.errors import InputError

__all__ = ["Strip", "Strips", "embed_strips"]

_MAX_BYTES: Final = 1_400_000
"""Size of all pictures together, so that a report can be sent by mail."""
_MAX_PIXELS: Final = 40_000_000
_QUALITIES: Final = (90, 75)
_NUM_STRIPS: Final = 6


@dataclass(frozen=True, slots=True)
class Strip:
    """One picture restored by several methods, side by side."""

    image: str
    panels: list[str]
    source: str
    """A data URI."""
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Strips:
    """The strips that are shown, and the files that are not."""

    shown: list[Strip]
    left_out: list[str]


def embed_strips(strips: Sequence[StripRecord], folder: Path) -> Strips:
    """Read the strips of ``bench.json`` and encode them for the report.

    Args:
        strips: As in ``bench.json``, with paths relative to ``folder``.
        folder: Their folder; nothing outside it is read.

    Raises:
        InputError: If a strip is missing, not a PNG picture, too large or outside the folder.
    """
    shown: list[Strip] = []
    room, picked = _MAX_BYTES, strips[:_NUM_STRIPS]
    for index, strip in enumerate(picked):
        picture = _read(folder, strip["file"])
        # Base64 takes four characters for three bytes.
        data, kind = _encoded(picture, room // (len(picked) - index) * 3 // 4)
        shown.append(
            Strip(
                image=strip["image"],
                panels=list(strip["panels"]),
                source=f"data:image/{kind};base64,{base64.b64encode(data).decode()}",
                width=picture.width,
                height=picture.height,
            )
        )
        room -= len(shown[-1].source)
    return Strips(shown, [strip["file"] for strip in strips[_NUM_STRIPS:]])


def _read(folder: Path, name: str) -> Image.Image:
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise InputError(f"{name} lies outside {folder}: a report shows the pictures of its run")
    try:
        with Image.open(path, formats=["PNG"]) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise InputError(f"{path} has more than {_MAX_PIXELS:,} pixels")
            return picture.convert("L" if picture.mode == "L" else "RGB")
    except FileNotFoundError as error:
        raise InputError(f"{path} does not exist: run clearer bench again") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise InputError(f"{path} is not a readable PNG picture: {error}") from error


def _encoded(picture: Image.Image, limit: int) -> tuple[bytes, str]:
    """PNG if that is small enough, else WebP of the best quality within the limit, else reduced."""
    data = _save(picture, "png")
    if len(data) <= limit:
        return data, "png"
    while True:
        for quality in _QUALITIES:
            data = _save(picture, "webp", quality=quality, method=2)
            if len(data) <= limit:
                return data, "webp"
        picture = picture.resize((picture.width * 3 // 4, picture.height * 3 // 4))


def _save(picture: Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()
