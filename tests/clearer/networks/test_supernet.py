from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.networks.freeze import inherit_weights
from clearer.networks.network import FrozenColumn, RestorationNet
from clearer.networks.supernet import MixedColumn, SuperNet
from clearer.operations.layers import ResidualBlock
from clearer.space.space import Architecture, SearchSpace
from tests.spaces import architectures

SPACE = SearchSpace(width=4, columns=(2, 2, 2), residual=True)


def randomize(module: nn.Module, seed: int = 0) -> None:
    """Random weights and normalisation statistics: nothing is 0 or 1 by initialisation."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point() and name != "alpha":
            low, high = (0.5, 1.5) if "running_var" in name else (-0.5, 0.5)
            tensor.copy_(torch.empty_like(tensor).uniform_(low, high, generator=generator))


def random_features(space: SearchSpace, num_scales: int) -> list[Tensor]:
    return [torch.randn(2, space.scale_width(s), 16 >> s, 16 >> s) for s in range(num_scales)]


def only(column: MixedColumn, candidate: int, features: list[Tensor]) -> list[Tensor]:
    """What one candidate computes for all scales."""
    row = torch.zeros(1, len(column.operations))
    row[0, candidate] = 1
    return column(features, row)  # type: ignore[no-any-return]


def test_both_candidates_read_the_same_input() -> None:
    """The mixture holds fusion(x), not fusion(parallel(x)), and leaves x unchanged."""
    column = MixedColumn(SPACE, 3).eval()
    randomize(column)
    features = random_features(SPACE, 3)
    before = [x.clone() for x in features]
    parallel = only(column, 0, [x.clone() for x in before])
    mixed = column(features, torch.tensor([[0.25, 0.75]]))
    fused = [(out - 0.25 * p) / 0.75 for out, p in zip(mixed, parallel, strict=True)]
    for out, expected in zip(fused, only(column, 1, before), strict=True):
        torch.testing.assert_close(out, expected)
    aliased = only(column, 1, parallel)
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(fused, aliased, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(features, before, strict=True))


def test_equation_1_is_the_weighted_sum_of_the_candidates() -> None:
    column = MixedColumn(SPACE, 2).eval()
    randomize(column)
    features = random_features(SPACE, 2)
    mixed = column(features, torch.tensor([[0.3, 0.7]]))
    candidates = zip(mixed, only(column, 0, features), only(column, 1, features), strict=True)
    for out, parallel, fusion in candidates:
        torch.testing.assert_close(out, 0.3 * parallel + 0.7 * fusion)


def test_with_gates_each_scale_is_a_sum_of_its_own() -> None:
    space = replace(SPACE, gates=True)
    column = MixedColumn(space, 3).eval()
    randomize(column)
    features = random_features(space, 3)
    op_weights = torch.tensor([[0.2, 0.3, 0.5], [0.0, 0.0, 1.0], [0.6, 0.4, 0.0]])
    mixed = column(features, op_weights)
    blocks, fused = only(column, 0, features), only(column, 1, features)
    for row, out, *parts in zip(op_weights, mixed, blocks, fused, features, strict=True):
        torch.testing.assert_close(out, sum(w * part for w, part in zip(row, parts, strict=True)))
    assert torch.equal(mixed[1], features[1])


def test_a_candidate_without_weight_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    column = MixedColumn(SPACE, 2).eval()
    randomize(column)
    features = random_features(SPACE, 2)
    expected = only(column, 1, features)
    monkeypatch.delattr(ResidualBlock, "forward")
    for out, fused in zip(only(column, 1, features), expected, strict=True):
        assert torch.equal(out, fused)


def test_fusion_is_the_relu_of_the_sum_over_all_scales() -> None:
    """The definition, written out: each source is brought to the target's resolution."""
    module = FrozenColumn(SPACE, ("fusion",) * 4).eval()
    randomize(module)
    features = random_features(SPACE, 4)
    for target, out in enumerate(module(features)):
        total = features[target].clone()
        for source, x in enumerate(features):
            if source < target:
                total += module.get_submodule(f"down.{target}.{source}")(x)
            elif source > target:
                up = module.get_submodule(f"up.{target}.{source - target - 1}")(x)
                factor = 2 ** (source - target)
                total += up.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
        torch.testing.assert_close(out, total.relu(), rtol=1e-4, atol=1e-4)


@settings(max_examples=20)
@given(architectures())
def test_frozen_network_equals_one_hot_supernet(architecture: Architecture) -> None:
    space = architecture.space
    supernet = SuperNet(space).eval()
    randomize(supernet)
    one_hot = torch.tensor(
        [[float(choice == name) for name in space.candidates] for choice in architecture.choices]
    )
    image = torch.rand(1, space.channels, 32, 48)
    with torch.inference_mode():
        expected = supernet(image, one_hot)
        restored = inherit_weights(supernet, architecture).eval()(image)
    torch.testing.assert_close(restored, expected, rtol=1e-4, atol=1e-5)


@settings(max_examples=10)
@given(architectures())
def test_a_network_has_the_layers_that_were_chosen_and_no_others(
    architecture: Architecture,
) -> None:
    network = RestorationNet(architecture)
    for cell, columns in zip(architecture.cells, network.cells, strict=True):
        for chosen, column in zip(cell, columns.children(), strict=True):
            assert isinstance(column, FrozenColumn)
            blocks = {str(scale) for scale, c in enumerate(chosen) if c == "parallel"}
            fused = {str(scale) for scale, c in enumerate(chosen) if c == "fusion"}
            for part, scales in (("blocks", blocks), ("down", fused), ("up", fused)):
                assert {name for name, _ in column.get_submodule(part).named_children()} == scales


def test_what_a_choice_does_not_have_is_never_drawn() -> None:
    """On a single scale there is nothing to fuse."""
    space = SearchSpace(width=2, columns=(2, 1), stem="conv", first_scales=1, gates=True)
    op_weights = SuperNet(space).op_weights()
    torch.testing.assert_close(op_weights[0], torch.tensor([0.5, 0.0, 0.5]))
    torch.testing.assert_close(op_weights[2], torch.full((3,), 1 / 3))


def test_the_frozen_network_has_no_trace_of_the_search() -> None:
    network = RestorationNet(Architecture.from_text("PP-FP-PF", SPACE))
    assert not any("alpha" in name for name, _ in network.named_parameters())
    assert not any(isinstance(module, MixedColumn) for module in network.modules())


def test_weight_and_architecture_parameters_are_disjoint_and_complete() -> None:
    supernet = SuperNet(SPACE)
    weights = list(supernet.weight_parameters())
    assert all(weight is not supernet.alpha for weight in weights)
    assert len(weights) + 1 == len(list(supernet.parameters()))


@settings(max_examples=15)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2]))
def test_any_image_size_comes_back(height: int, width: int, unshuffle: int) -> None:
    space = SearchSpace(width=2, columns=(1, 1, 1), unshuffle=unshuffle)
    network = RestorationNet(Architecture.from_text("P-F-P", space)).eval()
    image = torch.rand(1, 1, height, width)
    with torch.inference_mode():
        assert network(image).shape == image.shape


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_an_untrained_residual_network_returns_its_input(unshuffle: int) -> None:
    space = SearchSpace(width=4, columns=(1, 1), unshuffle=unshuffle, residual=True)
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    image = torch.rand(1, 1, 19, 23)
    with torch.inference_mode():
        assert torch.equal(network(image), image)
