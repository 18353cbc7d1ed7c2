from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.export.calibration import METHODS, Activation, Method, observe
from tests.export.test_int8 import CALIBRATION, small_file


def activation(values: np.ndarray[tuple[int], np.dtype[np.float64]]) -> Activation:
    counts, _ = np.histogram(np.abs(values), 2048, (0, np.abs(values).max()))
    return Activation(low=values.min(), high=values.max(), counts=counts)


@given(st.integers(0, 2**32 - 1), st.sampled_from(METHODS), st.sampled_from([127, 255]))
def test_a_range_lies_in_that_of_the_values(seed: int, method: Method, levels: int) -> None:
    rng = np.random.default_rng(seed)
    values = rng.normal(rng.normal(), 1, 2000)
    low, high = activation(values).span(method, levels)
    assert values.min() <= low < high <= values.max()
    if method == "minmax":
        assert (low, high) == (values.min(), values.max())


@pytest.mark.parametrize("method", ["percentile", "entropy"])
def test_outliers_are_cut_off(method: Method) -> None:
    values = np.append(np.random.default_rng(0).exponential(size=50_000), 1000.0)
    low, high = activation(values).span(method, 255)
    assert low >= 0
    assert 4 < high < 400


def test_the_bulk_of_the_values_stays() -> None:
    values = np.random.default_rng(0).uniform(0, 1, 50_000)
    for method in METHODS:
        assert activation(values).span(method, 255)[1] > 0.95


def test_a_dead_activation() -> None:
    counts = np.zeros(2048, dtype=np.int64)
    counts[0] = 1000
    for method in METHODS:
        low, high = Activation(low=0.0, high=0.0, counts=counts).span(method, 255)
        assert low == high == 0


def test_histograms_count_every_value_of_images_of_any_size() -> None:
    seen = observe(small_file(), CALIBRATION)
    first = next(iter(seen.values()))
    assert first.low >= 0  # the image, after space to depth
    assert first.high <= 1
    pixels = sum((h + h % 2) * (w + w % 2) for h, w in ((32, 32), (48, 24), (17, 40)))
    assert first.counts.sum() >= pixels
    assert all(a.low <= a.high for a in seen.values())


def test_no_images() -> None:
    with pytest.raises(ValueError, match="at least one image"):
        observe(b"", [])
