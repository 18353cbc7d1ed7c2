"""Networks with fewer channels, and without some of their columns."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from clearer.errors import InputError
from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.operations.identity import IDENTITY
from clearer.operations.layers import batch_norms
from clearer.pruning.channels import Group, Kept, check_prunable, layers_of, with_channels
from clearer.space.space import Architecture, SearchSpace
from tests.clearer.networks.test_supernet import randomize
from tests.spaces import spaces

FREE = SearchSpace(
    width=6,
    columns=(1, 2, 2, 1),
    stem="conv",
    residual=True,
    growth=1.0,
    first_scales=1,
    gates=True,
    operations=("parallel", "swish", "fusion"),
)
NETWORKS = {
    "paper's columns": ("PF-FP", SearchSpace(width=6, columns=(2, 2), stem="conv")),
    "swish, and 4 scales": (
        "W-[.W][FP]-[FWP][..F]-[FPFF]",
        replace(FREE, unshuffle=2, channels=3),
    ),
    "level map": ("P-[F.][.F]-[PFW][F..]-[..FF]", replace(FREE, level_map=True)),
    "odd widths": (
        "P-[F.][.F]-[PFF][F..]-[...F]",
        replace(FREE, width=5, growth=2.0, widths=(5, 9, 3, 7)),
    ),
    "nothing but the ends": (".-..", SearchSpace(width=3, columns=(1, 2), stem="conv", gates=True)),
}


def network_of_kind(kind: str) -> RestorationNet:
    return trained(Architecture.from_text(*NETWORKS[kind]))


def trained(architecture: Architecture) -> RestorationNet:
    """A network with random weights and statistics, as after training."""
    torch.manual_seed(0)
    network = RestorationNet(architecture).eval()
    randomize(network)
    return network


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Any architecture that can be cut."""
    space = draw(spaces(max_width=6).filter(lambda space: space.stem == "conv"))
    space = replace(
        space, operations=("parallel", "swish", "fusion"), level_map=draw(st.booleans())
    )
    choices = [
        draw(st.sampled_from([c for c, has in zip(space.candidates, row, strict=True) if has]))
        for row in space.allowed()
    ]
    return Architecture(space=space, choices=tuple(choices))


def groups_of(network: RestorationNet) -> dict[Group, int]:
    """Each group, and its number of channels."""
    return {
        layer.writes: network.get_parameter(f"{layer.conv}.weight").shape[0]
        for layer in layers_of(network)
        if layer.writes is not None
    }


def silence(network: RestorationNet, group: Group, channels: torch.Tensor) -> None:
    """Let all that writes a group write zeros in some channels."""
    for layer in layers_of(network):
        if layer.writes == group:
            assert layer.norm is not None
            for name in ("weight", "bias"):
                with torch.no_grad():
                    network.get_parameter(f"{layer.norm}.{name}")[channels] = 0


def cut_all(network: RestorationNet) -> tuple[Kept, RestorationNet]:
    """Silence about half of all channels; say which are left, and cut the others."""
    kept: dict[Group, torch.Tensor] = {}
    for group, width in groups_of(network).items():
        generator = torch.Generator().manual_seed(len(kept))
        left = max(2, network.architecture.space.scale_width(group.scale) // 2)
        order = torch.randperm(width, generator=generator)
        kept[group] = order[:left].sort().values
        silence(network, group, order[left:])
    return kept, with_channels(network, kept)


@pytest.mark.parametrize("kind", NETWORKS)
def test_every_layer_is_found_once_with_what_it_connects(kind: str) -> None:
    network = network_of_kind(kind)
    layers = layers_of(network)
    convs = [n for n, m in network.named_modules() if isinstance(m, nn.Conv2d)]
    norms = [n for n, m in network.named_modules() if m in set(batch_norms(network))]
    assert sorted(layer.conv for layer in layers) == sorted(convs)
    assert sorted(layer.norm for layer in layers if layer.norm) == sorted(norms)
    widths = groups_of(network)
    space = network.architecture.space
    for layer in layers:
        outputs, inputs = network.get_parameter(f"{layer.conv}.weight").shape[:2]
        image = space.channels * space.unshuffle**2
        assert outputs == (image if layer.writes is None else widths[layer.writes])
        assert inputs == (space.first_planes if layer.reads is None else widths[layer.reads])
    for group, width in widths.items():
        assert width == space.scale_width(group.scale)


@pytest.mark.parametrize("kind", NETWORKS)
def test_channels_that_are_zero_can_go(kind: str) -> None:
    network = network_of_kind(kind)
    space = network.architecture.space
    image = torch.rand(2, space.input_planes, 40, 24)
    before = network(image).detach()
    kept, cut = cut_all(network)
    assert not torch.allclose(network(image), before, atol=1e-3)  # what was silenced mattered
    torch.testing.assert_close(cut(image), network(image), rtol=1e-4, atol=1e-5)
    widths = tuple(len(kept[Group(scale)]) for scale in range(space.num_scales))
    assert cut.architecture.space.widths == widths
    assert not cut.training


@settings(max_examples=25)
@given(architectures())
def test_zero_channels_of_any_network_can_go(architecture: Architecture) -> None:
    network = trained(architecture)
    _, cut = cut_all(network)
    image = torch.rand(1, architecture.space.input_planes, 16, 24)
    with torch.inference_mode():
        torch.testing.assert_close(cut(image), network(image), rtol=1e-4, atol=1e-4)


def test_what_is_cut_stays_as_it_was() -> None:
    network = network_of_kind("level map")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    architecture = network.architecture
    kept = {group: torch.tensor([0, 3]) for group in groups_of(network) if group.scale == 0}
    cut = with_channels(network, kept, (1, 0))
    with torch.no_grad():
        for tensor in cut.state_dict().values():
            tensor.zero_()
    assert network.architecture is architecture
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name


@pytest.mark.parametrize(
    ("kind", "place", "index"),
    [
        ("swish, and 4 scales", 1, 0),
        ("swish, and 4 scales", 2, 1),
        ("level map", 1, 1),
        ("odd widths", 2, 0),
    ],
)
def test_a_column_that_is_left_out_is_one_that_passes_on(kind: str, place: int, index: int) -> None:
    network = network_of_kind(kind)
    old = network.architecture
    cut = with_channels(network, {}, (place, index))
    assert cut.architecture.cells[place] == tuple(
        column for other, column in enumerate(old.cells[place]) if other != index
    )
    same = RestorationNet(_passing_on(old, place, index)).eval()
    state = network.state_dict()
    same.load_state_dict({name: state[name] for name in same.state_dict()})
    image = torch.rand(1, old.space.input_planes, 32, 24)
    with torch.inference_mode():
        assert torch.equal(cut(image), same(image))
        assert not torch.allclose(cut(image), network(image), atol=1e-3)


def _passing_on(architecture: Architecture, place: int, index: int) -> Architecture:
    cells = [list(cell) for cell in architecture.cells]
    cells[place][index] = (IDENTITY.name,) * len(cells[place][index])
    choices = tuple(choice for cell in cells for column in cell for choice in column)
    return replace(architecture, choices=choices)


def test_a_column_without_gates_is_left_out() -> None:
    """It only adds: without its weights, it passes on what is not negative."""
    network = network_of_kind("paper's columns")
    cut = with_channels(network, {}, (0, 1))
    assert cut.architecture.text == "P-FP"
    with torch.no_grad():
        for norm in batch_norms(network.cells[0].get_submodule("1")):
            norm.weight.zero_()
            norm.bias.zero_()
    image = torch.rand(1, 1, 32, 24)
    torch.testing.assert_close(cut(image), network(image))


def test_a_cut_network_is_saved_and_read(tmp_path_factory: pytest.TempPathFactory) -> None:
    _, cut = cut_all(network_of_kind("odd widths"))
    path = tmp_path_factory.mktemp("cut") / "weights.safetensors"
    save_network(path, cut.architecture, cut.state_dict(), {})
    again, _ = load_network(path)
    image = torch.rand(1, 1, 16, 16)
    assert again.architecture == cut.architecture
    assert torch.equal(again(image), cut(image))


def test_all_that_is_left_learns() -> None:
    _, cut = cut_all(network_of_kind("swish, and 4 scales"))
    cut.train()
    cut(torch.rand(2, 3, 32, 32)).square().mean().backward()
    without = [name for name, value in cut.named_parameters() if value.grad is None]
    assert not without


def test_bottlenecks_cannot_be_cut() -> None:
    with pytest.raises(InputError, match="mine has the stem bottlenecks.*--stem conv"):
        check_prunable("mine", SearchSpace())
    check_prunable("mine", FREE)
