from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from clearer.costs.cost import cost_table
from clearer.networks.network import RestorationNet
from clearer.networks.supernet import SuperNet
from clearer.space.space import PAPER_SPACE, STEMS, Architecture, SearchSpace, Stem
from tests.spaces import architectures

ALL_PARALLEL = Architecture.from_text("PPPP-PPPP-PPPP", PAPER_SPACE)
ALL_FUSION = Architecture.from_text("FFFF-FFFF-FFFF", PAPER_SPACE)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_of_the_paper_super_network() -> None:
    supernet = SuperNet(PAPER_SPACE)
    assert count(supernet) - supernet.alpha.numel() == 12_558_144


def test_parameters_outside_the_columns() -> None:
    assert cost_table(PAPER_SPACE, "params").fixed == 526_656
    supernet = SuperNet(PAPER_SPACE)
    outside = (supernet.input, supernet.transitions, supernet.output)
    assert sum(count(module) for module in outside) == 526_656


@pytest.mark.parametrize(
    ("architecture", "params"), [(ALL_PARALLEL, 8_723_264), (ALL_FUSION, 4_361_536)]
)
def test_parameters_of_the_paper_extremes(architecture: Architecture, params: int) -> None:
    assert cost_table(PAPER_SPACE, "params").cost(architecture) == params
    assert count(RestorationNet(architecture)) == params


@pytest.mark.parametrize(
    ("cell", "parallel", "fusion"),
    [(0, 92_544, 20_672), (1, 387_968, 153_536), (2, 1_568_640, 784_512)],
)
def test_parameters_of_the_paper_columns(cell: int, parallel: int, fusion: int) -> None:
    assert cost_table(PAPER_SPACE, "params").choices[4 * cell] == (parallel, fusion)
    column = SuperNet(PAPER_SPACE).cells[cell].get_submodule("0")
    assert count(column.get_submodule("blocks")) == parallel
    assert sum(count(column.get_submodule(name)) for name in ("down", "up")) == fusion


@settings(max_examples=30)
@given(architectures())
def test_parameters_are_counted_in_any_space(architecture: Architecture) -> None:
    table = cost_table(architecture.space, "params")
    assert table.cost(architecture) == count(RestorationNet(architecture))
    assert table.cheapest <= table.cost(architecture) <= table.most_expensive


def test_sizes_of_table_5_of_the_paper_can_be_met() -> None:
    table = cost_table(PAPER_SPACE, "params")
    sizes = np.array([table.cost(a) / 1e6 for a in PAPER_SPACE.architectures()])
    for published in (4.36, 4.59, 6.07, 6.31, 7.25, 7.63):
        assert abs(sizes - published).min() < 0.01


def test_macs_of_the_paper_space() -> None:
    table = cost_table(PAPER_SPACE, "macs")
    assert table.fixed == 96_320
    assert round(table.cheapest / 1000) == 294
    assert round(table.most_expensive / 1000) == 760


def test_the_space_knows_125_different_costs() -> None:
    table = cost_table(PAPER_SPACE, "params")
    assert len({table.cost(a) for a in PAPER_SPACE.architectures()}) == 125


@settings(max_examples=25)
@given(architectures())
def test_tables_agree_with_the_network_that_torch_builds(architecture: Architecture) -> None:
    if architecture.space.scale_width(architecture.space.num_scales) > 256:
        return
    network = RestorationNet(architecture).eval()
    assert cost_table(architecture.space, "params").cost(architecture) == count(network)
    side = architecture.space.multiple
    macs = measured_macs(network, side)
    assert cost_table(architecture.space, "macs").cost(architecture) == macs / side**2


def measured_macs(network: RestorationNet, side: int) -> int:
    """Multiply-accumulates of the convolutions that run, by their real output sizes."""
    image = torch.zeros(1, network.architecture.space.channels, side, side)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        network(image)
    flops: dict[object, int] = counter.get_flop_counts()["Global"]
    return sum(number for kind, number in flops.items() if "conv" in str(kind)) // 2


@given(st.integers(2, 64), st.sampled_from([1, 2]), st.sampled_from(STEMS))
def test_cheapest_and_most_expensive_bound_every_cost(
    width: int, unshuffle: int, stem: Stem
) -> None:
    space = SearchSpace(width=width, unshuffle=unshuffle, stem=stem, columns=(2, 2))
    metrics: tuple[Literal["params", "macs", "mb"], ...] = ("params", "macs", "mb")
    for metric in metrics:
        table = cost_table(space, metric)
        costs = [table.cost(a) for a in space.architectures()]
        assert min(costs) == pytest.approx(table.cheapest)
        assert max(costs) == pytest.approx(table.most_expensive)
