"""The noise level of a picture, estimated from the picture alone."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from clearer.data.splits import PHOTOGRAPHS
from clearer.pictures.images import Color, read_image
from clearer.restoring.noise_level import estimate_level

Picture = NDArray[np.float32]


def photograph(name: str, color: Color) -> Picture:
    """A centre crop of at most 256x256."""
    pixels = read_image(PHOTOGRAPHS / name, color)
    top, left = (max(0, (side - 256) // 2) for side in pixels.shape[:2])
    return pixels[top : top + 256, left : left + 256].astype(np.float32) / np.float32(255)


def with_noise(clean: Picture, sigma_255: float, seed: int = 0) -> Picture:
    noise = np.random.default_rng(seed).normal(0, sigma_255 / 255, clean.shape)
    return clean + noise.astype(np.float32)


def as_saved(noisy: Picture) -> NDArray[np.uint8]:
    return np.rint(noisy * 255).clip(0, 255).astype(np.uint8)


def stripes(period: float, height: int = 200, width: int = 240) -> Picture:
    """Slanted stripes on a slow gradient, everywhere."""
    y, x = np.mgrid[:height, :width]
    wave = 0.15 * np.sin(2 * np.pi * (x + 0.6 * y) / period) + 0.2 * np.sin(y / 50)
    picture: Picture = (0.5 + wave).astype(np.float32)[..., None]
    return picture


def drawing() -> Picture:
    """Black text on white, with nothing between."""
    image = Image.new("1", (240, 200), 1)
    draw = ImageDraw.Draw(image)
    for row in range(0, 200, 30):
        draw.text((2, row), "clean black words on white paper, " * 2, fill=0)
    return np.asarray(image, dtype=np.float32)[..., None]


@pytest.mark.parametrize("sigma_255", [5, 10, 25, 50])
@pytest.mark.parametrize(
    ("name", "color"),
    [
        ("camera.png", "gray"),
        ("coins.png", "gray"),
        ("chelsea.png", "rgb"),
        ("coffee.png", "rgb"),
        ("astronaut.png", "rgb"),
    ],
)
def test_noise_of_photographs(name: str, color: Color, sigma_255: float) -> None:
    clean = photograph(name, color)
    found = estimate_level(with_noise(clean, sigma_255)) * 255
    own = estimate_level(clean) * 255  # photographs have some noise of their own
    assert found == pytest.approx(np.hypot(sigma_255, own), rel=0.06)


def test_the_level_stays_as_it_was() -> None:
    noisy = with_noise(photograph("camera.png", "gray"), 10)
    assert estimate_level(noisy) * 255 == pytest.approx(10.1189, abs=2e-3)


@pytest.mark.parametrize("sigma_255", [3, 10, 25, 75])
@pytest.mark.parametrize("period", [6.0, 9.0, 17.0])
def test_noise_on_stripes_without_a_smooth_place(period: float, sigma_255: float) -> None:
    found = estimate_level(with_noise(stripes(period), sigma_255)) * 255
    assert found == pytest.approx(sigma_255, rel=0.05)


@pytest.mark.parametrize("sigma_255", [3, 10, 25, 50, 75])
def test_noise_that_was_clipped_and_rounded(sigma_255: float) -> None:
    saved = as_saved(with_noise(stripes(40.0), sigma_255))
    assert estimate_level(saved) * 255 == pytest.approx(sigma_255, rel=0.05)


@pytest.mark.parametrize("sigma_255", [5, 15, 25])
@pytest.mark.parametrize("bound", [0, 1])
def test_saturated_areas_are_left_out(bound: int, sigma_255: float) -> None:
    clean = stripes(40.0)
    clean[:, :150] = bound + (0.6 if bound else -0.6)  # so far outside that no noise is visible
    saved = as_saved(with_noise(clean, sigma_255))
    assert (saved[:, :140] == 255 * bound).all()
    assert estimate_level(saved) * 255 == pytest.approx(sigma_255, rel=0.06)


@pytest.mark.parametrize("bound", [0, 1])
def test_half_clipped_noise_on_black_and_white(bound: int) -> None:
    clean = stripes(40.0)
    clean[:, :150] = bound
    saved = as_saved(with_noise(clean, 15))
    assert estimate_level(saved) * 255 == pytest.approx(15, rel=0.06)


@pytest.mark.parametrize("value", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_constant_pictures_have_no_noise(value: float, channels: int) -> None:
    assert estimate_level(np.full((40, 50, channels), value, np.float32)) < 1e-6


def test_clean_synthetic_pictures_have_next_to_none() -> None:
    y, x = np.mgrid[:150, :150].astype(np.float32) / 150
    ramp = np.stack([x, y, (x + y) / 2], axis=2)
    assert estimate_level(ramp) < 1e-5
    disc = ((x - 0.5) ** 2 + (y - 0.5) ** 2 < 0.1).astype(np.float32)[..., None]
    assert estimate_level(disc) < 1e-6
    assert estimate_level(0.2 + 0.5 * disc) < 1e-6
    assert estimate_level(drawing()) < 1e-6
    assert estimate_level(as_saved(ramp)) * 255 < 0.5  # rounding alone gives 0.29


@pytest.mark.parametrize("shape", [(1, 1, 1), (7, 300, 3), (300, 7, 1)])
def test_nothing_is_known_of_pictures_smaller_than_a_patch(shape: tuple[int, int, int]) -> None:
    noisy = with_noise(np.full(shape, 0.5, np.float32), 25)
    assert estimate_level(noisy) == 0
    assert estimate_level(as_saved(noisy)) == 0


@settings(max_examples=30)
@given(
    st.integers(8, 40), st.integers(8, 40), st.sampled_from([1, 3]), st.floats(1, 40), st.booleans()
)
def test_small_pictures_give_about_their_level(
    height: int, width: int, channels: int, sigma_255: float, is_saved: bool
) -> None:
    noisy = with_noise(np.full((height, width, channels), 0.5, np.float32), sigma_255)
    found = estimate_level(as_saved(noisy) if is_saved else noisy) * 255
    assert 0.4 * sigma_255 < found < 2.0 * sigma_255


@settings(max_examples=10)
@given(st.floats(0.05, 4))
def test_the_level_scales_with_contrast(factor: float) -> None:
    noisy = (
        with_noise(stripes(9.0, 64, 64), 25) - 2
    )  # outside [0, 1], as with noise that is not clipped
    level = estimate_level(noisy)
    assert estimate_level(noisy * np.float32(factor) - 9) == pytest.approx(factor * level, rel=1e-2)


def test_flips_and_turns_change_nothing() -> None:
    noisy = with_noise(stripes(9.0), 15)
    level = estimate_level(noisy)
    for turned in (noisy[::-1], noisy[:, ::-1], noisy.swapaxes(0, 1)):
        assert estimate_level(turned) == pytest.approx(level, rel=1e-4)


def test_a_gray_picture_in_three_channels_has_the_level_of_one() -> None:
    noisy = with_noise(stripes(9.0), 15)
    assert estimate_level(noisy.repeat(3, axis=2)) == pytest.approx(estimate_level(noisy), rel=1e-2)


def test_integers_are_of_full_scale() -> None:
    saved = as_saved(with_noise(stripes(9.0), 15))
    level = estimate_level(saved)
    assert estimate_level(saved.astype(np.uint16) * 257) == pytest.approx(level, rel=1e-4)
    assert estimate_level(saved.astype(np.float32) / 255) == pytest.approx(level, rel=1e-4)


def test_a_large_picture_gives_the_same_level_each_time_and_is_left_as_it_was() -> None:
    noisy = as_saved(with_noise(stripes(9.0, 600, 800), 15))
    before = noisy.copy()
    level = estimate_level(noisy)
    assert level == estimate_level(noisy)
    assert level * 255 == pytest.approx(15, rel=0.05)
    assert (noisy == before).all()


@pytest.mark.parametrize("shape", [(32, 32), (32, 32, 0), (1, 3, 32, 32)])
def test_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"picture has shape .*; expected \(H, W, C\)"):
        estimate_level(np.zeros(shape, np.float32))


def test_torch_is_not_needed() -> None:
    code = "import sys; sys.modules['torch'] = None; import clearer.restoring.noise_level"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
