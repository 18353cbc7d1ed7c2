"""Reads pictures into memory as 8-bit arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from clearer.errors import InputError
from clearer.pictures.formats import IMAGE_SUFFIXES, is_picture_name
from clearer.pictures.reading import read_picture

__all__ = ["IMAGE_SUFFIXES", "LUMA", "Color", "ImageSet", "list_images", "middle", "read_image"]

Scalar = TypeVar("Scalar", bound=np.generic)
Color = Literal["gray", "rgb"]
"""Channels of the pictures: one, or three."""

# ITU-R BT.601 luma with all digits of MATLAB's rgb2gray, which made the usual gray test sets: fewer
# digits change a few pixels.
LUMA: Final = np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])


@dataclass(frozen=True, slots=True)
class ImageSet:
    """Named pictures in memory: arrays of shape ``(H, W, C)``, uint8, all with the same C."""

    names: tuple[str, ...]
    images: tuple[NDArray[np.uint8], ...]
    degraded: tuple[NDArray[np.uint8], ...] = ()
    """The degraded picture of each, of the same shape; empty if the task makes them."""

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Iterable[int]) -> ImageSet:
        """The pictures at the given indices."""
        picks = list(indices)
        return ImageSet(
            tuple(self.names[i] for i in picks),
            tuple(self.images[i] for i in picks),
            tuple(self.degraded[i] for i in picks if self.degraded),
        )

    def sha256(self) -> str:
        """Hash of all pixels, in order; names do not count."""
        digest = hashlib.sha256()
        for picture in (*self.images, *self.degraded):
            digest.update(str(picture.shape).encode())
            digest.update(np.ascontiguousarray(picture).data)
        return digest.hexdigest()

    def middles(self, side: int) -> ImageSet:
        """Centre crops of all pictures, with sides of at most ``side`` pixels."""
        pictures = (self.images, self.degraded)
        images, degraded = (tuple(middle(p, side) for p in of_one) for of_one in pictures)
        return ImageSet(self.names, images, degraded)


def middle(picture: NDArray[Scalar], side: int) -> NDArray[Scalar]:
    """Centre crop of a picture ``(H, W, C)``, with sides of at most ``side`` pixels."""
    top, left = (max(0, whole - side) // 2 for whole in picture.shape[:2])
    return picture[top : top + side, left : left + side]


def list_images(folder: Path) -> list[Path]:
    """Picture files of a folder (not its subfolders), sorted by name, without hidden ones.

    Raises:
        InputError: If it is missing or holds no picture, or a file name is not printable.
    """
    if not folder.is_dir():
        raise InputError(f"{folder} is not a folder: give --data a folder of images")
    # A broken link is a missing picture: reading it gives the error.
    paths = sorted(
        p
        for p in folder.iterdir()
        if is_picture_name(p.name) and (p.is_file() or (p.is_symlink() and not p.exists()))
    )
    if not paths:
        raise InputError(
            f"{folder} holds no image (nor a folder train/ that does); known extensions: "
            f"{', '.join(sorted(IMAGE_SUFFIXES))}"
        )
    for path in paths:
        if not path.name.isprintable():
            raise InputError(f"{path!a}: rename it, its name cannot be printed")
    return paths


def read_image(path: Path, color: Color) -> NDArray[np.uint8]:
    """Decode one picture to ``(H, W, 1)`` (gray) or ``(H, W, 3)`` (RGB), uint8.

    The rules are those of :func:`read_picture`, so that a network trains on what it will restore.
    16 bits are rounded to 8. Colour pictures become gray by their BT.601 luma, CMYK becomes RGB,
    alpha is dropped.

    Raises:
        InputError: If the file cannot be decoded, or is gray where RGB is asked for.
    """
    stored = read_picture(path, convert_cmyk=True)
    pixels: NDArray[np.uint8] = (
        stored.pixels if stored.bits == 8 else np.rint(stored.pixels / np.float32(257))
    ).astype(np.uint8)
    is_gray = pixels.shape[2] == 1
    if color == "gray":
        return pixels if is_gray else _luma(pixels)[..., None]
    if is_gray:
        raise InputError(
            f"{path} is gray, and RGB images are needed: remove it, or make a gray "
            "network (--color gray)"
        )
    return pixels


def _luma(rgb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    luma: NDArray[np.uint8] = np.rint(rgb @ LUMA).astype(np.uint8)
    return luma
