from __future__ import annotations

import pytest
import torch

from clearer.space.space import SearchSpace
from clearer.training import precision
from clearer.training.precision import autocast, fastest_precision

SPACE = SearchSpace(width=2, columns=(1,))


def test_the_faster_precision_is_measured_once_and_remembered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    measured = []
    real = precision._step_seconds

    def spy(space: SearchSpace) -> dict[precision.Precision, float]:
        measured.append(real(space))
        return measured[-1]

    monkeypatch.setattr(precision, "_step_seconds", spy)
    first, second = fastest_precision(SPACE, "cpu"), fastest_precision(SPACE, "cpu")
    assert first == second
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        assert (first, measured) == ("fp32", [])
        return
    (seconds,) = measured
    assert seconds[first] == min(seconds.values())


def test_autocast_computes_in_bf16_and_only_where_asked() -> None:
    layer, x = torch.nn.Conv2d(1, 1, 1), torch.rand(1, 1, 4, 4)
    with autocast("cpu", "bf16"):
        assert layer(x).dtype == torch.bfloat16
    with autocast("cpu", "fp32"):
        assert layer(x).dtype == torch.float32
