from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter

from clearer.tasks.denoise import Denoise
from clearer.tasks.draws import BatchDraws
from clearer.tasks.lens import soften
from clearer.tasks.photo import Photo


def rand(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def test_each_picture_is_smoothed_by_its_own_gaussian() -> None:
    pictures, blur = rand(2, 3, 20, 24), torch.tensor([0.5, 1.25]).view(2, 1, 1, 1)
    soft = soften(pictures, blur, most=1.25)
    for picture, found, deviation in zip(pictures, soft, (0.5, 1.25), strict=True):
        expected = gaussian_filter(picture, (0, deviation, deviation), mode="mirror", radius=4)
        np.testing.assert_allclose(found, expected, atol=1e-6)


@given(st.integers(1, 12), st.integers(1, 12), st.floats(0.1, 2))
@settings(max_examples=30)
def test_pictures_of_any_size_keep_it_and_their_range(height: int, width: int, blur: float) -> None:
    soft = soften(rand(1, 1, height, width), torch.full((1, 1, 1, 1), blur), most=2.0)
    assert soft.shape == (1, 1, height, width)
    assert 0 <= soft.min() <= soft.max() <= 1 + 1e-6
    flat = torch.full((1, 1, height, width), 0.25)
    torch.testing.assert_close(soften(flat, torch.full((1, 1, 1, 1), blur), most=2.0), flat)


def test_the_task_photo_softens_some_pictures_and_degrades_what_it_softened() -> None:
    clean = rand(1, 3, 8, 8).expand(2000, -1, -1, -1)
    target = Photo().target(clean, BatchDraws(torch.Generator().manual_seed(0), 2000))
    in_colour = (target != target[:, :1]).any(dim=(1, 2, 3))
    detail = target[in_colour].std(dim=(1, 2, 3)) / clean[0].std()
    assert (detail < 0.999).float().mean() == pytest.approx(0.7, abs=0.04)
    assert detail.min() < 0.5
    picture = np.ascontiguousarray(clean[0].permute(1, 2, 0).numpy())
    softened = [Photo().target_picture(picture, np.random.default_rng(seed)) for seed in range(40)]
    assert 16 <= sum(bool((soft != picture).any()) for soft in softened) <= 36


def test_other_tasks_give_back_the_picture_itself() -> None:
    clean = rand(2, 1, 8, 8)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    assert Denoise().target(clean, BatchDraws(generator, 2)) is clean
    assert torch.equal(generator.get_state(), before)
