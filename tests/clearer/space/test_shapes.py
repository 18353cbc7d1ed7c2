"""U shapes: members of spaces with gates, as wide as fits, then filled."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.costs.cost import network_cost
from clearer.networks.network import RestorationNet
from clearer.space.shapes import Fits, Shape, shapes_within, smallest_network, without_a_block
from clearer.space.space import Architecture, SearchSpace
from tests.spaces import architectures

SPACE = SearchSpace(residual=True)
U = SearchSpace(width=4, stem="conv", first_scales=1, gates=True)


def within(limit: float) -> Fits:
    return lambda architecture: network_cost(architecture, "params") <= limit


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    octaves = draw(st.integers(1, 3))
    sides = st.lists(st.integers(0, 3), min_size=octaves, max_size=octaves).map(tuple)
    space = replace(
        U,
        width=draw(st.integers(2, 6)),
        unshuffle=draw(st.sampled_from((1, 2))),
        growth=draw(st.sampled_from((1.5, 2.0))),
    )
    return Shape(space, draw(sides), draw(st.integers(0, 3)), draw(sides))


@settings(max_examples=30)
@given(shapes())
def test_a_shape_is_a_member_of_its_space_with_the_blocks_it_says(shape: Shape) -> None:
    architecture = shape.architecture()
    assert Architecture.from_text(architecture.text, architecture.space) == architecture
    assert Architecture.from_json(architecture.to_json()) == architecture
    assert architecture.space.num_scales == len(shape.down) + 1
    blocks = sum(shape.down) + shape.bottom + sum(shape.up)
    assert architecture.choices.count("parallel") == blocks
    image = torch.rand(1, 1, 17, 22)
    with torch.inference_mode():
        assert RestorationNet(architecture).eval()(image).shape == image.shape


def test_the_text_goes_down_and_comes_up_again() -> None:
    assert Shape(U, (2,), 1, (1,)).architecture().text == "PP-[.P][F.][P.]"
    assert Shape(U, (1, 0), 2, (0, 3)).architecture().text == "P-.-[..P][..P][.F.][.P.][.P.][.P.]"


@settings(max_examples=30)
@given(shapes())
def test_growing_adds_one_block_and_begins_at_the_bottom(shape: Shape) -> None:
    blocks = shape.architecture().choices.count("parallel")
    grown = list(shape.grown())
    assert [s.architecture().choices.count("parallel") for s in grown] == [blocks + 1] * len(grown)
    assert len(set(grown)) == len(grown) == 1 + 2 * len(shape.down)
    assert grown[0] == replace(shape, bottom=shape.bottom + 1)


@pytest.mark.parametrize("limit", [4_000, 60_000, 600_000])
def test_every_shape_fits_and_no_block_more_does(limit: float) -> None:
    fits = within(limit)
    found = shapes_within(SPACE, fits)
    kinds = [(s.space.unshuffle, s.space.growth, len(s.down)) for s in found]
    assert found
    assert all(kinds.count(kind) <= 2 for kind in kinds)
    for shape in found:
        assert shape.space.channels == SPACE.channels
        assert shape.space.residual
        assert fits(shape.architecture())
        assert not any(fits(more.architecture()) for more in shape.grown())


def test_the_limit_of_blocks_ends_what_always_fits() -> None:
    found = shapes_within(SPACE, lambda architecture: True, width=4, unshuffle=2)
    assert {(s.down, s.bottom, s.up) for s in found} == {((4,) * n, 8, (4,) * n) for n in (1, 2, 3)}


def test_width_and_unshuffle_of_the_user_are_kept() -> None:
    found = shapes_within(SPACE, within(300_000), width=20, unshuffle=2)
    assert found
    assert {(s.space.width, s.space.unshuffle) for s in found} == {(20, 2)}


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_what_the_smallest_network_meets_has_shapes_and_nothing_less_has(unshuffle: int) -> None:
    smallest = smallest_network(SPACE, unshuffle=unshuffle)
    limit = network_cost(smallest, "params")
    (shape,) = shapes_within(SPACE, within(limit), unshuffle=unshuffle)[:1]
    assert network_cost(shape.architecture(), "params") == limit
    assert not shapes_within(SPACE, within(limit - 1), unshuffle=unshuffle)


@settings(max_examples=40)
@given(architectures())
def test_blocks_go_one_by_one_the_finest_first(architecture: Architecture) -> None:
    if not architecture.space.gates:
        return
    number = architecture.choices.count("parallel")
    scales = [scales[0] for _, scales in architecture.space.choice_scales()]
    for left in reversed(range(number)):
        smaller = without_a_block(architecture)
        assert smaller is not None
        assert smaller.space == architecture.space
        assert smaller.choices.count("parallel") == left
        changed = [i for i, c in enumerate(architecture.choices) if c != smaller.choices[i]]
        blocks = [i for i, c in enumerate(architecture.choices) if c == "parallel"]
        finest = min(scales[i] for i in blocks)
        assert changed == [max(i for i in blocks if scales[i] == finest)]
        assert network_cost(smaller, "params") < network_cost(architecture, "params")
        architecture = smaller
    assert without_a_block(architecture) is None
