from __future__ import annotations

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from clearer.training.losses import (
    architecture_loss,
    complexity_loss,
    restoration_loss,
    root_error_loss,
    search_loss,
    taught_loss,
    taught_root_error_loss,
)

# Logits whose softmax is (0.75, 0.25) and (0.5, 0.5).
ALPHA = torch.tensor([[math.log(3.0), 0.0], [0.0, 0.0]], dtype=torch.float64)
COST = torch.tensor([[4.0, 8.0], [10.0, 2.0]], dtype=torch.float64)


def test_restoration_loss_is_the_mean_squared_error() -> None:
    restored, clean = torch.tensor([0.0, 0.5, 1.0]), torch.tensor([0.0, 0.0, 0.7])
    assert restoration_loss(restored, clean).item() == pytest.approx((0.25 + 0.09) / 3)


def test_root_error_loss_by_hand() -> None:
    clean = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    restored = torch.stack([clean[0] + 0.3, clean[1] + 0.1])
    assert root_error_loss(restored, clean).item() == pytest.approx(0.2)


def test_root_error_loss_stays_finite_where_there_is_no_error() -> None:
    restored = torch.zeros(1, 1, 4, 4, requires_grad=True)
    root_error_loss(restored, torch.zeros_like(restored)).backward()
    assert restored.grad is not None
    assert torch.isfinite(restored.grad).all()


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize(
    ("plain", "taught"),
    [(restoration_loss, taught_loss), (root_error_loss, taught_root_error_loss)],
)
def test_a_teacher_who_knows_the_clean_picture_changes_no_gradient(
    plain: Callable[..., Tensor], taught: Callable[..., Tensor], masked: bool
) -> None:
    generator = torch.Generator().manual_seed(0)
    clean = torch.rand(3, 2, 4, 5, generator=generator, dtype=torch.float64)
    mask = (torch.rand(3, 1, 4, 5, generator=generator) < 0.7).double() if masked else None
    gradients = []
    for loss, words in ((plain, (clean, mask)), (taught, (clean, clean, mask))):
        restored = torch.full_like(clean, 0.3).requires_grad_()
        loss(restored, *words).backward()
        assert restored.grad is not None
        gradients.append(restored.grad)
    torch.testing.assert_close(*gradients)


def test_a_taught_loss_weighs_pictures_as_the_root_does() -> None:
    """By hand: distances to the teacher 0.1, errors 0.3 and 0.1 to the clean picture."""
    clean = torch.zeros(2, 1, 4, 4, dtype=torch.float64)
    restored = torch.stack([clean[0] + 0.3, clean[1] + 0.1])
    loss = taught_root_error_loss(restored, restored - 0.1, clean)
    assert loss.item() == pytest.approx((0.01 / 0.6 + 0.01 / 0.2) / 2)


def test_architecture_loss_by_hand() -> None:
    # Four values of alpha: 0.75, 0.25, 0.5, 0.5. Each adds the entropy of its own coin.
    first = -(0.75 * math.log(0.75) + 0.25 * math.log(0.25))
    expected = (2 * first + 2 * math.log(2)) / 4
    assert architecture_loss(ALPHA).item() == pytest.approx(expected)


def test_architecture_loss_is_zero_and_finite_where_all_is_decided() -> None:
    alpha = torch.tensor([[1e4, -1e4], [-1e4, 1e4]], requires_grad=True)
    loss = architecture_loss(alpha)
    loss.backward()
    assert loss.item() == 0
    assert alpha.grad is not None
    assert torch.isfinite(alpha.grad).all()


def test_complexity_loss_by_hand() -> None:
    expected = (0.75 * 4 + 0.25 * 8 + 0.5 * 10 + 0.5 * 2) / 4
    assert complexity_loss(ALPHA, COST).item() == pytest.approx(expected)


def test_complexity_loss_refuses_another_shape() -> None:
    with pytest.raises(ValueError, match=r"\(3, 2\)"):
        complexity_loss(ALPHA, torch.ones(3, 2))


def test_search_loss_by_hand() -> None:
    res, arch, comp = (torch.tensor(value) for value in (1.0, 2.0, 3.0))
    loss = search_loss(res, arch, comp, lambda_arch=0.1, lambda_comp=0.01)
    assert loss.item() == pytest.approx(1 + 0.2 + 0.03)


def total_loss(alpha: Tensor) -> Tensor:
    restored = alpha.softmax(dim=1)
    loss = restoration_loss(restored, torch.zeros_like(restored))
    return search_loss(loss, architecture_loss(alpha), complexity_loss(alpha, COST), 0.3, 0.7)


@pytest.mark.parametrize(
    "loss",
    [architecture_loss, lambda alpha: complexity_loss(alpha, COST), total_loss],
    ids=["(4)", "(5)", "(2)"],
)
def test_gradients_agree_with_finite_differences(loss: Callable[[Tensor], Tensor]) -> None:
    alpha = (ALPHA + 0.1 * torch.arange(4).reshape(2, 2)).requires_grad_()
    assert torch.autograd.gradcheck(loss, (alpha,))


def test_gradient_of_the_restoration_loss() -> None:
    restored = torch.rand(2, 1, 4, 4, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(restoration_loss, (restored, torch.rand_like(restored)))


def test_complexity_loss_pulls_towards_the_cheaper_candidate() -> None:
    alpha = torch.zeros(2, 2, dtype=torch.float64, requires_grad=True)
    complexity_loss(alpha, COST).backward()
    assert alpha.grad is not None
    assert (alpha.grad[:, 0] - alpha.grad[:, 1]).sign().tolist() == [-1, 1]
