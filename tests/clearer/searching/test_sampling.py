from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest
import torch

from clearer.networks.supernet import SuperNet
from clearer.searching.sampling import draw, expected_loss, losses_of_choices
from clearer.space.space import SearchSpace
from clearer.training.losses import restoration_loss


def _with(drawn: torch.Tensor, column: int, choice: int) -> torch.Tensor:
    turned = drawn.clone()
    turned[column] = torch.eye(drawn.shape[1], dtype=drawn.dtype)[choice]
    return turned


@pytest.mark.parametrize(
    ("space", "picks"),
    [
        (SearchSpace(width=2, columns=(2, 1, 2), residual=True), [0, 1, 1, 0, 1]),
        (
            SearchSpace(width=2, columns=(1, 2), stem="conv", first_scales=1, gates=True),
            [0, 2, 1, 0, 2],
        ),
    ],
    ids=["columns", "gates"],
)
def test_turned_choices_share_what_comes_before_and_change_no_loss(
    space: SearchSpace, picks: list[int]
) -> None:
    torch.manual_seed(0)
    supernet = SuperNet(space).train()
    torch.nn.init.normal_(supernet.output.head.weight)
    image, clean = torch.rand(2, 2, 1, 16, 16)
    allowed, number = torch.tensor(space.allowed()), len(picks)

    def loss_of(restored: torch.Tensor) -> torch.Tensor:
        return restoration_loss(restored, clean)

    drawn = torch.eye(len(space.candidates))[picks]
    losses = losses_of_choices(supernet, image, loss_of, drawn, range(number))
    assert losses.unique().numel() == 1 + int(allowed.sum()) - number
    for choice, candidate in allowed.nonzero().tolist():
        expected = loss_of(supernet(image, _with(drawn, choice, candidate)))
        assert losses[choice, candidate].item() == pytest.approx(expected.item(), rel=1e-6)
    # A few choices represent all, since every set of them is equally likely: the mean is the same.
    parts = [
        losses_of_choices(supernet, image, loss_of, drawn, turned)
        for turned in combinations(range(number), 2)
    ]
    torch.testing.assert_close(torch.stack(parts).mean(0), losses)
    own = (losses * drawn).sum(1, keepdim=True)
    assert all(((part != own).any(dim=1)).sum() == 2 for part in parts)


def test_the_gradient_of_single_architectures_is_that_of_their_expected_loss() -> None:
    """Over all draws of three columns, with losses in which columns interact."""
    table = torch.tensor([[[1.0, 3.0], [0.5, 2.0]], [[4.0, -1.0], [2.5, 7.0]]], dtype=torch.float64)
    op_weights = torch.tensor([[0.3, 0.7], [0.5, 0.5], [0.9, 0.1]], dtype=torch.float64)
    op_weights.requires_grad_()

    def loss_of(choice: torch.Tensor) -> torch.Tensor:
        one, two, three = choice.argmax(dim=1).tolist()
        return table[one, two, three]

    exact = torch.einsum("ijk,i,j,k->", table, *op_weights)
    (expected,) = torch.autograd.grad(exact, op_weights)
    gradient = torch.zeros_like(expected)
    value = 0.0
    for choices in product((0, 1), repeat=3):
        drawn = torch.eye(2, dtype=torch.float64)[list(choices)]
        losses = torch.stack(
            [torch.stack([loss_of(_with(drawn, k, choice)) for choice in (0, 1)]) for k in range(3)]
        )
        loss = expected_loss(losses, op_weights, drawn)
        assert loss.item() == pytest.approx(loss_of(drawn).item())
        probability = float((drawn * op_weights).sum(dim=1).prod().detach())
        value += probability * loss.item()
        gradient += probability * torch.autograd.grad(loss, op_weights)[0]
    assert value == pytest.approx(exact.item())
    torch.testing.assert_close(gradient, expected)


@pytest.mark.parametrize(
    "weights",
    [
        [[1.0, 0.0], [0.0, 1.0], [0.25, 0.75]],
        [[0.2, 0.5, 0.3], [0.5, 0.0, 0.5], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]],
    ],
)
def test_architectures_are_drawn_by_the_op_weights(weights: list[list[float]]) -> None:
    op_weights = torch.tensor(weights)
    rng = np.random.default_rng(0)
    draws = torch.stack(
        [draw(op_weights, torch.from_numpy(rng.random(len(weights)))) for _ in range(2000)]
    )
    assert set(draws.unique().tolist()) == {0.0, 1.0}
    assert (draws.sum(dim=2) == 1).all()
    torch.testing.assert_close(draws.mean(dim=0), op_weights, atol=0.04, rtol=0)
