from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.tasks.draws import BatchDraws
from clearer.tasks.photo import Photo
from clearer.tasks.scene import fade
from clearer.tasks.sensor_noise import luma


def rand(*shape: int) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0))


def each(*values: float) -> torch.Tensor:
    return torch.tensor(values).view(-1, 1, 1, 1)


def test_contrast_and_saturation_are_what_they_say_in_each_picture() -> None:
    pictures = rand(2, 3, 16, 20)
    faded = fade(pictures, each(0.5, 1.0), each(1.0, 0.25))
    torch.testing.assert_close(faded.mean((2, 3))[0], pictures.mean((2, 3))[0])
    torch.testing.assert_close(faded[0].std(), pictures[0].std() / 2, rtol=0.05, atol=0)
    torch.testing.assert_close(luma(faded)[1], luma(pictures)[1])
    color, pale = (x[1] - luma(x)[1] for x in (pictures, faded))
    torch.testing.assert_close(pale, color / 4)


@given(st.sampled_from([1, 3]), st.floats(0, 1), st.floats(0, 1))
@settings(max_examples=30)
def test_pictures_keep_their_range(channels: int, contrast: float, saturation: float) -> None:
    faded = fade(rand(1, channels, 5, 7), each(contrast), each(saturation))
    assert faded.shape == (1, channels, 5, 7)
    assert -1e-6 <= faded.min() <= faded.max() <= 1 + 1e-6


def test_a_gray_picture_has_no_colour_to_lose() -> None:
    pictures = rand(1, 1, 8, 8)
    assert torch.equal(fade(pictures, each(0.4), each(0.1)), fade(pictures, each(0.4), each(1.0)))


@pytest.mark.parametrize("channels", [1, 3])
def test_the_task_photo_fades_most_pictures_and_leaves_the_others_alone(channels: int) -> None:
    clean = rand(1, channels, 8, 8).expand(2000, -1, -1, -1)
    target = Photo().target(clean, BatchDraws(torch.Generator().manual_seed(0), 2000))
    is_gray = (target == target[:, :1]).all(dim=(1, 2, 3))
    assert is_gray.float().mean() == pytest.approx(0.15 if channels == 3 else 1.0, abs=0.03)
    same = (target == clean).all(dim=(1, 2, 3))
    assert same.float().mean() == pytest.approx(0.3 * (0.85 if channels == 3 else 1), abs=0.04)
    torch.testing.assert_close(
        target.mean(dim=(1, 2, 3)), clean.mean(dim=(1, 2, 3)), atol=0.1, rtol=0
    )
