from __future__ import annotations

from dataclasses import replace

import torch
from hypothesis import given, settings

from clearer.networks.network import RestorationNet
from clearer.space.receptive_field import Reach, effective_field, receptive_field
from clearer.space.space import PAPER_SPACE, Architecture, SearchSpace
from tests.spaces import architectures


def wide_open_network(architecture: Architecture) -> RestorationNet:
    """A network with positive weights: no ReLU cuts off a path, and none cancels another."""
    torch.manual_seed(0)
    network = RestorationNet(architecture).double().eval()
    for parameter in network.parameters():
        if parameter.ndim == 4:
            torch.nn.init.uniform_(parameter, 0.05, 0.15)
    return network


def measured(architecture: Architecture) -> Reach:
    """The reach by the gradient of each output pixel of one period, along a row."""
    space, bound = architecture.space, receptive_field(architecture)
    network = wide_open_network(architecture)
    start = (-(-bound.before // space.multiple) + 1) * space.multiple
    width = start + space.multiple + bound.after + 3
    image = torch.rand(
        1, space.channels, space.multiple, width, dtype=torch.float64, requires_grad=True
    )
    restored = network(image)
    before = after = 0
    for x in range(start, start + space.multiple):
        total = restored[..., x].sum()
        (gradient,) = torch.autograd.grad(total, image, retain_graph=True)
        seen = gradient[0].abs().sum((0, 1)).nonzero()[:, 0]
        before, after = max(before, x - int(seen[0])), max(after, int(seen[-1]) - x)
    return Reach(before, after)


@settings(max_examples=15)
@given(architectures(max_width=2))
def test_the_bound_is_what_gradients_show(architecture: Architecture) -> None:
    assert measured(architecture) == receptive_field(architecture)


def test_columns_and_rows_are_alike_and_nothing_else_counts() -> None:
    space = SearchSpace(width=2, columns=(1, 1), unshuffle=2)
    architecture = Architecture.from_text("P-F", space)
    reach = receptive_field(architecture)
    network = RestorationNet(architecture).eval()
    side = 2 * space.multiple * (reach.size // space.multiple + 1)
    image = torch.rand(1, 1, side, side)
    place = side // 2 + 3
    with torch.inference_mode():
        before = network(image)[0, 0, place, place].clone()
        other = image + 1
        other[..., place - reach.before : place + reach.after + 1, :] = image[
            ..., place - reach.before : place + reach.after + 1, :
        ]
        assert network(other)[0, 0, place, place] == before
        assert network(other.transpose(2, 3))[0, 0, place, place] != before
        inside = image.clone()
        inside[..., place, place] += 1
        assert network(inside)[0, 0, place, place] != before


def test_known_reach() -> None:
    """Two 3x3 convolutions before the scales, and two per module on the lowest of four scales."""
    assert receptive_field(Architecture.uniform(PAPER_SPACE, "parallel")) == Reach(128, 121)
    smallest = SearchSpace(width=2, columns=(1,))
    # Down by 2 (1 pixel of the finest scale), a block there (4), back up, and 2 for the first two.
    assert receptive_field(Architecture.uniform(smallest, "parallel")) == Reach(8, 7)


def test_the_effective_field_of_a_stack_of_convolutions() -> None:
    """Each 3x3 convolution adds a variance of 2/3: with a stem and 9 blocks, 3 sqrt(19 * 2/3)."""
    space = SearchSpace(width=2, columns=(9,), stem="conv", first_scales=1, gates=True)
    assert effective_field(Architecture.from_text("P" * 9, space)) == Reach(11, 11)
    halved = replace(space, unshuffle=2)  # and that of the blocks of 2x2 pixels, 1/4
    assert effective_field(Architecture.from_text("P" * 9, halved)) == Reach(22, 22)
    one = replace(space, columns=(1,))
    assert effective_field(Architecture.from_text(".", one)) == receptive_field(
        Architecture.from_text(".", one)
    )


@settings(max_examples=15)
@given(architectures(max_width=2))
def test_nearly_all_that_matters_lies_in_the_effective_field(architecture: Architecture) -> None:
    """By the gradient, with equal weights: the spread is at most that of the widest path."""
    space, field = architecture.space, effective_field(architecture)
    bound = receptive_field(architecture)
    assert field.before <= bound.before
    assert field.after <= bound.after
    network = wide_open_network(architecture)
    start = (-(-bound.before // space.multiple) + 1) * space.multiple
    width = start + space.multiple + bound.after + 3
    image = torch.rand(1, space.channels, space.multiple, width, dtype=torch.float64)
    image.requires_grad_()
    place = start + space.multiple // 2
    (gradient,) = torch.autograd.grad(network(image)[..., place].sum(), image)
    seen = gradient[0].abs().sum((0, 1))
    inside = seen[place - field.before : place + field.after + 1].sum()
    assert inside > 0.97 * seen.sum()
