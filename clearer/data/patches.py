"""Random training patches, cropped, rotated, reduced and degraded on the training device."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from clearer.errors import InputError
from clearer.pictures.images import ImageSet
from clearer.support.device import send
from clearer.tasks.base import Task
from clearer.tasks.draws import BatchDraws, per_picture

__all__ = ["Batch", "PatchSampler", "check_patch_size", "to_unit"]


class Batch(NamedTuple):
    """A batch of training patches, channels last in memory."""

    degraded: Tensor
    """``(N, C, patch, patch)``, float32; with a level map ``(N, C + 1, patch, patch)``."""
    clean: Tensor
    """``(N, C, patch, patch)``, range [0, 1]."""
    mask: Tensor | None
    """``(N, 1, patch, patch)``: 1 where the loss counts; None where it counts everywhere."""


def to_unit(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Pixels in 0..255 to float32 in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


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
    """Batches of (degraded, clean) patches; batch i depends only on (seed, i) and the device.

    So resuming needs no saved state. The pictures are stored on the device as bytes. A few numbers
    per patch say where it is cropped; they are drawn on the host and sent to the device, where
    everything else happens asynchronously. Every position of every picture is equally likely, and
    so are the eight flips and rotations, or just the left-right flip for an upright task.

    Args:
        images: Pictures to crop from; they are copied once into one tensor.
        task: How patches are degraded.
        patch_size: Side of a patch in pixels.
        batch_size: Patches in a batch.
        seed: Identifies the stream of batches.
        device: Where batches are made.
        multiple: The multiple that the network pads sides to.
        padded_share: Share of the patches that imitate pictures whose sides are not such a
            multiple: up to ``multiple - 1`` rows and columns are reflected, and masked in the
            loss.
        reduce: Half of the patches come from their picture reduced by a factor from 1 to this, by
            area averaging, as far as the picture is large enough.
        share: The patches of each batch that this process makes; default: all.
        level_map: Whether degraded patches have one more plane, with their noise level.

    Raises:
        InputError: If a picture is smaller than a patch, or the task has no level.
    """

    def __init__(
        self,
        images: ImageSet,
        task: Task,
        *,
        patch_size: int,
        batch_size: int,
        seed: list[int],
        device: str = "cpu",
        multiple: int = 1,
        padded_share: float = 0.0,
        reduce: float = 1.0,
        share: slice | None = None,
        level_map: bool = False,
    ) -> None:
        check_patch_size(images, patch_size)
        self._level_map = level_map
        self._task, self._patch_size, self._batch_size = task, patch_size, batch_size
        self._seed, self._share = seed, share or slice(None)
        self._multiple, self._padded_share = multiple, padded_share
        self._device = device
        self._generator = torch.Generator(self._device)
        # The two pictures of a pair become one with twice the channels: they are cut together.
        pictures = [
            np.concatenate(pair, axis=2)
            for pair in zip(
                images.images, *([images.degraded] if images.degraded else []), strict=True
            )
        ]
        self._has_pairs = bool(images.degraded)
        pixels = np.concatenate([im.reshape(-1, im.shape[2]) for im in pictures])
        self._pixels = torch.from_numpy(pixels).to(self._device)
        shapes = np.array([image.shape[:2] for image in images.images])
        self._shapes, self._most_reduced = shapes, np.minimum(reduce, shapes.min(1) / patch_size)
        self._starts = np.concatenate([[0], np.cumsum(shapes.prod(axis=1))[:-1]])
        self._rows, self._columns = (shapes - patch_size + 1).T
        self._places = np.cumsum(self._rows * self._columns)
        self._window = patch_size if reduce <= 1 else int(np.ceil(patch_size * reduce)) + 1
        self._steps = torch.arange(max(patch_size, self._window), device=self._device)

    def batch(self, index: int) -> Batch:
        """Batch ``index``, or the share of it that this process makes."""
        rng = np.random.default_rng([*self._seed, index])
        patches = self._cut(rng)
        seed = np.random.SeedSequence([*self._seed, index, 1]).generate_state(1)
        self._generator.manual_seed(int(seed[0]))
        if self._has_pairs:
            clean, degraded = (half.contiguous() for half in patches.chunk(2, dim=3))
            clean, degraded = clean.permute(0, 3, 1, 2), degraded.permute(0, 3, 1, 2)
            if self._task.clean_share:
                is_clean = rng.random((self._batch_size, 1, 1, 1)) < self._task.clean_share
                mixed = torch.where(send(is_clean, self._device), clean, degraded)
                degraded = mixed.contiguous(memory_format=torch.channels_last)
        else:
            draws = BatchDraws(self._generator, self._batch_size)
            clean = self._task.target(patches.permute(0, 3, 1, 2), draws)
            degraded = self._task.degrade(clean, draws)
        if self._level_map:
            self._generator.manual_seed(int(seed[0]))  # the task draws its level first
            degraded = self._with_level(degraded)
        mask = None
        if self._padded_share:
            degraded, mask = self._end(degraded, rng)
            mask = mask[self._share]
        return Batch(degraded[self._share], clean[self._share], mask)

    def _with_level(self, degraded: Tensor) -> Tensor:
        """Append a plane with each patch's level: ``(N, C + 1, patch, patch)``, channels last."""
        level = self._task.draw_level(BatchDraws(self._generator, self._batch_size))
        plane = per_picture(level, degraded).expand(-1, -1, *degraded.shape[2:])
        planes = torch.cat([degraded, plane], dim=1)
        return planes.contiguous(memory_format=torch.channels_last)

    def _cut(self, rng: np.random.Generator) -> Tensor:
        """Crop patches, ``(N, patch, patch, channels)``, float32 in [0, 1]."""
        place = rng.integers(self._places[-1], size=self._batch_size)
        image = np.searchsorted(self._places, place, side="right")
        place = place - np.concatenate([[0], self._places])[image]
        corner = np.stack(np.divmod(place, self._columns[image]), axis=1).astype(float)
        flips = rng.integers(2, size=(self._batch_size, 3)).astype(bool)
        if self._task.is_upright:
            flips[:, [0, 2]] = False  # neither upside down nor on its side
        flip, transpose = flips[:, :2], flips[:, 2:]
        factor = np.ones((self._batch_size, 1))
        if self._window > self._patch_size:
            factor = self._draw_factors(image, rng)
            last = np.stack([self._rows, self._columns], axis=1)[image] - 1
            room = self._shapes[image] - self._patch_size * factor
            corner *= np.where(factor > 1, room / np.maximum(last, 1), 1)
        first = np.floor(corner)
        offset = corner - first
        side = np.ceil(offset + self._patch_size * factor - 1e-9)  # pixels that a patch touches
        # A flip or rotation is a choice of where the patch starts and in which direction it steps.
        width = self._shapes[image, 1]
        begin = first + flip * (side - 1)
        pixel = self._starts[image] + begin[:, 0] * width + begin[:, 1]
        step = np.where(flip, -1, 1) * np.stack([width, np.ones_like(width)], axis=1)
        # In a flipped patch the unused fraction of a pixel is at the other end.
        offset = np.where(flip, side - offset - self._patch_size * factor, offset)
        step, side, offset = (np.where(transpose, x[:, ::-1], x) for x in (step, side, offset))
        places = np.concatenate([pixel[:, None], step, side], axis=1).astype(np.int64)
        sent = send(places, self._device)
        window = self._pixels[_pixel_indices(sent, self._steps[: self._window])]
        if self._window == self._patch_size:
            return window.float() / 255
        weights = send(np.concatenate([factor, offset], axis=1).astype(np.float32), self._device)
        return self._area_means(window, weights) / 255

    def _draw_factors(
        self, image: NDArray[np.int64], rng: np.random.Generator
    ) -> NDArray[np.float64]:
        """Factor by which each patch is reduced, ``(N, 1)``; 1 for half of them."""
        is_reduced, share = rng.random(self._batch_size) < 0.5, rng.random(self._batch_size)
        drawn = 1 + share * (self._most_reduced[image] - 1)
        return np.where(is_reduced, drawn, 1.0)[:, None]

    def _area_means(self, window: Tensor, weights: Tensor) -> Tensor:
        """Reduce windows ``(N, window, window, C)`` to patches by area averaging.

        Args:
            window: Pixels as bytes.
            weights: For each patch its factor, and its offset in the window along both axes.
        """
        factor = weights[:, :1, None]
        pixel, patch = self._steps[: self._window], self._steps[: self._patch_size, None]
        reduced = window.float()
        for axis in (1, 2):
            low = weights[:, axis, None, None] + patch * factor  # one area per pixel of the patch
            overlap = torch.minimum(low + factor, pixel + 1.0) - torch.maximum(low, pixel.float())
            mean = overlap.clamp_min(0) / factor
            # The axes swap, so that the other one is reduced next.
            reduced = torch.einsum("npw,nwxc->nxpc", mean, reduced)
        return reduced.contiguous()

    def _end(self, degraded: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
        """Let some patches end inside the block that the network pads; return them and the mask."""
        ends = rng.random((self._batch_size, 1)) < self._padded_share
        missing = rng.integers(self._multiple, size=(self._batch_size, 2)) * ends
        last = send(self._patch_size - 1 - missing, self._device)
        steps = self._steps[: self._patch_size]
        # As in ``pad_to_multiple``.
        reflected = torch.minimum(steps, 2 * last[:, :, None] - steps).clamp_min(0)
        rows, columns = reflected[:, 0, :, None], reflected[:, 1, None, :]
        picture = torch.arange(self._batch_size, device=self._device)[:, None, None]
        by_row = degraded.permute(0, 2, 3, 1)[picture, rows, columns]
        is_inside = steps <= last[:, :, None]
        mask = is_inside[:, None, 0, :, None] & is_inside[:, None, 1, None, :]
        return by_row.permute(0, 3, 1, 2), mask.float()


def _pixel_indices(places: Tensor, steps: Tensor) -> Tensor:
    """Indices of the pixels of windows, ``(N, window, window)``.

    Args:
        places: For each patch its first pixel, its steps along both axes, and the number of steps.
        steps: 0, 1, 2, ... to the side of the window; a smaller patch repeats its last pixel.
    """
    first, step_y, step_x, rows, columns = places.T
    y = torch.minimum(steps, rows[:, None] - 1) * step_y[:, None]
    x = torch.minimum(steps, columns[:, None] - 1) * step_x[:, None]
    indices: Tensor = first[:, None, None] + y[:, :, None] + x[:, None, :]
    return indices
