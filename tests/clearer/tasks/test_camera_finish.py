from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter
from torch import Tensor

from clearer.tasks.camera_finish import finish, sharpen, smooth_where_flat
from clearer.tasks.draws import BatchDraws


def white(n: int, side: int, deviation: float = 0.01) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return deviation * torch.randn(n, 1, side, side, generator=generator)


def each(n: int, value: float) -> Tensor:
    return torch.full((n, 1, 1, 1), value)


def half_textured(n: int, side: int) -> Tensor:
    """Flat on the left; on the right, stripes ten times as strong as the noise."""
    picture = torch.full((n, 1, side, side), 0.4)
    picture[..., side // 2 :: 2] += 0.2
    return picture


def test_noise_stays_in_texture_and_becomes_coarse_where_the_picture_is_flat() -> None:
    noise = white(8, 64)
    left = smooth_where_flat(noise, half_textured(8, 64), each(8, 0.0), each(8, 2.0), each(8, 1.0))
    flat, texture = left[..., :24], left[..., 40:]
    assert texture.std() == pytest.approx(float(noise.std()), rel=0.03)
    np.testing.assert_allclose(
        flat[..., 8:16], coarse(noise)[..., 8:16], atol=0.05 * float(noise.std())
    )


def coarse(noise: Tensor) -> Tensor:
    return torch.from_numpy(gaussian_filter(noise, (0, 0, 2, 2), mode="mirror", radius=12))


def test_all_that_is_kept_stays() -> None:
    noise, picture = white(2, 32), half_textured(2, 32)
    left = smooth_where_flat(noise, picture, each(2, 1.0), each(2, 2.0), each(2, 1.0))
    torch.testing.assert_close(left, noise)


def test_sharpening_adds_the_fine_part_once_more() -> None:
    noise = white(2, 16)
    amounts = torch.tensor([0.0, 1.5]).view(2, 1, 1, 1)
    smooth = gaussian_filter(noise, (0, 0, 1, 1), mode="mirror", radius=3)
    expected = noise + amounts * (noise - torch.from_numpy(smooth))
    torch.testing.assert_close(sharpen(noise, amounts), expected, atol=1e-6, rtol=0)


def test_pictures_differ_and_nothing_is_no_noise() -> None:
    noise, generator = white(1, 32).expand(64, -1, -1, -1), torch.Generator().manual_seed(1)
    left = finish(noise, half_textured(64, 32), BatchDraws(generator, 64))
    assert bool(left.isfinite().all())
    flat = left[..., :8].std(dim=(1, 2, 3)) / noise.std()
    assert flat.min() < 0.4
    assert flat.max() > 0.9
    none = finish(torch.zeros(2, 1, 9, 9), torch.zeros(2, 1, 9, 9), BatchDraws(generator, 2))
    assert not none.any()
