from __future__ import annotations

import io
import json
import math

import numpy as np
import pytest
import skimage.color
import skimage.data
import skimage.metrics
from PIL import Image
from scipy.ndimage import correlate1d

from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import evaluate
from clearer.restoring.metrics import luma_y, psnr_b_db, psnr_db, ssim
from clearer.support.json_text import to_json
from clearer.tasks.denoise import Denoise


def pair(channels: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    clean = rng.random((channels, 40, 50), dtype=np.float32)
    return (clean + rng.normal(0, 0.1, clean.shape)).astype(np.float32), clean


def test_psnr_by_hand() -> None:
    clean = np.zeros((1, 2, 2), np.float32)
    image = np.array([[[0.1, 0.1], [0.1, 0.1]]], np.float32)
    assert psnr_db(image, clean) == pytest.approx(20)
    assert psnr_db(clean, clean) == math.inf


def test_psnr_b_by_hand() -> None:
    """Blocks of 8 that differ by 0.1, one border each way: squares of 0.01 at borders, else 0."""
    clean = np.zeros((1, 16, 16), np.float32)
    image = np.zeros_like(clean)
    image[0, 8:, :8] = image[0, :8, 8:] = 0.1
    error, excess = 0.005, 0.01 * math.log2(8) / math.log2(16)
    assert psnr_b_db(image, clean) == pytest.approx(-10 * math.log10(error + excess), abs=1e-4)
    assert psnr_b_db(clean, clean) == math.inf
    assert psnr_b_db(clean, image) == pytest.approx(
        psnr_db(clean, image)
    )  # its blocks are not visible


def test_psnr_b_is_below_psnr_for_jpeg_alone() -> None:
    photograph = skimage.data.astronaut()[:128, 150:278]
    packed = io.BytesIO()
    Image.fromarray(photograph).save(packed, "JPEG", quality=10)
    jpeg, clean = (
        np.asarray(picture).transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        for picture in (Image.open(packed), photograph)
    )
    assert psnr_db(jpeg, clean) - 3.5 < psnr_b_db(jpeg, clean) < psnr_db(jpeg, clean) - 0.3
    moved_jpeg, moved_clean = (np.roll(x, 3, axis=(1, 2)) for x in (jpeg, clean))
    assert psnr_b_db(moved_jpeg, moved_clean) > psnr_b_db(jpeg, clean) + 0.3


@pytest.mark.parametrize("shape", [(1, 8, 40), (3, 40, 5)])
def test_psnr_b_needs_two_blocks(shape: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match="no two blocks of 8x8"):
        psnr_b_db(np.zeros(shape, np.float32), np.zeros(shape, np.float32))


def test_what_is_infinite_is_null_in_json() -> None:
    text = to_json({"rows": [{"psnr_db": math.inf, "n": 1}], "span": (math.nan, 2.5)})
    assert json.loads(text) == {"rows": [{"psnr_db": None, "n": 1}], "span": [None, 2.5]}


def test_psnr_agrees_with_scikit_image() -> None:
    image, clean = pair(3)
    expected = skimage.metrics.peak_signal_noise_ratio(clean, image, data_range=1)
    assert psnr_db(image, clean) == pytest.approx(expected)


def test_psnr_refuses_shapes_that_would_broadcast() -> None:
    with pytest.raises(ValueError, match="shapes differ"):
        psnr_db(np.zeros((1, 4, 4), np.float32), np.zeros((3, 4, 4), np.float32))


def test_ssim_has_the_window_of_the_definition() -> None:
    """Written out: Gaussian of 11 taps, sigma 1.5, constants 0.01 and 0.03, range 1."""
    image, clean = (x[0].astype(np.float64) for x in pair())
    taps = np.exp(-(np.arange(-5, 6) ** 2) / (2 * 1.5**2))
    taps /= taps.sum()

    def blur(x: np.ndarray) -> np.ndarray:
        rows: np.ndarray = correlate1d(correlate1d(x, taps, axis=0), taps, axis=1)
        return rows

    mean_x, mean_y = blur(image), blur(clean)
    var_x, var_y = blur(image**2) - mean_x**2, blur(clean**2) - mean_y**2
    covariance = blur(image * clean) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    score = ((2 * mean_x * mean_y + c1) * (2 * covariance + c2)) / (
        (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    )
    expected = score[5:-5, 5:-5].mean()
    assert ssim(pair()[0], pair()[1]) == pytest.approx(expected, abs=1e-5)


def test_every_restorer_sees_the_same_noise() -> None:
    images = ImageSet(("a",), (np.full((32, 32, 1), 128, np.uint8),))
    seen = []

    def remember(degraded: np.ndarray) -> np.ndarray:
        seen.append(degraded.copy())
        return degraded

    qualities = [evaluate(remember, images, Denoise(), seed=0) for _ in range(2)]
    assert (seen[0] == seen[1]).all()
    assert qualities[0] == qualities[1]
    assert qualities[0].psnr_db == pytest.approx(20.17, abs=0.3)


def test_restored_images_are_clipped_before_they_are_measured() -> None:
    images = ImageSet(("a",), (np.full((32, 32, 1), 255, np.uint8),))
    quality = evaluate(lambda degraded: np.full_like(degraded, 7.0), images, Denoise(), seed=0)
    assert quality.psnr_db == math.inf


def test_luma_is_that_of_rgb2ycbcr() -> None:
    """Against scikit-image, and by hand: 8-bit RGB (10, 200, 60) has luma 125.27 of 255."""
    rgb = pair(3)[1]
    expected = skimage.color.rgb2ycbcr(rgb.transpose(1, 2, 0))[..., 0] / 255
    np.testing.assert_allclose(luma_y(rgb)[0], expected, atol=1e-6)
    one = (np.array([10, 200, 60]).reshape(3, 1, 1) / 255).astype(np.float32)
    by_hand = 16 + (65.481 * 10 + 128.553 * 200 + 24.966 * 60) / 255
    assert luma_y(one).item() * 255 == pytest.approx(by_hand, abs=1e-4)
    assert by_hand == pytest.approx(125.27, abs=0.01)
    white = luma_y(np.ones((3, 1, 1), np.float32)).item() * 255
    black = luma_y(np.zeros((3, 1, 1), np.float32)).item() * 255
    assert white == pytest.approx(235, abs=1e-4)
    assert black == pytest.approx(16, abs=1e-4)
    with pytest.raises(ValueError, match="3 channels"):
        luma_y(np.zeros((1, 4, 4), np.float32))
