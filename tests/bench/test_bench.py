"""Times, intervals, and the conclusions from them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from clearer.bench.accuracy import difference, input_accuracy, measure_accuracy
from clearer.bench.measure import (
    Timing,
    Timings,
    images_per_second,
    judge_noise,
    picture_call,
    ratio_interval,
    spread,
    summary,
    time_rounds,
    warm_up,
)
from clearer.bench.pareto import Point, on_front
from clearer.bench.runners import OnnxRunner, RunnerInfo
from clearer.errors import InputError
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate
from clearer.tasks.denoise import Denoise
from tests.bench import tiny_onnx


class Clock:
    """Advances only while a row sleeps, so that a busy machine makes no difference."""

    def __init__(self) -> None:
        self._now_ns = 0

    def sleep(self, seconds: float) -> None:
        self._now_ns += round(seconds * 1e9)

    def perf_counter_ns(self) -> int:
        return self._now_ns

    def perf_counter(self) -> float:
        return self._now_ns / 1e9


@pytest.fixture(autouse=True)
def own_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    monkeypatch.setattr("clearer.bench.measure.time", clock)
    monkeypatch.setattr(f"{__name__}.time", clock)


class Sleeper:
    """A callable of known duration."""

    def __init__(self, ms: float, calls: list[str], name: str) -> None:
        self.info = RunnerInfo(name=name, backend="sleep", version="1", precision="fp32", threads=1)
        self._ms, self._calls = ms, calls
        self.inputs: list[np.ndarray] = []

    def __call__(self, degraded: np.ndarray) -> np.ndarray:
        self._calls.append(self.info.name)
        self.inputs.append(degraded)
        time.sleep(self._ms / 1000)
        return degraded


def rounds_of(rows: list[Sleeper], num_rounds: int | None, max_seconds: float) -> Timings:
    return time_rounds(
        rows,
        (1, 1, 8, 8),
        num_rounds=num_rounds,
        max_seconds=max_seconds,
        threads=1,
        listener=lambda done, total: None,
    )


def test_each_round_has_every_row_twice_in_changing_order() -> None:
    calls: list[str] = []
    rows = [Sleeper(ms, calls, name) for ms, name in ((1, "a"), (2, "b"), (1, "c"))]
    timings = rounds_of(rows, 8, 5)
    rounds = ["".join(calls[i : i + 6]) for i in range(0, len(calls), 6)]
    assert [sorted(r) for r in rounds] == [list("aabbcc")] * 8
    assert len(set(rounds)) > 4
    assert [len(row.call) for row in timings.rows] == [8] * 3
    assert [len(row.picture) for row in timings.rows] == [8] * 3
    assert len(timings.reference) == 8
    assert min(timings.rows[1].call) >= 2
    floats = {x.tobytes() for x in rows[0].inputs}
    assert len(floats) == 8  # four random inputs, plain and as 8-bit pictures
    assert all(x.std() > 0.1 for x in rows[0].inputs)


def test_a_slow_row_leaves_the_rounds() -> None:
    calls: list[str] = []
    rows = [Sleeper(100, calls, "slow"), Sleeper(1, calls, "fast")]
    timings = rounds_of(rows, 20, 0.5)
    assert 1 <= len(timings.rows[0].call) <= 3
    assert len(timings.rows[1].call) == 20


def test_rounds_without_a_number_go_on_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.bench.measure._DEFAULT_ROUNDS", 3)
    monkeypatch.setattr("clearer.bench.measure._LEAST_SECONDS", 0.2)
    start = time.perf_counter()
    timings = rounds_of([Sleeper(1, [], "a")], None, 5)
    assert time.perf_counter() - start >= 0.2
    assert len(timings.rows[0].call) > 3


def test_warm_up_is_by_time_and_by_calls() -> None:
    fast, slow, endless = (Sleeper(ms, [], "w") for ms in (1, 40, 100))
    for row, limit in ((fast, 5.0), (slow, 5.0), (endless, 0.15)):
        start = time.perf_counter()
        warm_up(row, (1, 1, 4, 4), limit)
        assert time.perf_counter() - start >= min(0.2, limit)
    assert len(fast.inputs) >= 10
    assert len(slow.inputs) == 10
    assert len(endless.inputs) <= 2


def test_a_row_that_takes_no_batch_says_so() -> None:
    class Single(Sleeper):
        def __call__(self, degraded: np.ndarray) -> np.ndarray:
            if len(degraded) > 1:
                raise RuntimeError("a batch of 1 is all it takes")
            return super().__call__(degraded)

    rows = [Sleeper(4, [], "a"), Single(4, [], "b")]
    speed, reason = images_per_second(rows, (1, 4, 4), 4, 1.0)
    assert speed == pytest.approx(1000)
    assert reason == "a batch of 1 is all it takes"


def test_summary_by_hand() -> None:
    row: Any = summary([float(value) for value in range(1, 102)])
    times = row.pop("times_ms")
    assert times[0] == 1.0
    assert row.pop("spread") == pytest.approx(1.4826 * 25 / 51)
    assert row == {
        "median_ms": 51.0,
        "p5_ms": 6.0,
        "p95_ms": 96.0,
        "p99_ms": 100.0,
        "min_ms": 1.0,
        "n": 101,
    }


def test_spread_is_the_deviation_of_normal_noise_and_ignores_outliers() -> None:
    times = np.random.default_rng(0).normal(10, 0.3, size=4000)
    times[:100] = 500
    assert spread(times.tolist()) == pytest.approx(0.03, rel=0.1)


def test_8_bit_pictures_come_back_as_they_are(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(256, size=(9, 7, 3), dtype=np.uint8)
    runner = OnnxRunner("i", tiny_onnx.identity(tmp_path / "i.onnx", 3), 3, threads=1)
    np.testing.assert_array_equal(picture_call(runner)(picture), picture)
    dark = picture_call(lambda batch: batch - 1)  # type: ignore[arg-type]
    assert dark(picture).max() == 0


def rows_of(seed: int, medians: list[float], noise: float, n: int = 60) -> list[list[float]]:
    rng = np.random.default_rng(seed)
    shared = rng.lognormal(0, 0.3, size=n)  # what slows a round down slows all rows
    return [(shared * m * rng.normal(1, noise, size=n)).tolist() for m in medians]


def test_noise_that_all_rows_share_does_not_widen_a_ratio() -> None:
    one, other = rows_of(0, [10.0, 11.0], noise=0.01)
    ratio, (low, high) = ratio_interval(one, other)
    assert low < 10 / 11 < high
    assert low <= ratio <= high
    assert high - low < 0.15


def test_only_common_rounds_count() -> None:
    one, other = [10.0] * 5, [20.0] * 5 + [1.0] * 50
    assert ratio_interval(one, other) == (0.5, (0.5, 0.5))


def test_the_front_by_hand() -> None:
    psnrs = np.random.default_rng(0).normal(28, 2, size=20)
    fast, same_speed, slow, twice = rows_of(1, [10.0, 10.0, 20.0, 40.0], noise=0.02)
    points = [
        Point(psnrs, fast),
        Point(psnrs - 0.3, same_speed),  # worse on every picture, and not faster
        Point(psnrs, slow),  # the same pictures, slower
        Point(psnrs + 0.3, twice),  # slower and better
        Point(psnrs + 0.001, fast),  # no visible difference
    ]
    points[1] = Point(points[1].psnrs_db, [1.001 * ms for ms in fast])
    assert on_front(points) == [True, False, False, True, True]


def test_what_noise_hides_stays_on_the_front() -> None:
    """0.1 dB better in the mean, but not on most pictures; 1 % faster, within the noise."""
    rng = np.random.default_rng(0)
    psnrs = rng.normal(28, 2, size=10)
    wobble = rng.normal(0, 1, size=10)
    one, other = rows_of(2, [10.0, 10.1], noise=0.2, n=12)
    points = [Point(psnrs + wobble - wobble.mean() + 0.1, one), Point(psnrs, other)]
    assert on_front(points) == [True, True]


def test_one_picture_has_no_interval_and_only_time_decides() -> None:
    fast, slow = rows_of(3, [10.0, 20.0], noise=0.01)
    assert difference(np.array([30.0]), np.array([29.0])) == (1.0, None)
    same, better = np.array([29.0]), np.array([30.0])
    assert on_front([Point(same, fast), Point(same, slow)]) == [True, False]
    assert on_front([Point(same, fast), Point(better, slow)]) == [True, True]
    assert on_front([Point(same, slow), Point(better, fast)]) == [False, True]


points = st.builds(
    lambda db, ms: Point(np.array(db), ms),
    st.lists(st.floats(20, 40), min_size=3, max_size=3),
    st.lists(st.floats(1, 100), min_size=4, max_size=4),
)


@settings(max_examples=20)
@given(st.lists(points, min_size=1, max_size=3))
def test_the_fastest_of_the_best_is_never_dominated(rows: list[Point]) -> None:
    best = max(row.psnrs_db.mean() for row in rows)
    good = [i for i, row in enumerate(rows) if row.psnrs_db.mean() == best]
    first = min(good, key=lambda i: (np.median(rows[i].times_ms), i))
    fronts = on_front(rows)
    assert any(fronts)
    if all(abs(row.psnrs_db.mean() - best) > 0.005 for i, row in enumerate(rows) if i not in good):
        assert fronts[first]


@pytest.mark.parametrize(
    ("reference", "row", "is_quiet"), [(0.01, 0.02, True), (0.2, 0.02, False), (0.01, 0.3, False)]
)
def test_the_verdict_on_the_machine(reference: float, row: float, is_quiet: bool) -> None:
    rng = np.random.default_rng(0)
    times = rng.normal(10, 10 * row, size=200).tolist()
    noise = judge_noise(Timings([Timing(times, times)], rng.normal(5, 5 * reference, 200).tolist()))
    assert noise.is_quiet is is_quiet
    assert noise.reference_spread == pytest.approx(reference, rel=0.3)
    assert ("too busy" in noise.text) is not is_quiet


def test_of_few_rounds_no_machine_is_called_quiet() -> None:
    same = [5.0] * 4
    noise = judge_noise(Timings([Timing(same, same)], same))
    assert not noise.is_quiet
    assert noise.text == "4 rounds are too few to tell whether the machine was quiet: 5 do"


def pictures(count: int) -> ImageSet:
    ramp = (np.arange(64)[:, None] + np.arange(48)).astype(np.uint8)[..., None]
    return ImageSet(
        tuple(f"{i}.png" for i in range(count)), tuple(ramp + 20 * i for i in range(count))
    )


def test_accuracy_is_that_of_the_library_and_keeps_pictures(tmp_path: Path) -> None:
    runner = OnnxRunner("b", tiny_onnx.blur(tmp_path / "b.onnx"), 1, threads=1)
    accuracy = measure_accuracy(runner, pictures(3), Denoise(), keep=[2])
    quality = evaluate(runner, pictures(3), Denoise(), VALIDATION_SEED)
    data: Any = accuracy.to_dict()
    assert data["psnr_db"] == pytest.approx(quality.psnr_db)
    assert data["ssim"] == pytest.approx(quality.ssim)
    assert data["psnr_db"] == pytest.approx(np.mean([i["psnr_db"] for i in data["images"]]))
    low, high = data["psnr_db_interval_95"]
    assert low <= data["psnr_db"] <= high
    assert list(accuracy.restored) == [2]
    assert accuracy.restored[2].shape == (1, 64, 48)
    assert data["psnr_db"] > input_accuracy(pictures(3), Denoise())["psnr_db"] + 3
    assert measure_accuracy(runner, pictures(1), Denoise()).to_dict()["psnr_db_interval_95"] is None


def test_a_paired_difference_is_far_narrower_than_its_means() -> None:
    psnrs = np.random.default_rng(0).normal(28, 3, size=30)
    gain, interval = difference(psnrs + 0.1, psnrs)
    assert gain == pytest.approx(0.1)
    assert interval == pytest.approx((0.1, 0.1))


def test_values_that_are_no_numbers_are_named(tmp_path: Path) -> None:
    runner = OnnxRunner("n", tiny_onnx.not_a_number(tmp_path / "n.onnx"), 1, threads=1)
    with pytest.raises(InputError, match="NaN or infinite values for 0.png"):
        measure_accuracy(runner, pictures(1), Denoise())
