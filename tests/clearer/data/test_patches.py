from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.data.patches import Batch, PatchSampler
from clearer.errors import InputError
from clearer.networks.blocks import pad_to_multiple
from clearer.pictures.images import ImageSet
from clearer.tasks.base import Span, Task
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.paired import Derain, Paired

FAINT = Denoise(sigma=Span(1e-6, 1e-6))


def picture_set(shapes: list[tuple[int, int]], channels: int = 1) -> ImageSet:
    rng = np.random.default_rng(0)
    images = tuple(rng.integers(256, size=(*s, channels), dtype=np.uint8) for s in shapes)
    return ImageSet(tuple(f"{i}" for i in range(len(shapes))), images)


def sampler(images: ImageSet, patch: int, batch: int = 16, seed: int = 0) -> PatchSampler:
    return PatchSampler(images, FAINT, patch_size=patch, batch_size=batch, seed=[seed])


@settings(max_examples=30)
@given(
    st.lists(st.tuples(st.integers(4, 9), st.integers(4, 9)), min_size=1, max_size=3),
    st.sampled_from([1, 3]),
    st.integers(0, 99),
)
def test_every_patch_is_a_flip_or_rotation_of_a_real_crop(
    shapes: list[tuple[int, int]], channels: int, index: int
) -> None:
    images = picture_set(shapes, channels)
    crops = set()
    for image in images.images:
        for y in range(image.shape[0] - 3):
            for x in range(image.shape[1] - 3):
                crop = image[y : y + 4, x : x + 4]
                for turns in range(4):
                    turned = np.rot90(crop, turns)
                    crops |= {turned.tobytes(), turned[:, ::-1].tobytes()}
    clean = sampler(images, 4).batch(index).clean
    patches = (clean * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert all(np.ascontiguousarray(patch).tobytes() in crops for patch in patches)


def test_all_eight_flips_and_rotations_occur() -> None:
    images = picture_set([(4, 4)])
    clean = sampler(images, 4, batch=200).batch(0).clean
    assert len({patch.numpy().tobytes() for patch in clean}) == 8


def test_all_places_are_equally_likely() -> None:
    """Two pictures with 1 and 9 places of a patch: one patch in ten comes from the first."""
    images = ImageSet(
        ("small", "large"),
        (np.zeros((4, 4, 1), np.uint8), np.full((6, 6, 1), 255, np.uint8)),
    )
    clean = sampler(images, 4, batch=4000).batch(0).clean
    assert (clean.mean(dim=(1, 2, 3)) == 0).float().mean().item() == pytest.approx(0.1, abs=0.02)


def test_a_batch_depends_on_seed_and_index_alone() -> None:
    images = picture_set([(20, 20), (30, 12)])
    one, other = sampler(images, 8), sampler(images, 8)
    one.batch(3)
    assert torch.equal(one.batch(7)[0], other.batch(7)[0])
    assert not torch.equal(one.batch(7)[1], one.batch(8)[1])
    assert not torch.equal(one.batch(7)[1], sampler(images, 8, seed=1).batch(7)[1])


def test_batches_are_channels_last() -> None:
    degraded, clean, mask = sampler(picture_set([(20, 20)], channels=3), 8).batch(0)
    assert mask is None
    for tensor in (degraded, clean):
        assert tensor.shape == (16, 3, 8, 8)
        assert tensor.is_contiguous(memory_format=torch.channels_last)


def test_a_picture_smaller_than_a_patch_is_named() -> None:
    images = ImageSet(("tiny.png",), (np.zeros((7, 30, 1), np.uint8),))
    with pytest.raises(InputError, match=r"tiny.png is 30x7.*--patch-size"):
        sampler(images, 8)


def test_pairs_are_cut_and_turned_together() -> None:
    plain = picture_set([(20, 24), (9, 30)], channels=3)
    pairs = ImageSet(plain.names, plain.images, tuple(255 - image for image in plain.images))
    batch = PatchSampler(pairs, Paired(), patch_size=8, batch_size=16, seed=[0]).batch(3)
    torch.testing.assert_close(batch.degraded, 1 - batch.clean)


def test_a_share_of_the_pairs_that_train_to_remove_rain_has_none() -> None:
    plain = picture_set([(20, 24), (9, 30)], channels=3)
    pairs = ImageSet(plain.names, plain.images, tuple(255 - image for image in plain.images))
    batch = PatchSampler(pairs, Derain(), patch_size=8, batch_size=4000, seed=[0]).batch(3)
    is_clean = (batch.degraded == batch.clean).all(dim=(1, 2, 3))
    assert is_clean.float().mean() == pytest.approx(0.05, abs=0.01)
    torch.testing.assert_close(batch.degraded[~is_clean], 1 - batch.clean[~is_clean])
    assert batch.degraded.is_contiguous(memory_format=torch.channels_last)


def test_rain_falls_in_patches_as_it_does_in_pictures() -> None:
    ramp = np.arange(200, dtype=np.uint8)[:, None, None] + np.zeros((1, 90, 3), np.uint8)
    across = ramp.transpose(1, 0, 2)
    images = ImageSet(("down", "across"), (ramp, across.copy()), (ramp, across.copy()))
    patches = PatchSampler(images, Derain(), patch_size=16, batch_size=200, seed=[0]).batch(0).clean
    down, right = (patches.diff(dim=axis)[..., :15, :15].mean(dim=(1, 2, 3)) for axis in (2, 3))
    assert {round(255 * float(step)) for step in down} == {0, 1}
    assert {round(255 * float(step)) for step in right} == {-1, 0, 1}


@pytest.mark.parametrize("task", [Denoise(sigma=Span(5, 50)), DeJpeg()])
def test_the_shares_of_a_batch_make_the_batch(task: Task) -> None:
    rng = np.random.default_rng(0)
    pictures = tuple(rng.integers(256, size=(48, 64, 1), dtype=np.uint8) for _ in range(3))
    images = ImageSet(("a", "b", "c"), pictures)

    def batch(share: slice | None) -> Batch:
        size: dict[str, Any] = {"patch_size": 16, "batch_size": 6, "seed": [1], "share": share}
        ends: dict[str, Any] = {"multiple": 8, "padded_share": 0.5, "reduce": 2.0}
        return PatchSampler(images, task, **size, **ends).batch(4)

    parts = zip(batch(None), batch(slice(0, 3)), batch(slice(3, 6)), strict=True)
    for whole, first, second in parts:
        assert whole is not None
        assert first is not None
        assert second is not None
        assert torch.equal(whole, torch.cat([first, second]))


def test_patches_end_as_pictures_do_which_the_network_pads() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 1), dtype=np.uint8)
    images = ImageSet(("a",), (pixels,))
    size: dict[str, Any] = {"patch_size": 16, "batch_size": 3, "seed": [0]}
    whole = PatchSampler(images, FAINT, **size)
    ended = PatchSampler(images, FAINT, **size, multiple=8, padded_share=0.5)
    shapes = []
    for index in range(60):
        (degraded, clean, mask), expected = ended.batch(index), whole.batch(index)
        assert mask is not None
        assert torch.equal(clean, expected.clean)
        for place in range(3):
            inside = mask[place, 0].bool()
            height, width = int(inside.any(1).sum()), int(inside.any(0).sum())
            assert inside[:height, :width].all()
            assert inside.sum() == height * width
            cut = expected.degraded[place : place + 1, :, :height, :width]
            assert torch.equal(degraded[place : place + 1], pad_to_multiple(cut, 8))
            shapes.append((height, width))
    assert {side for shape in shapes for side in shape} == set(range(9, 17))
    # Half of them end early; of those, one in 64 ends with the patch.
    assert np.mean([shape == (16, 16) for shape in shapes]) == pytest.approx(0.5, abs=0.12)


def test_half_of_the_patches_are_reduced_and_areas_keep_their_mean() -> None:
    """On slopes, a reduced patch is steeper by its factor, and just as bright."""
    rows, columns = np.mgrid[:200, :100]
    slope = (rows + 0 * columns).astype(np.uint8)[..., None]
    images = ImageSet(("a",), (slope,))
    sampler = PatchSampler(images, FAINT, patch_size=32, batch_size=400, seed=[0], reduce=2.0)
    clean = sampler.batch(0).clean[:, 0] * 255
    down, across = clean.diff(dim=1), clean.diff(dim=2)
    is_turned = across.abs().mean((1, 2)) > down.abs().mean((1, 2))
    steps = torch.where(is_turned[:, None], across.mean(1), down.mean(2)).abs()
    factors = steps.mean(1)
    # A picture is a staircase, and areas cover a little more or less than a step.
    torch.testing.assert_close(steps, factors[:, None].expand_as(steps), atol=0.25, rtol=0)
    is_reduced = (steps - 1).abs().amax(1) > 1e-3
    assert is_reduced.float().mean().item() == pytest.approx(0.5, abs=0.08)
    assert factors.min() > 0.98
    assert 1.95 < factors.max() < 2.02
    assert factors[is_reduced].mean().item() == pytest.approx(1.5, abs=0.06)
    assert clean.min() < 4
    assert clean.max() > 195


@settings(max_examples=25)
@given(st.integers(0, 999), st.sampled_from([1.3, 2.0, 3.0]), st.sampled_from([8, 16]))
def test_a_reduced_patch_is_the_mean_of_a_part_of_the_picture(
    index: int, reduce: float, patch: int
) -> None:
    """Its range and its mean lie within those of the picture; constant pictures stay constant."""
    images = picture_set([(patch, 2 * patch), (3 * patch, 5 * patch)], channels=3)
    flat = ImageSet(("flat",), (np.full((40, 60, 3), 77, np.uint8),))
    for pictures in (images, flat):
        sampler = PatchSampler(
            pictures, FAINT, patch_size=patch, batch_size=8, seed=[3], reduce=reduce
        )
        clean = sampler.batch(index).clean
        assert clean.shape == (8, 3, patch, patch)
        assert 0 <= clean.min() <= clean.max() <= 1 + 1e-6
    torch.testing.assert_close(clean, torch.full_like(clean, 77 / 255), atol=1e-5, rtol=0)


@given(height=st.integers(1, 20), width=st.integers(1, 20), multiple=st.sampled_from([1, 2, 8]))
def test_padding_reflects_what_there_is(height: int, width: int, multiple: int) -> None:
    image = torch.arange(height * width, dtype=torch.float32).view(1, 1, height, width)
    padded = pad_to_multiple(image, multiple)
    rows, columns = padded.shape[2:]
    assert rows % multiple == columns % multiple == 0
    assert 0 <= rows - height < multiple
    assert 0 <= columns - width < multiple
    for y in range(rows):
        for x in range(columns):
            from_y = y if y < height else max(2 * (height - 1) - y, 0)
            from_x = x if x < width else max(2 * (width - 1) - x, 0)
            assert padded[0, 0, y, x] == image[0, 0, from_y, from_x]
