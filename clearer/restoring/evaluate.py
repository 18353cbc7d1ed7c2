"""PSNR and SSIM of a restorer on a set of images, with the same noise for all restorers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from clearer.data.patches import to_unit
from clearer.errors import InputError
from clearer.networks.level_map import with_level
from clearer.pictures.images import ImageSet
from clearer.restoring.metrics import SSIM_WINDOW, psnr_db, ssim
from clearer.restoring.restorer import Restorer
from clearer.tasks.base import Task
from clearer.tasks.draws import PictureDraws

__all__ = [
    "VALIDATION_SEED",
    "Quality",
    "check_evaluation_size",
    "evaluate",
    "evaluation_pairs",
    "torch_restorer",
]

VALIDATION_SEED: Final = 0
"""Seed of the noise of validation images: equal for all runs, so that they can be compared."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Mean quality over the images of a set."""

    psnr_db: float
    ssim: float


def check_evaluation_size(images: ImageSet, task: Task) -> None:
    """Refuse pictures smaller than the SSIM window, or than the task's crop multiple.

    Raises:
        InputError: For the first such picture.
    """
    least = max(SSIM_WINDOW, task.crop_multiple)
    for name, image in zip(images.names, images.images, strict=True):
        height, width = image.shape[:2]
        if min(height, width) < least:
            raise InputError(
                f"{name} is {width}x{height}, too small to be evaluated ({least}x{least} are "
                f"needed, protocol {task.protocol}): remove it"
            )


def evaluation_pairs(
    images: ImageSet, task: Task, seed: int, *, level_map: bool = False
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """(degraded, clean) of each image, ``(1, C, H, W)``; noise depends only on (seed, index).

    With ``level_map`` the degraded one has one more plane, with the true noise level.
    """
    for index, image in enumerate(images.images):
        height, width = (side - side % task.crop_multiple for side in image.shape[:2])
        clean = to_unit(image[:height, :width])
        if images.degraded:
            degraded = to_unit(images.degraded[index][:height, :width])
        else:
            rng = np.random.default_rng([seed, index])
            clean = task.target_picture(clean, rng)
            degraded = task.degrade_picture(clean, rng)
        planes = _planes(degraded)
        if level_map:  # the task draws its level first
            draws = PictureDraws(np.random.default_rng([seed, index]))
            planes = with_level(planes, float(task.draw_level(draws)))
        yield planes, _planes(clean)


def _planes(picture: NDArray[np.float32]) -> NDArray[np.float32]:
    """Convert ``(H, W, C)`` to ``(1, C, H, W)``."""
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None])


def evaluate(
    restore: Restorer, images: ImageSet, task: Task, seed: int, *, level_map: bool = False
) -> Quality:
    """Restore every image of a set, clip to [0, 1], and average PSNR and SSIM."""
    figures = []
    for degraded, clean in evaluation_pairs(images, task, seed, level_map=level_map):
        restored = restore(degraded).clip(0, 1)
        figures.append((psnr_db(restored, clean), ssim(restored[0], clean[0])))
    means = np.mean(figures, axis=0)
    return Quality(psnr_db=float(means[0]), ssim=float(means[1]))


def torch_restorer(network: nn.Module, device: str = "cpu") -> Restorer:
    """Wrap a network in evaluation mode as a restorer; it computes in fp32 without TF32."""

    def restore(degraded: NDArray[np.float32]) -> NDArray[np.float32]:
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            batch = torch.from_numpy(degraded).to(device, memory_format=torch.channels_last)
            return network(batch).float().cpu().numpy()  # type: ignore[no-any-return]

    return restore
