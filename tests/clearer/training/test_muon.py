from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from clearer.training.muon import Muon, hidden_and_other, orthogonalize


@given(
    count=st.integers(1, 4),
    rows=st.integers(1, 24),
    columns=st.integers(1, 24),
    scale=st.floats(1e-6, 1e6),
    seed=st.integers(0, 2**31),
)
def test_orthogonalize_keeps_the_directions_and_evens_the_lengths(
    count: int, rows: int, columns: int, scale: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    rank = min(rows, columns)
    u, _ = torch.linalg.qr(torch.randn(count, rows, rank, generator=generator))
    v, _ = torch.linalg.qr(torch.randn(count, columns, rank, generator=generator))
    lengths = torch.linspace(1.0, 0.2, rank) * scale
    result = u.mT @ orthogonalize(u * lengths @ v.mT) @ v
    diagonal = result.diagonal(dim1=1, dim2=2)
    assert (result - torch.diag_embed(diagonal)).abs().max() < 1e-3
    assert diagonal.min() > 0.6
    assert diagonal.max() < 1.25


def test_orthogonalize_leaves_zero_and_keeps_the_type() -> None:
    result = orthogonalize(torch.zeros(2, 3, 4), torch.bfloat16)
    assert result.dtype == torch.float32
    assert torch.equal(result, torch.zeros(2, 3, 4))


def step(weights: list[Tensor], gradients: list[Tensor], *, lr: float = 1.0) -> list[Tensor]:
    """How much one step of Muon changes weights."""
    parameters = [nn.Parameter(weight.clone()) for weight in weights]
    optimizer = Muon(parameters, lr)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient.clone()
    optimizer.step()
    return [p.detach() - weight for p, weight in zip(parameters, weights, strict=True)]


@pytest.mark.parametrize("shape", [(8, 4, 3, 3), (16, 64, 1, 1), (32, 2, 3, 3)])
def test_steps_are_as_large_as_those_of_adam_whatever_the_gradient(shape: tuple[int, ...]) -> None:
    weight, gradient = torch.zeros(shape), torch.randn(shape)
    (change,) = step([weight], [gradient], lr=0.1)
    assert change.square().mean().sqrt() == pytest.approx(0.1 * 0.2, rel=0.25)
    assert (change * gradient).sum() < 0
    (other,) = step([weight], [gradient * 1000], lr=0.1)
    assert torch.allclose(other, change, atol=1e-6)


def test_memory_layout_and_company_do_not_change_a_step() -> None:
    weights = [torch.randn(6, 5, 3, 3), torch.randn(6, 5, 3, 3), torch.randn(4, 6, 1, 1)]
    gradients = [torch.randn_like(weight) for weight in weights]
    alone = [step([w], [g])[0] for w, g in zip(weights, gradients, strict=True)]
    last = [w.contiguous(memory_format=torch.channels_last) for w in weights]
    for changes in (step(weights, gradients), step(last, gradients)):
        for change, expected in zip(changes, alone, strict=True):
            assert torch.allclose(change, expected, atol=1e-6)


def test_momentum_survives_the_state_of_the_optimizer() -> None:
    gradients = [torch.randn(4, 4, 3, 3) for _ in range(3)]
    runs = []
    for is_resumed in (False, True):
        parameter = nn.Parameter(torch.zeros(4, 4, 3, 3))
        optimizer = Muon([parameter], 0.1)
        for index, gradient in enumerate(gradients):
            if is_resumed and index == 2:
                state = optimizer.state_dict()
                optimizer = Muon([parameter], 0.1)
                optimizer.load_state_dict(state)
            parameter.grad = gradient.clone()
            optimizer.step()
        runs.append(parameter.detach().clone())
    assert torch.equal(runs[0], runs[1])


@pytest.mark.parametrize("stem", ["bottlenecks", "conv"])
def test_hidden_are_the_convolutions_between_features(stem: str) -> None:
    space = SearchSpace(width=4, unshuffle=2, columns=(1, 1), stem=stem)  # type: ignore[arg-type]
    network = RestorationNet(Architecture.from_text("P-F", space))
    hidden, other = hidden_and_other(network)
    assert {id(p) for p in (*hidden, *other)} == {id(p) for p in network.parameters()}
    assert len(hidden) + len(other) == len(list(network.parameters()))
    assert {w.ndim for w in hidden} == {4}
    pictures = [w for w in other if w.ndim == 4]
    assert [tuple(w.shape[:2]) for w in pictures] == [(pictures[0].shape[0], 4), (4, 4)]
    assert pictures[1] is network.output.head.weight
