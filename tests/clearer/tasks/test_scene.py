from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.tasks.draws import BatchDraws
from clearer.tasks.photo import Photo
from clearer.tasks.scene import fade, weave
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


def woven(clean: torch.Tensor) -> torch.Tensor:
    return weave(clean, BatchDraws(torch.Generator().manual_seed(0), len(clean)))


def test_texture_keeps_the_colour_and_is_fine_and_faint() -> None:
    tone = torch.tensor([0.5, 0.2, 0.3]).view(1, 3, 1, 1)
    pictures = woven(tone.expand(500, 3, 48, 64))
    relative = pictures / tone
    torch.testing.assert_close(relative, relative[:, :1].expand_as(relative))
    texture = relative[:, 0] - 1
    size = texture.std(dim=(1, 2))
    assert (size > 1e-6).float().mean() == pytest.approx(0.6, abs=0.06)
    assert float(size.max()) < 0.13
    textured = texture[size > 1e-6]
    coarse = torch.nn.functional.avg_pool2d(textured, 16)
    assert coarse.std(dim=(1, 2)).mean() < 0.2 * textured.std(dim=(1, 2)).mean()


def test_each_picture_has_a_texture_of_its_own_in_some_places() -> None:
    texture = woven(torch.full((400, 1, 64, 64), 0.5)) - 0.5
    parts = torch.nn.functional.avg_pool2d(texture.square(), 16).flatten(1)
    parts = parts[parts.max(1).values > 1e-7]
    assert (parts.min(1).values < 0.1 * parts.max(1).values).float().mean() > 0.3
    assert len(parts.unique(dim=0)) == len(parts)


@given(st.sampled_from([1, 3]), st.integers(1, 40), st.integers(1, 40))
@settings(max_examples=20)
def test_texture_keeps_any_size_and_range(channels: int, height: int, width: int) -> None:
    pictures = woven(rand(3, channels, height, width))
    assert pictures.shape == (3, channels, height, width)
    assert 0 <= pictures.min() <= pictures.max() <= 1


@pytest.mark.parametrize("channels", [1, 3])
def test_the_task_photo_fades_most_pictures_and_leaves_the_others_alone(channels: int) -> None:
    clean = rand(1, channels, 8, 8).expand(2000, -1, -1, -1)
    target = Photo().target(clean, BatchDraws(torch.Generator().manual_seed(0), 2000))
    is_gray = (target == target[:, :1]).all(dim=(1, 2, 3))
    assert is_gray.float().mean() == pytest.approx(0.15 if channels == 3 else 1.0, abs=0.03)
    same = (target == clean).all(dim=(1, 2, 3))
    share = 0.3 * 0.4 * (0.85 if channels == 3 else 1)
    assert same.float().mean() == pytest.approx(share, abs=0.03)
    torch.testing.assert_close(
        target.mean(dim=(1, 2, 3)), clean.mean(dim=(1, 2, 3)), atol=0.1, rtol=0
    )
