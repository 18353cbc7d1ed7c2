from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.blocks import FusionModule
from clearer.freeze import inherit_weights
from clearer.network import RestorationNet
from clearer.space import CHOICES, Architecture, Entry, SearchSpace
from clearer.supernet import MixedColumn, SuperNet

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


def test_both_candidates_read_the_same_input() -> None:
    """The mixture holds fusion(x), not fusion(parallel(x)); and x is left as it was."""
    column = MixedColumn(SPACE, 3).eval()
    randomize(column)
    features = random_features(SPACE, 3)
    before = [x.clone() for x in features]
    parallel = column.parallel([x.clone() for x in before])
    mixed = column(features, torch.tensor([0.25, 0.75]))
    fused = [(out - 0.25 * p) / 0.75 for out, p in zip(mixed, parallel, strict=True)]
    for out, expected in zip(fused, column.fusion(before), strict=True):
        torch.testing.assert_close(out, expected)
    aliased = column.fusion(parallel)
    assert all((a - b).abs().max() > 1e-3 for a, b in zip(fused, aliased, strict=True))
    assert all(torch.equal(x, y) for x, y in zip(features, before, strict=True))


def test_equation_1_is_the_weighted_sum_of_the_candidates() -> None:
    column = MixedColumn(SPACE, 2).eval()
    randomize(column)
    features = random_features(SPACE, 2)
    mixed = column(features, torch.tensor([0.3, 0.7]))
    candidates = zip(mixed, column.parallel(features), column.fusion(features), strict=True)
    for out, parallel, fusion in candidates:
        torch.testing.assert_close(out, 0.3 * parallel + 0.7 * fusion)


def test_a_candidate_without_weight_is_not_run(monkeypatch: pytest.MonkeyPatch) -> None:
    column = MixedColumn(SPACE, 2).eval()
    randomize(column)
    features = random_features(SPACE, 2)
    expected = column.fusion(features)
    monkeypatch.delattr(type(column.parallel), "forward")
    for out, fused in zip(column(features, torch.tensor([0.0, 1.0])), expected, strict=True):
        assert torch.equal(out, fused)


def test_fusion_is_the_relu_of_the_sum_over_all_scales() -> None:
    """Against the definition, written out: each source is brought to the target's resolution."""
    module = FusionModule(SPACE, 4).eval()
    randomize(module)
    features = random_features(SPACE, 4)
    for target, out in enumerate(module(features)):
        total = features[target].clone()
        for source, x in enumerate(features):
            if source < target:
                total += module.down[target].get_submodule(str(source))(x)
            elif source > target:
                up = module.up[target].get_submodule(str(source - target - 1))(x)
                factor = 2 ** (source - target)
                total += up.repeat_interleave(factor, dim=2).repeat_interleave(factor, dim=3)
        torch.testing.assert_close(out, total.relu(), rtol=1e-4, atol=1e-4)


@settings(max_examples=12)
@given(st.lists(st.sampled_from(CHOICES), min_size=6, max_size=6), st.sampled_from([1, 2]))
def test_frozen_network_equals_one_hot_supernet(choices: list[str], stem: int) -> None:
    entry: Entry = "conv" if stem == 2 else "bottlenecks"
    space = SearchSpace(width=4, columns=(2, 2, 2), stem=stem, entry=entry, residual=stem == 2)
    architecture = Architecture(space=space, choices=tuple(choices))  # type: ignore[arg-type]
    supernet = SuperNet(space).eval()
    randomize(supernet)
    one_hot = torch.tensor([[float(choice == name) for name in CHOICES] for choice in choices])
    image = torch.rand(1, 1, 32, 48)
    with torch.inference_mode():
        expected = supernet(image, one_hot)
        restored = inherit_weights(supernet, architecture).eval()(image)
    torch.testing.assert_close(restored, expected, rtol=1e-4, atol=1e-5)


def test_each_cell_is_built_from_its_own_choices() -> None:
    """Distinct choices per cell: a network that reuses cell 2's for cell 3 differs in kind."""
    architecture = Architecture.from_text("PP-FP-PF", SPACE)
    network = RestorationNet(architecture)
    kinds = [[type(c).__name__[0] for c in cell.children()] for cell in network.cells]
    assert kinds == [["P", "P"], ["F", "P"], ["P", "F"]]


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
def test_any_image_size_comes_back(height: int, width: int, stem: int) -> None:
    space = SearchSpace(width=2, columns=(1, 1, 1), stem=stem)
    network = RestorationNet(Architecture.from_text("P-F-P", space)).eval()
    image = torch.rand(1, 1, height, width)
    with torch.inference_mode():
        assert network(image).shape == image.shape


@pytest.mark.parametrize("stem", [1, 2])
def test_an_untrained_residual_network_returns_its_input(stem: int) -> None:
    space = SearchSpace(width=4, columns=(1, 1), stem=stem, residual=True)
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    image = torch.rand(1, 1, 19, 23)
    with torch.inference_mode():
        assert torch.equal(network(image), image)
