from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from clearer.data.splits import PHOTOGRAPHS
from clearer.tasks.jpeg import compress, quantization_tables

Pixels = NDArray[np.uint8]
QUALITIES = (5, 10, 30, 60, 90, 98)


def photograph(name: str, mode: str) -> Pixels:
    return np.asarray(Image.open(PHOTOGRAPHS / name).convert(mode))


def by_pillow(pixels: Pixels, quality: int, full_chroma: bool) -> Pixels:
    packed = io.BytesIO()
    Image.fromarray(pixels).save(
        packed, "JPEG", quality=quality, subsampling=0 if full_chroma else 2
    )
    return np.asarray(Image.open(packed))


def to_batch(pixels: Pixels) -> Tensor:
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(planes.astype(np.float32) / 255).permute(2, 0, 1)[None]


def by_clearer(pixels: Pixels, quality: int, full_chroma: bool) -> Pixels:
    decoded = compress(
        to_batch(pixels), torch.tensor([quality]), full_chroma=torch.tensor([full_chroma])
    )
    assert decoded.dtype == torch.float32
    samples = decoded[0].permute(1, 2, 0).reshape(pixels.shape).numpy() * np.float32(255)
    stored: Pixels = np.rint(samples).astype(np.uint8)
    np.testing.assert_allclose(samples, stored, rtol=0, atol=1e-4)
    return stored


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("full_chroma", [False, True], ids=["4:2:0", "4:4:4"])
@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "rocket.jpg"])
def test_photographs_in_colour_are_those_of_libjpeg(
    name: str, full_chroma: bool, quality: int
) -> None:
    pixels = photograph(name, "RGB")[:299, :401]
    decoded = by_clearer(pixels, quality, full_chroma)
    np.testing.assert_array_equal(decoded, by_pillow(pixels, quality, full_chroma))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("name", ["camera.png", "chelsea.png", "moon.png"])
def test_photographs_in_gray_are_those_of_libjpeg(name: str, quality: int) -> None:
    pixels = photograph(name, "L")[:299, :401]
    decoded = by_clearer(pixels, quality, full_chroma=False)
    np.testing.assert_array_equal(decoded, by_pillow(pixels, quality, full_chroma=False))


@given(
    height=st.integers(1, 50),
    width=st.integers(1, 50),
    mode=st.sampled_from(["L", "RGB"]),
    # Black and white pixels leave the range of 8 bits after decoding.
    two_tones=st.booleans(),
    quality=st.integers(1, 100),
    full_chroma=st.booleans(),
    seed=st.integers(0, 1000),
)
def test_noise_of_any_size_is_that_of_libjpeg(
    height: int, width: int, mode: str, two_tones: bool, quality: int, full_chroma: bool, seed: int
) -> None:
    shape = (height, width) if mode == "L" else (height, width, 3)
    pixels = np.random.default_rng(seed).integers(256, size=shape, dtype=np.uint8)
    if two_tones:
        pixels = np.where(pixels < 128, 0, 255).astype(np.uint8)
    decoded = by_clearer(pixels, quality, full_chroma)
    np.testing.assert_array_equal(decoded, by_pillow(pixels, quality, full_chroma))


def test_quantisation_tables_are_those_in_a_file() -> None:
    qualities = range(1, 101)
    tables = quantization_tables(torch.tensor(qualities)).flatten(2).int().tolist()
    for quality, (luma, cb, cr) in zip(qualities, tables, strict=True):
        packed = io.BytesIO()
        Image.new("RGB", (8, 8)).save(packed, "JPEG", quality=quality)
        in_file = Image.open(packed).quantization  # type: ignore[attr-defined]
        assert in_file == {0: luma, 1: cb} == {0: luma, 1: cr}


def mixed_batch() -> tuple[Tensor, Tensor, Tensor]:
    """Patches of a photograph, with qualities, and a mix of 4:2:0 and 4:4:4."""
    pixels = photograph("coffee.png", "RGB")
    patches = [to_batch(pixels[40 * i : 40 * i + 37, 60 * i : 60 * i + 51]) for i in range(6)]
    return torch.cat(patches), torch.tensor(QUALITIES).float(), torch.arange(6) % 2 == 0


@pytest.mark.parametrize("channels", [1, 3])
def test_a_batch_is_its_pictures_one_by_one(channels: int) -> None:
    clean, quality, full_chroma = mixed_batch()
    clean = clean[:, :channels]
    before = clean.clone()
    decoded = compress(clean, quality, full_chroma=full_chroma)
    assert torch.equal(clean, before)
    for i in range(len(clean)):
        one = slice(i, i + 1)
        alone = compress(clean[one], quality[one], full_chroma=full_chroma[one])
        assert torch.equal(decoded[one], alone)


def test_colour_is_halved_where_nothing_is_said() -> None:
    clean, quality, full_chroma = mixed_batch()
    halved = compress(clean, quality, full_chroma=torch.zeros_like(full_chroma))
    assert torch.equal(compress(clean, quality), halved)
    assert not torch.equal(compress(clean, quality, full_chroma=full_chroma), halved)


def test_neither_precision_nor_memory_format_of_training_changes_a_pixel() -> None:
    clean, quality, full_chroma = mixed_batch()
    expected = compress(clean, quality, full_chroma=full_chroma)
    clean = clean.contiguous(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        decoded = compress(clean, quality, full_chroma=full_chroma)
    assert torch.equal(decoded, expected)
    assert not decoded.requires_grad


def test_no_value_decides_what_is_computed() -> None:
    """Tensors without values would fail if one were read on the host."""
    clean, quality, full_chroma = (t.to("meta") for t in mixed_batch())
    assert compress(clean, quality, full_chroma=full_chroma).shape == clean.shape


@pytest.mark.gpu
def test_a_cuda_graph_computes_what_the_cpu_computes() -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    batch = mixed_batch()
    clean, quality, full_chroma = (torch.zeros_like(t, device="cuda") for t in batch)
    quality += 50
    compress(clean, quality, full_chroma=full_chroma)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        decoded = compress(clean, quality, full_chroma=full_chroma)
    for held, values in zip((clean, quality, full_chroma), batch, strict=True):
        held.copy_(values)
    graph.replay()
    expected = compress(batch[0], batch[1], full_chroma=batch[2])
    # CUDA rounds the division by 255 differently; the 8 bits are the same.
    assert torch.equal((255 * decoded.cpu()).round(), (255 * expected).round())


@pytest.mark.parametrize("shape", [(1, 2, 8, 8), (3, 8, 8)])
def test_pictures_of_other_shapes_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="clean must be \\(N, 1 or 3, H, W\\)"):
        compress(torch.zeros(shape), torch.tensor([50]))


def test_each_picture_needs_its_quality_and_its_chroma() -> None:
    clean = torch.zeros(2, 3, 8, 8)
    with pytest.raises(ValueError, match="quality must have one value for each of 2 pictures"):
        compress(clean, torch.tensor([50]))
    with pytest.raises(ValueError, match="full_chroma must have one value for each of 2 pictures"):
        compress(clean, torch.tensor([50, 60]), full_chroma=torch.tensor(True))
