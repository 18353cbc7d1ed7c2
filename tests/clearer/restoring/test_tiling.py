from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.errors import ClearerError, InputError
from clearer.networks.network import RestorationNet
from clearer.restoring.evaluate import torch_restorer
from clearer.restoring.restore import default_plan
from clearer.restoring.tiling import TilePlan, restore_tiles, spans
from clearer.space.receptive_field import Reach, receptive_field
from clearer.space.space import Architecture, SearchSpace


@given(
    length=st.integers(1, 400),
    multiple=st.sampled_from((1, 2, 8, 16)),
    margins=st.tuples(st.integers(0, 4), st.integers(0, 4)),
    extra=st.integers(0, 90),
)
def test_spans_cover_an_axis_once(
    length: int, multiple: int, margins: tuple[int, int], extra: int
) -> None:
    before, after = (margin * multiple for margin in margins)
    side = before + after + multiple + extra
    found = spans(length, side, (before, after), multiple)
    assert found[0].keep_start == found[0].read_start == 0
    assert found[-1].keep_stop == found[-1].read_stop == length
    for one, other in itertools.pairwise(found):
        assert one.keep_stop == other.keep_start
    for span in found:
        assert span.keep_start < span.keep_stop
        assert span.read_stop - span.read_start <= side
        assert span.read_start % multiple == 0
        assert span.read_start == 0 or span.keep_start - span.read_start == before
        if span.read_stop < length:
            assert span.read_stop - span.keep_stop == after
            assert span.read_stop % multiple == 0


def tiny_network(text: str, space: SearchSpace) -> RestorationNet:
    """A random network with activations of ordinary size, so that a wrong seam shows."""
    torch.manual_seed(1)
    network = RestorationNet(Architecture.from_text(text, space)).eval()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            torch.nn.init.kaiming_normal_(parameter)
    torch.nn.init.normal_(network.output.head.weight, std=0.02)
    return network


@settings(max_examples=12)
@given(
    text=st.sampled_from(("P-P", "P-F", "F-P", "F-F")),
    unshuffle=st.sampled_from((1, 2)),
    height=st.integers(1, 130),
    width=st.integers(90, 200),
    extra=st.integers(0, 40),
)
def test_tiles_of_the_receptive_field_give_the_whole_picture(
    text: str, unshuffle: int, height: int, width: int, extra: int
) -> None:
    space = SearchSpace(width=2, columns=(1, 1), unshuffle=unshuffle, residual=True)
    network = tiny_network(text, space)
    field = receptive_field(network.architecture)
    least = TilePlan(side=1000, overlap=field, multiple=space.multiple).least_side
    plan = TilePlan(side=least + extra, overlap=field, multiple=space.multiple)
    pixels = np.random.default_rng(0).integers(65536, size=(height, width, 1), dtype=np.uint16)
    restore = torch_restorer(network)
    whole = restore_tiles(restore, pixels, TilePlan(side=1000, overlap=field))
    tiled = restore_tiles(restore, pixels, plan)
    assert plan.count(height, width) > 1 or width <= plan.side
    # Convolutions of other sizes sum in another order: one of 65535 levels may differ.
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_too_small_an_overlap_or_a_shifted_grid_shows() -> None:
    """The test above would find it."""
    space = SearchSpace(width=2, columns=(1, 1), unshuffle=2, residual=True)
    network = tiny_network("P-P", space)
    restore = torch_restorer(network)
    pixels = np.random.default_rng(0).integers(65536, size=(40, 200, 1), dtype=np.uint16)
    field = receptive_field(network.architecture)
    whole = restore_tiles(restore, pixels, TilePlan(side=1000, overlap=field)).astype(int)
    small = TilePlan(side=64, overlap=Reach(8, 8), multiple=space.multiple)
    assert np.abs(whole - restore_tiles(restore, pixels, small)).max() > 100
    shifted = TilePlan(side=131, overlap=Reach(45, 45), multiple=1)
    assert np.abs(whole - restore_tiles(restore, pixels, shifted)).max() > 100


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_every_level_survives_an_identity(dtype: type[np.uint8] | type[np.uint16]) -> None:
    levels: Any = np.arange(np.iinfo(dtype).max + 1, dtype=dtype).reshape(16, -1, 1)
    seen: list[tuple[int, int]] = []
    plan = TilePlan(side=300, overlap=Reach(3, 5), multiple=8)
    same = restore_tiles(lambda x: x, levels, plan, lambda done, total: seen.append((done, total)))
    assert same.dtype == dtype
    assert (same == levels).all()
    total = plan.count(*levels.shape[:2])
    assert seen == [(done, total) for done in range(total + 1)]


def test_values_are_clipped_and_no_number_is_refused() -> None:
    pixels = np.full((4, 4, 1), 200, np.uint8)
    plan = TilePlan(side=8, overlap=Reach(0, 0))
    assert (restore_tiles(lambda x: x + 1, pixels, plan) == 255).all()
    assert (restore_tiles(lambda x: x - 1, pixels, plan) == 0).all()
    with pytest.raises(ClearerError, match="NaN or infinite"):
        restore_tiles(lambda x: x * np.nan, pixels, plan)


def test_default_plans() -> None:
    wide = Architecture.from_text("PPPP-PPPP-PPPP", SearchSpace(width=32))
    plan = default_plan(wide)
    assert plan.overlap == Reach(65, 65)
    assert plan.side >= 2 * plan.least_side
    assert default_plan(wide, overlap=10_000).overlap == receptive_field(wide)
    small = default_plan(Architecture.from_text("P-P", SearchSpace(width=4, columns=(1, 1))))
    assert small.side > 700
    assert default_plan(None, overlap=300).side > 600
    with pytest.raises(InputError, match="--tile 100 is too small"):
        default_plan(wide, side=100)
