"""White noise and camera noise are told apart from the picture alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from clearer.data.splits import PHOTOGRAPHS
from clearer.pictures.images import Color, list_images, read_image
from clearer.restoring.noise_kind import fine_share, is_noise_of_camera
from clearer.tasks.base import Span
from clearer.tasks.photo import Photo

Pixels = NDArray[np.uint8]
COLOR = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def rounded(values: NDArray[np.floating]) -> Pixels:
    pixels: Pixels = np.rint(values.clip(0, 255)).astype(np.uint8)
    return pixels


def with_white_noise(picture: Pixels, sigma: float, seed: int = 0) -> Pixels:
    return rounded(picture + np.random.default_rng(seed).normal(0, sigma, picture.shape))


@pytest.fixture(scope="module")
def photographs() -> list[Pixels]:
    return [read_image(PHOTOGRAPHS / name, "rgb")[:256, :256] for name in COLOR]


@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_white_noise_is_none_of_a_camera(photographs: list[Pixels], sigma: float) -> None:
    shares = [fine_share(with_white_noise(picture, sigma)) for picture in photographs]
    assert min(shares) > 0.85
    assert not any(is_noise_of_camera(with_white_noise(p, sigma)) for p in photographs)


@pytest.mark.parametrize("sigma", [5, 25, 50])
def test_white_noise_in_gray(photographs: list[Pixels], sigma: float) -> None:
    """Also where three channels are equal."""
    for picture in photographs:
        gray = with_white_noise(picture[..., 1:2], sigma)
        assert fine_share(gray) > 0.5
        assert not is_noise_of_camera(gray)
        assert fine_share(np.repeat(gray, 3, axis=2)) == fine_share(gray)


def test_the_same_in_16_bits(photographs: list[Pixels]) -> None:
    noisy = with_white_noise(photographs[0], 25)
    assert fine_share(noisy.astype(np.uint16) * 257) == pytest.approx(fine_share(noisy), rel=1e-3)


def test_what_cameras_make_is_told(photographs: list[Pixels]) -> None:
    task = Photo(shot=Span(0.001, 0.01))
    found = []
    for index, picture in enumerate(photographs):
        clean = picture.astype(np.float32) / np.float32(255)
        for seed in range(5):
            noisy = task.degrade_picture(clean, np.random.default_rng([index, seed]))
            pixels = rounded(255 * noisy)
            gray = rounded(pixels.mean(axis=2, keepdims=True))
            found.append((is_noise_of_camera(pixels), is_noise_of_camera(gray)))
    assert min(np.mean(found, axis=0)) > 0.9


def test_pictures_of_which_little_is_known() -> None:
    flat = np.full((40, 40, 3), 90, np.uint8)
    assert is_noise_of_camera(flat)  # there is nothing for a network for white noise to remove
    assert is_noise_of_camera(flat[..., :1])
    assert not is_noise_of_camera(flat[:7])
    for shape in ((40, 40), (40, 40, 4)):
        with pytest.raises(ValueError, match=r"expected \(H, W, 1\) or \(H, W, 3\)"):
            fine_share(np.zeros(shape, np.uint8))
        with pytest.raises(ValueError, match="expected"):
            is_noise_of_camera(np.zeros(shape, np.uint8))


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_real_photographs_against_white_noise(real_data: Path, color: Color) -> None:
    cameras = list_images(real_data / "polyu" / "noisy")[:50:5]
    assert all(is_noise_of_camera(read_image(path, color)) for path in cameras)
    for index, path in enumerate(list_images(real_data / "bsds500" / "train")[::20]):
        noisy = with_white_noise(read_image(path, color), 5 + 5 * index, index)
        assert not is_noise_of_camera(noisy), path


def test_what_rounding_leaves_of_colours_is_no_white_noise() -> None:
    """As in smooth areas after JPEG: single steps of a channel here and there."""
    smooth = np.full((128, 128, 3), (90, 100, 110), np.uint8)
    rng = np.random.default_rng(0)
    speckled = smooth + (rng.random(smooth.shape) < 0.03).astype(np.uint8)
    assert is_noise_of_camera(speckled)
    assert not is_noise_of_camera(with_white_noise(smooth, 1))
