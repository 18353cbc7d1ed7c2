"""The task photo, of gray pictures: noise of luma alone."""

from __future__ import annotations

import numpy as np
import torch

from clearer.tasks.draws import BatchDraws
from clearer.tasks.photo import Photo


def test_the_photograph_of_a_gray_picture_is_gray() -> None:
    gray = np.random.default_rng(0).random((24, 32, 1), dtype=np.float32)
    colour = np.random.default_rng(1).random((24, 32, 3), dtype=np.float32)
    for clean, channels in ((np.repeat(gray, 3, axis=2), 1), (colour, 3)):
        noisy = Photo().degrade_picture(clean, np.random.default_rng(0))
        assert len({noisy[..., channel].tobytes() for channel in range(3)}) == channels
        assert np.abs(noisy - clean).max() > 0.01
        kept = Photo().target_picture(clean, np.random.default_rng(0))
        assert len({kept[..., channel].tobytes() for channel in range(3)}) == channels


def test_training_patches_are_gray_with_their_targets() -> None:
    draws = BatchDraws(torch.Generator().manual_seed(0), 40)
    clean = torch.rand(40, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    target = Photo().target(clean, draws)
    noisy = Photo().degrade(target, draws)
    is_gray, was_gray = ((p == p[:, :1]).all(dim=(1, 2, 3)) for p in (target, noisy))
    assert 0 < is_gray.sum() < 20
    assert torch.equal(is_gray, was_gray)
