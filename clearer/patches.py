"""Random training patches, cut, turned and degraded without a loop."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearer.blocks import pad_to_multiple
from clearer.errors import InputError
from clearer.images import ImageSet
from clearer.tasks import Task

__all__ = ["PatchSampler", "check_patch_size", "to_unit"]


def to_unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels in 0..255 to float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


def _to_tensor(batch: NDArray[np.float32]) -> Tensor:
    """``(N, H, W, C)`` to ``(N, C, H, W)``, channels last in memory."""
    return torch.from_numpy(batch).permute(0, 3, 1, 2)


def check_patch_size(images: ImageSet, patch_size: int) -> None:
    """Refuse pictures that are smaller than a patch.

    Raises:
        InputError: For the first such picture.
    """
    for name, image in zip(images.names, images.images, strict=True):
        height, width = image.shape[:2]
        if min(height, width) < patch_size:
            raise InputError(
                f"{name} is {width}x{height}, smaller than a patch of {patch_size}x{patch_size}: "
                "remove it or lower --patch-size"
            )


class PatchSampler:
    """Batches of (degraded, clean) patches; batch i is a function of (seed, i) alone.

    So nothing has to be saved to go on after an interrupt. Every place of every picture is equally
    likely, and so are the eight flips and rotations.

    Args:
        images: Pictures to cut from; they are copied once into one array.
        task: How patches are degraded.
        patch_size: Side of a patch in pixels.
        batch_size: Patches in a batch.
        seed: Names the stream of batches.
        multiple: What the network pads to.
        mirrored_share: Of the batches, that end as pictures do whose sides are no such multiple:
            up to ``multiple - 1`` rows and columns are mirrored, and not clean.
        share: The patches of each batch that this process makes; default: all.

    Raises:
        InputError: If a picture is smaller than a patch.
    """

    def __init__(
        self,
        images: ImageSet,
        task: Task,
        *,
        patch_size: int,
        batch_size: int,
        seed: list[int],
        multiple: int = 1,
        mirrored_share: float = 0.0,
        share: slice | None = None,
    ) -> None:
        check_patch_size(images, patch_size)
        self._task, self._patch_size, self._batch_size = task, patch_size, batch_size
        self._seed, self._share = seed, range(batch_size)[share or slice(None)]
        self._multiple, self._mirrored_share = multiple, mirrored_share
        # The two pictures of a pair become one with twice the channels: they are cut together.
        pictures = [
            np.concatenate(pair, axis=2)
            for pair in zip(
                images.images, *([images.degraded] if images.degraded else []), strict=True
            )
        ]
        self._has_pairs = bool(images.degraded)
        self._pixels = np.concatenate([im.reshape(-1, im.shape[2]) for im in pictures])
        shapes = np.array([image.shape[:2] for image in images.images])
        self._widths = shapes[:, 1]
        self._starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))[:-1]])
        self._columns = shapes[:, 1] - patch_size + 1
        self._places = np.cumsum((shapes[:, 0] - patch_size + 1) * self._columns)

    def batch(self, index: int) -> tuple[Tensor, Tensor]:
        """Batch ``index``: degraded and clean patches, float32.

        Returns:
            ``(share, C, patch, patch)`` and ``(share, C, height, width)``: what the network makes
            of the rest is cut off.
        """
        rng = np.random.default_rng([*self._seed, index])
        indices = self._pixel_indices(rng)[self._share.start : self._share.stop]
        patches = to_unit(self._pixels[indices])
        if self._has_pairs:
            clean, degraded = np.split(patches, 2, axis=3)
            return self._end(_to_tensor(degraded.copy()), _to_tensor(clean.copy()), rng)
        # A stream of noise for each patch, so that its noise does not hang on its neighbours.
        noise = (np.random.default_rng([*self._seed, index, i]) for i in self._share)
        degraded = np.stack(
            [self._task.degrade(*pair) for pair in zip(patches, noise, strict=True)]
        )
        return self._end(_to_tensor(degraded), _to_tensor(patches), rng)

    def _end(
        self, degraded: Tensor, clean: Tensor, rng: np.random.Generator
    ) -> tuple[Tensor, Tensor]:
        """Let a batch end within the last block that the network pads, or not."""
        if rng.random() >= self._mirrored_share:
            return degraded, clean
        height, width = self._patch_size - rng.integers(self._multiple, size=2)
        ended = pad_to_multiple(degraded[:, :, :height, :width], self._multiple)
        return ended, clean[:, :, :height, :width]

    def _pixel_indices(self, rng: np.random.Generator) -> NDArray[np.int64]:
        """Where the pixels of a batch lie, shape ``(batch, patch, patch)``."""
        place = rng.integers(self._places[-1], size=self._batch_size)
        image = np.searchsorted(self._places, place, side="right")
        place = place - np.concatenate([[0], self._places])[image]
        row, column = np.divmod(place, self._columns[image])
        width = self._widths[image]
        corner = self._starts[image] + row * width + column
        # A flip or rotation is a choice of where the patch starts and which way it steps.
        flip_y, flip_x, transpose = rng.integers(2, size=(3, self._batch_size)).astype(bool)
        last = self._patch_size - 1
        corner = corner + flip_y * last * width + flip_x * last
        step_y, step_x = np.where(flip_y, -width, width), np.where(flip_x, -1, 1)
        step_y, step_x = np.where(transpose, (step_x, step_y), (step_y, step_x))
        steps = np.arange(self._patch_size)
        indices: NDArray[np.int64] = (
            corner[:, None, None]
            + step_y[:, None, None] * steps[None, :, None]
            + step_x[:, None, None] * steps[None, None, :]
        )
        return indices
