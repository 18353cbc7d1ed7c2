"""What the first process raises when the others have ended."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import pytest
import torch

from clearer.errors import ClearerError
from clearer.training.processes import Processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class LostFabric:
    """The first of two processes; the other has ended."""

    world_size, global_rank, device = 2, 0, torch.device("cpu")

    def all_reduce(self, tensor: torch.Tensor, reduce_op: str) -> torch.Tensor:
        raise RuntimeError("Connection closed by peer")


@pytest.fixture
def alone() -> Processes:
    return Processes(cast("Fabric", LostFabric()))


def test_ctrl_c_in_the_first_process_stays_ctrl_c(alone: Processes) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        alone.on_first(interrupted)


def test_a_result_that_nobody_receives_is_an_error(alone: Processes) -> None:
    with pytest.raises(ClearerError, match="another process of this run has ended"):
        alone.on_first(lambda: 1)
