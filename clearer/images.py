"""Reading pictures into memory, once, as 8-bit arrays."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from clearer.errors import InputError

__all__ = ["IMAGE_SUFFIXES", "LUMA", "Color", "ImageSet", "list_images", "open_image", "read_image"]

Color = Literal["gray", "rgb"]

IMAGE_SUFFIXES: Final = frozenset(
    {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp", ".ppm", ".pgm"}
)

# ITU-R BT.601 luma with all digits of MATLAB's rgb2gray, which made the usual gray test sets: with
# fewer digits a few pixels differ from them.
LUMA: Final = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Named pictures in memory: arrays of shape ``(H, W, C)``, uint8, all with the same C."""

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    degraded: tuple[NDArray[np.uint8], ...] = ()
    """The degraded picture of each, of the same shape; empty where a task makes them."""

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Iterable[int]) -> ImageSet:
        """The pictures at the given places."""
        picks = list(indices)
        return ImageSet(
            tuple(self.names[i] for i in picks),
            tuple(self.images[i] for i in picks),
            tuple(self.degraded[i] for i in picks if self.degraded),
        )


def list_images(folder: Path) -> list[Path]:
    """Picture files of a folder (not of its sub-folders), sorted by name.

    Raises:
        InputError: If the folder is missing or holds no picture.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give --data a folder of images")
    paths = sorted(
        p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file()
    )
    if not paths:
        raise InputError(
            f"{folder} holds no image (nor a folder train/ that does); known endings: "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    for path in paths:
        if not path.name.isprintable():
            raise InputError(f"{path!a}: rename it, its name cannot be printed")
    return paths


def read_image(path: Path, color: Color) -> NDArray[np.uint8]:
    """Decode one picture to ``(H, W, 1)`` (gray) or ``(H, W, 3)`` (RGB), uint8.

    Colour pictures become gray by their BT.601 luma. A picture is turned as its EXIF data say; a
    palette and CMYK become RGB, alpha is dropped, 16 bits become 8.

    Raises:
        InputError: If the file cannot be decoded, or is gray where RGB is asked for.
    """
    with open_image(path, Image.MAX_IMAGE_PIXELS or 0) as file:
        file.load()
        pixels = _to_8_bit(ImageOps.exif_transpose(file))
    is_gray = pixels.ndim == 2
    if color == "gray":
        return pixels[..., None] if is_gray else _luma(pixels)[..., None]
    if is_gray:
        raise InputError(
            f"{path} is gray, and RGB images are needed: remove it, or make a gray "
            "network (--color gray)"
        )
    return pixels


@contextlib.contextmanager
def open_image(path: Path, max_pixels: int) -> Iterator[Image.Image]:
    """Open one picture, and say by name what goes wrong while it is decoded.

    The previews that cameras add to a JPEG (its format is then MPO) are no further pages.

    Args:
        path: The file.
        max_pixels: More are refused before anything is decoded.

    Raises:
        InputError: If the file cannot be decoded, or has several pages or too many pixels.
    """
    too_large = f"{path} has more than {max_pixels / 1e6:.0f} megapixels: cut it into pieces"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(path) as file:
                if getattr(file, "n_frames", 1) > 1 and file.format != "MPO":
                    raise InputError(f"{path} is animated, or has several pages: keep one picture")
                if file.width * file.height > max_pixels:
                    raise InputError(too_large)
                yield file
    except Image.DecompressionBombError as error:
        raise InputError(too_large) from error
    except (OSError, ValueError, SyntaxError) as error:
        is_empty = path.is_file() and path.stat().st_size == 0
        reason = "it is empty" if is_empty else str(error)
        raise InputError(f"{path} cannot be read as an image ({reason}): remove it") from error


def _to_8_bit(file: Image.Image) -> NDArray[np.uint8]:
    if file.mode.startswith("I;16") or file.mode == "I":
        return (np.asarray(file).astype(np.uint32) >> 8).clip(0, 255).astype(np.uint8)
    if file.mode == "F":
        raise ValueError("floating-point pixels of unknown range")
    gray = file.mode in ("1", "L", "LA", "La")
    return np.asarray(file.convert("L" if gray else "RGB"))


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    luma: NDArray[np.uint8] = np.rint(rgb @ LUMA).astype(np.uint8)
    return luma
