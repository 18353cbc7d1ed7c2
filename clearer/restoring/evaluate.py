"""PSNR and SSIM of a restorer on a set of images, with the same noise for all restorers."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
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
    "validate",
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
    restore: Restorer,
    images: ImageSet,
    task: Task,
    seed: int,
    *,
    level_map: bool = False,
    num_threads: int = 1,
) -> Quality:
    """Restore every image of a set, clip to [0, 1], and average PSNR and SSIM.

    Args:
        restore: What is evaluated.
        images: The set.
        task: How images are degraded.
        seed: Of the noise.
        level_map: Whether the noise level is told, in one more plane.
        num_threads: Threads that compare images while the next ones are restored. More than one
            is for a restorer on a GPU, which would wait for SSIM ten times as long as it works.
    """
    figures: list[tuple[float, float]] = []
    waiting: deque[Future[tuple[float, float]]] = deque()
    with ThreadPoolExecutor(num_threads) as pool:
        for degraded, clean in evaluation_pairs(images, task, seed, level_map=level_map):
            waiting.append(pool.submit(_figures, restore(degraded), clean))
            if len(waiting) >= num_threads:  # so many images are held in memory
                figures.append(waiting.popleft().result())
        figures += [future.result() for future in waiting]
    means = np.mean(figures, axis=0)
    return Quality(psnr_db=float(means[0]), ssim=float(means[1]))


def _figures(restored: NDArray[np.float32], clean: NDArray[np.float32]) -> tuple[float, float]:
    """PSNR and SSIM of an image."""
    restored = restored.clip(0, 1)
    return psnr_db(restored, clean), ssim(restored[0], clean[0])


def torch_restorer(network: nn.Module, device: str = "cpu") -> Restorer:
    """Wrap a network in evaluation mode as a restorer; it computes in fp32 without TF32."""

    def restore(degraded: NDArray[np.float32]) -> NDArray[np.float32]:
        exact = torch.backends.cudnn.flags(enabled=True, allow_tf32=False)
        with torch.inference_mode(), exact:
            batch = torch.from_numpy(degraded).to(device, memory_format=torch.channels_last)
            return network(batch).float().cpu().numpy()  # type: ignore[no-any-return]

    return restore


def validate(
    network: nn.Module, images: ImageSet, task: Task, *, device: str, level_map: bool
) -> Quality:
    """Quality of a network on validation images, with the noise that all runs share.

    Args:
        network: In evaluation mode, on the device.
        images: The set.
        task: How images are degraded.
        device: ``cpu`` or ``cuda``.
        level_map: Whether the network is told the noise level.
    """
    restore = torch_restorer(network, device)
    num_threads = torch.get_num_threads() if device == "cuda" else 1
    return evaluate(
        restore, images, task, VALIDATION_SEED, level_map=level_map, num_threads=num_threads
    )
