from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from scipy.signal import convolve2d
from torch import Tensor

from clearer.data.patches import Batch, PatchSampler
from clearer.data.splits import PHOTOGRAPHS
from clearer.errors import InputError
from clearer.pictures.images import ImageSet
from clearer.tasks import saving, sensor_noise
from clearer.tasks.base import Span
from clearer.tasks.camera import Camera, draw_camera
from clearer.tasks.demosaic import demosaic
from clearer.tasks.draws import BatchDraws
from clearer.tasks.jpeg import compress
from clearer.tasks.photo import Photo
from clearer.tasks.registry import make_task
from clearer.tasks.sensor_noise import read_variance

WHOLE = 1e-4  # in levels of 255: the error of a float that represents 8 bits


def photograph(name: str = "chelsea.png", side: int = 96) -> NDArray[np.float32]:
    pixels = np.asarray(Image.open(PHOTOGRAPHS / name).convert("RGB"))
    return pixels[100 : 100 + side, 100 : 100 + side].astype(np.float32) / np.float32(255)


def to_batch(picture: NDArray[np.float32], n: int = 1) -> Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1).expand(n, -1, -1, -1)


def draws(seed: int, n: int) -> BatchDraws:
    return BatchDraws(torch.Generator().manual_seed(seed), n)


def cameras(n: int, seed: int = 0) -> Camera:
    return draw_camera(draws(seed, n), torch.empty(n, 3, 1, 1))


def level(n: int, variance: float) -> Tensor:
    return torch.full((n, 1, 1, 1), variance)


def gray_noise(
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    side: int,
    shot: float,
    most_reduced: float = 1.0,
    **ranges: Any,
) -> Tensor:
    """Noise in linear light on middle gray; ranges may be fixed, by their names."""
    for name, value in ranges.items():
        monkeypatch.setattr(sensor_noise, name, value)
    gray = torch.full((n, 3, side, side), 0.2)
    return sensor_noise.sensor_noise(gray, cameras(n), level(n, shot), level(n, 1e-6), draws(1, n))


def correlation(planes: Tensor, distance: int) -> float:
    """Correlation of pixels that are this far apart in a row, over all planes."""
    return float((planes[..., distance:] * planes[..., :-distance]).mean() / planes.square().mean())


def test_a_picture_is_the_same_after_the_way_to_the_sensor_and_back() -> None:
    pictures = to_batch(photograph(), 200)
    camera = cameras(200)
    linear = camera.curve.invert(pictures)
    colors = camera.to_sensor(linear) * camera.gains[:, :, None, None]
    back = camera.curve.apply(torch.einsum("nij,njhw->nihw", camera.to_rgb, colors))
    assert 255 * float((back - pictures).abs().max()) < 0.1


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_tone_curves_rise_from_black_to_white(seed: int) -> None:
    ramp = torch.linspace(0, 1, 256).expand(4, 3, 1, 256)
    curve = cameras(4, seed).curve
    picture = curve.apply(ramp)
    assert bool((picture.diff(dim=3) > -1e-6).all())
    assert float(picture[..., 0].max()) < 1e-3
    assert float(picture[..., -1].min()) > 1 - 1e-3
    torch.testing.assert_close(curve.apply(curve.invert(ramp)), ramp, rtol=0, atol=0.1 / 255)


def test_white_stays_white_and_no_camera_is_another() -> None:
    camera = cameras(50)
    torch.testing.assert_close(camera.to_rgb.sum(2), torch.ones(50, 3), rtol=0, atol=1e-5)
    assert camera.gains.unique(dim=0).shape == (50, 3)
    assert camera.from_rgb.unique(dim=0).shape == (50, 3, 3)
    assert all(number.unique().numel() == 50 for number in camera.curve)


@pytest.mark.parametrize("gradient", [0.0, 1.0])
def test_demosaicing_is_that_of_the_papers(gradient: float) -> None:
    """The filters of Malvar, He and Cutler (figure 2), and bilinear ones, as 5x5 tables."""
    in_row = np.array(
        [
            [0, 0, 0.5, 0, 0],
            [0, -1, 0, -1, 0],
            [-1, 4, 5, 4, -1],
            [0, -1, 0, -1, 0],
            [0, 0, 0.5, 0, 0],
        ]
    )
    cross = np.array(
        [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
    )
    corners = np.array(
        [
            [0, 0, -1.5, 0, 0],
            [0, 2, 0, 2, 0],
            [-1.5, 0, 6, 0, -1.5],
            [0, 2, 0, 2, 0],
            [0, 0, -1.5, 0, 0],
        ]
    )
    if not gradient:
        in_row = np.where(in_row == 4, 4, 0)
        cross, corners = (np.where(table == 2, 2, 0) for table in (cross, corners))
    mosaic = np.random.default_rng(0).random((12, 16))
    by_row, by_column, by_cross, by_corners = (
        convolve2d(mosaic, table / 8, mode="same") for table in (in_row, in_row.T, cross, corners)
    )
    expected = np.empty((12, 16, 3))
    expected[0::2, 0::2] = np.stack([mosaic, by_cross, by_corners], 2)[0::2, 0::2]
    expected[0::2, 1::2] = np.stack([by_row, mosaic, by_column], 2)[0::2, 1::2]
    expected[1::2, 0::2] = np.stack([by_column, mosaic, by_row], 2)[1::2, 0::2]
    expected[1::2, 1::2] = np.stack([by_corners, by_cross, mosaic], 2)[1::2, 1::2]
    blocks = F.pixel_unshuffle(torch.from_numpy(mosaic).float()[None, None], 2)
    colors = demosaic(blocks, torch.full((1, 1, 1, 1), gradient), torch.eye(3)[None])
    np.testing.assert_allclose(colors[0].permute(1, 2, 0), expected, atol=1e-6)


def test_each_picture_of_a_batch_has_its_own_demosaicing_and_colours() -> None:
    generator = torch.Generator().manual_seed(0)
    blocks = torch.rand(3, 4, 5, 6, generator=generator)
    gradient = torch.tensor([0.0, 1.0, 0.5]).view(3, 1, 1, 1)
    matrix = torch.rand(3, 3, 3, generator=generator)
    together = demosaic(blocks, gradient, matrix)
    for i in range(3):
        alone = demosaic(blocks[i : i + 1], gradient[i : i + 1], torch.eye(3)[None])[0]
        torch.testing.assert_close(together[i], torch.einsum("ij,jhw->ihw", matrix[i], alone))


def test_the_noise_of_reading_follows_that_of_photons() -> None:
    shot = torch.tensor([0.0001, 0.01]).repeat(2000).view(-1, 1, 1, 1)
    logarithm = read_variance(shot, draws(0, len(shot))).log().view(-1, 2)
    expected = [2.18 * math.log(0.0001) + 1.2, 2.18 * math.log(0.01) + 1.2]
    np.testing.assert_allclose(logarithm.mean(0), expected, atol=0.03)
    np.testing.assert_allclose(logarithm.std(0), [0.26, 0.26], rtol=0.06)


@pytest.mark.parametrize("factor", [1.0, 1.3, 2.0])
@pytest.mark.parametrize("blur", [0.3, 0.9, 4.5])
def test_smoothing_and_reducing_keep_flat_planes_and_places(factor: float, blur: float) -> None:
    """Every pixel is a mean (weights of sum 1) around its place on the sensor."""
    size, margin = 20, sensor_noise._MARGIN
    like = torch.empty(1, 3, size, size)
    sampling = sensor_noise._draw_sampling(like, 2, draws(3, 1))
    sampling = sampling._replace(factor=torch.full((1, 1, 1), factor))
    sites = sampling.sites[1].float()
    planes = torch.stack([torch.ones_like(sites), sites]).view(1, 2, 1, -1)
    planes = planes.expand(1, 2, len(sampling.sites[0]), -1)
    flat, places = sensor_noise._resample(planes, sampling, torch.full((1, 1, 1, 1), blur))[0]
    torch.testing.assert_close(flat, torch.ones(size, size), rtol=0, atol=1e-5)
    start = float(sampling.starts[1])
    assert start in (margin, margin + 1)
    expected = start - 0.5 + factor * (torch.arange(size) + 0.5)
    torch.testing.assert_close(places[10], expected, rtol=0, atol=0.2)


def test_noise_has_the_variance_of_the_sensor(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checked where nothing is interpolated: green pixels of a camera with sRGB colours."""
    n, side, shot = 32, 64, 0.004
    ranges = {"_LUMA_BLUR": (0.05, 0.05), "_CHROMA_BLUR": (0.05, 0.05)}
    for name, value in ranges.items():
        monkeypatch.setattr(sensor_noise, name, value)
    monkeypatch.setattr(sensor_noise, "finish", lambda noise, brightness, draws: noise)
    camera = cameras(n)._replace(
        from_rgb=torch.eye(3).expand(n, 3, 3), gains=torch.tensor([[2.0, 1.0, 1.5]]).expand(n, 3)
    )
    linear = torch.full((n, 3, side, side), 0.3)
    noise = sensor_noise.sensor_noise(
        linear, camera, level(n, shot), level(n, 0.0005), draws(0, n), 1
    )
    # Two of the four phases of each picture see green, bilinear or not; the others do not.
    green = noise[:, 1].reshape(n, side // 2, 2, side // 2, 2).var((1, 3)).flatten(1).sort(1)[0]
    assert green[:, 2:].mean() == pytest.approx(shot * 0.3 + 0.0005, rel=0.03)
    red = noise[:, 0].reshape(n, side // 2, 2, side // 2, 2).var((1, 3)).flatten(1).max(1)[0]
    assert red.mean() == pytest.approx(4 * (shot * 0.15 + 0.0005), rel=0.05)


def test_noise_rises_with_the_sensitivity(monkeypatch: pytest.MonkeyPatch) -> None:
    levels = [float(gray_noise(monkeypatch, 16, 32, shot).std()) for shot in (1e-4, 1e-3, 1e-2)]
    assert levels[1] == pytest.approx(math.sqrt(10) * levels[0], rel=0.05)
    assert levels[2] == pytest.approx(math.sqrt(10) * levels[1], rel=0.05)


def test_figures_rise_with_the_sensitivity() -> None:
    clean = photograph(side=128)
    errors = [
        [
            np.square(
                Photo(shot=Span(shot, shot)).degrade_picture(clean, np.random.default_rng(i))
                - clean
            ).mean()
            for i in range(8)
        ]
        for shot in (0.0005, 0.003, 0.015)
    ]
    weak, medium, strong = np.mean(errors, axis=1)
    assert 3 * weak < 1.5 * medium < strong


def test_noise_of_colours_reaches_further_than_noise_of_brightness(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Even without deliberate smoothing, demosaicing correlates it, unlike white noise."""
    still: dict[str, Any] = {"_LUMA_BLUR": (0.1, 0.1), "_CHROMA_BLUR": (0.1, 0.1)}
    for ranges, least, most in ((still, 0.3, 0.7), ({}, 0.75, 1.0)):
        noise = gray_noise(monkeypatch, 32, 64, 0.002, **ranges)
        luma = sensor_noise.luma(noise)
        chroma = noise[:, ::2] - luma
        assert least < correlation(chroma, 1) < most
        assert correlation(chroma, 2) > 0.1 + correlation(luma, 2)
        assert correlation(luma, 1) > 0.2
        monkeypatch.undo()


def test_reduced_pictures_have_less_noise_and_whiter(monkeypatch: pytest.MonkeyPatch) -> None:
    still: dict[str, Any] = {"_LUMA_BLUR": (0.5, 0.5), "_CHROMA_BLUR": (1.0, 1.0)}
    draw = sensor_noise._draw_sampling
    noises = []
    for factor in (1.0, 2.0):
        fixed = torch.full((16, 1, 1), factor)
        monkeypatch.setattr(
            sensor_noise,
            "_draw_sampling",
            lambda like, most, d, fixed=fixed: draw(like, 2, d)._replace(factor=fixed),
        )
        noises.append(sensor_noise.luma(gray_noise(monkeypatch, 16, 48, 0.002, **still)))
    whole, half = noises
    assert half.std() < 0.85 * whole.std()
    assert correlation(half, 1) < correlation(whole, 1) - 0.2


def test_half_of_the_pictures_have_the_resolution_of_the_sensor() -> None:
    like = torch.empty(4000, 3, 8, 8)
    factor = sensor_noise._draw_sampling(like, 2, draws(0, 4000)).factor
    assert (factor == 1).float().mean() == pytest.approx(0.5, abs=0.03)
    assert 1 <= factor.min() <= factor.max() <= 2
    assert factor.max() > 1.99


def test_pictures_are_saved_as_jpeg_twice_once_or_not() -> None:
    clean = to_batch(photograph(side=16), 2000)
    clean = (clean + 0.001 * torch.arange(2000).view(-1, 1, 1, 1) / 2000).clamp(0, 1)
    saved = saving.save(clean, draws(0, 2000))
    levels = 255 * saved
    assert float((levels - levels.round()).abs().max()) < WHOLE
    unchanged = (levels.round() == (255 * clean).round()).all(1).all(1).all(1)
    assert unchanged[:800].float().mean() == pytest.approx(0.0, abs=0.01)
    assert unchanged[800:].float().mean() == pytest.approx(0.2, abs=0.03)


@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 15), st.integers(0, 15))
@settings(max_examples=30)
def test_an_earlier_jpeg_had_its_blocks_anywhere(
    height: int, width: int, top: int, left: int
) -> None:
    clean = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(0))
    place = (torch.full((1, 1, 1, 1), float(start)) for start in (top, left))
    cut = saving._compress_and_cut(clean, torch.full((1, 1, 1, 1), 70.0), *place)
    moved = F.pad(clean, (left, 16 - left, top, 16 - top), mode="replicate")
    expected = compress(moved, torch.tensor([70]))[..., top : top + height, left : left + width]
    assert torch.equal(cut, expected)


def test_one_patch_in_five_stays_clean_and_no_figure_does() -> None:
    clean = to_batch(photograph(side=8), 2000)
    degraded = Photo(shot=Span(0.01, 0.01)).degrade(clean, draws(0, 2000))
    stays = (degraded == clean).all(1).all(1).all(1)
    assert stays.float().mean() == pytest.approx(0.2, abs=0.02)
    picture = photograph(side=16)
    for seed in range(60):
        figure = Photo().degrade_picture(picture, np.random.default_rng(seed))
        assert (figure != picture).any()


@given(st.integers(1, 3), st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 3]))
@settings(max_examples=30)
def test_pictures_of_any_size_keep_it(n: int, height: int, width: int, channels: int) -> None:
    shape = (n, channels, height, width)
    clean = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    degraded = Photo().degrade(clean, draws(1, n))
    assert degraded.shape == shape
    assert degraded.dtype == torch.float32
    assert bool(degraded.isfinite().all())
    assert 0 <= degraded.min() <= degraded.max() <= 1 + 1e-6


@pytest.mark.parametrize("tone", [0.0, 1.0])
def test_black_and_white_pictures_are_finite(tone: float) -> None:
    degraded = Photo().degrade(torch.full((64, 3, 24, 24), tone), draws(0, 64))
    assert bool(degraded.isfinite().all())
    assert abs(float(degraded.mean()) - tone) < 0.1


def test_a_gray_picture_is_the_luma_of_a_photograph() -> None:
    gray = photograph()[..., :1]
    luma = Photo().degrade_picture(gray, np.random.default_rng(5))
    rgb = Photo().degrade_picture(np.repeat(gray, 3, axis=2), np.random.default_rng(5))
    np.testing.assert_allclose(luma[..., 0], rgb @ [0.299, 0.587, 0.114], atol=1e-6)


def test_figures_are_the_same_each_time_whatever_else_draws_numbers() -> None:
    clean = photograph()
    first = Photo().degrade_picture(clean, np.random.default_rng([2, 3]))
    torch.rand(3)
    np.testing.assert_array_equal(
        first, Photo().degrade_picture(clean, np.random.default_rng([2, 3]))
    )
    assert (first != Photo().degrade_picture(clean, np.random.default_rng([2, 4]))).any()
    assert first.dtype == np.float32
    assert first.flags.c_contiguous


def test_batches_depend_on_their_seed_and_number_alone() -> None:
    pixels = np.rint(255 * photograph()).astype(np.uint8)
    images = ImageSet(("a",), (pixels,))

    def batch(seed: int, index: int) -> Batch:
        size: dict[str, Any] = {"patch_size": 24, "batch_size": 8, "reduce": 2.0}
        return PatchSampler(images, Photo(), seed=[seed], **size).batch(index)

    first = batch(0, 1)
    assert torch.equal(first.degraded, batch(0, 1).degraded)
    assert not torch.equal(first.degraded, batch(0, 2).degraded)
    assert not torch.equal(first.degraded, batch(1, 1).degraded)
    assert first.degraded.is_contiguous(memory_format=torch.channels_last)


class NoNumbers:
    """Draws without values: reading one on the host fails, as it would make a device wait."""

    def __init__(self, n: int) -> None:
        self.n = n

    def uniform(self, low: float, high: float) -> Tensor | float:
        return low if low == high else torch.empty(self.n, 1, 1, 1, device="meta")

    def normal(self, like: Tensor) -> Tensor:
        return torch.empty_like(like)

    def poisson(self, mean: Tensor) -> Tensor:
        return torch.empty_like(mean)


@pytest.mark.parametrize("shot", [Span(0.0001, 0.015), Span(0.001, 0.001)])
def test_no_value_decides_what_is_computed(shot: Span) -> None:
    clean = torch.empty(5, 3, 24, 32, device="meta")
    target = Photo(shot=shot).target(clean, NoNumbers(5))
    assert Photo(shot=shot).degrade(target, NoNumbers(5)).shape == clean.shape


@pytest.mark.gpu
def test_a_cuda_device_is_not_waited_for() -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    clean = to_batch(photograph(side=48), 256).cuda()
    generator = torch.Generator("cuda").manual_seed(0)
    task = Photo(shot=Span(0.001, 0.001))
    task.degrade(task.target(clean, BatchDraws(generator, 256)), BatchDraws(generator, 256))
    torch.cuda.set_sync_debug_mode("error")
    try:
        task.target(clean, BatchDraws(generator, 256))
        degraded = task.degrade(clean, BatchDraws(generator, 256))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    by_cpu = task.degrade(clean.cpu(), draws(0, 256))
    errors = [(d - clean.cpu()).square().mean().item() for d in (degraded.cpu(), by_cpu)]
    assert errors[0] == pytest.approx(errors[1], rel=0.15)


@pytest.mark.parametrize("shot", ["0", "2", "0:0.01", "-1:0.1"])
def test_levels_that_no_sensor_has_are_refused(shot: str) -> None:
    with pytest.raises(InputError, match="--shot must lie in"):
        make_task("photo", {"shot": shot})
