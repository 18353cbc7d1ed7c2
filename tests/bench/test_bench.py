from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from clearer.bench.measure import latency_ms, summary
from clearer.bench.runners import NonLocalMeansRunner, OnnxRunner, RunnerInfo
from clearer.errors import InputError
from clearer.evaluate import evaluate
from clearer.images import ImageSet
from clearer.metrics import psnr_db
from clearer.tasks import Denoise


class Sleeper:
    """A real callable of known duration."""

    def __init__(self, ms: float, calls: list[str], name: str) -> None:
        self.info = RunnerInfo(name=name, backend="sleep", version="1", precision="fp32", threads=1)
        self._ms, self._calls = ms, calls
        self.inputs: list[np.ndarray] = []

    def __call__(self, degraded: np.ndarray) -> np.ndarray:
        self._calls.append(self.info.name)
        self.inputs.append(degraded)
        time.sleep(self._ms / 1000)
        return degraded


def test_runners_take_turns_and_inputs_rotate() -> None:
    calls: list[str] = []
    one, other = Sleeper(1, calls, "a"), Sleeper(2, calls, "b")
    shape = (1, 1, 8, 8)
    times = latency_ms(
        [one, other], shape, num_runs=8, max_seconds=5, listener=lambda done, total: None
    )
    assert "".join(calls[-16:]) == "ab" * 8
    assert [len(row) for row in times] == [8, 8]
    assert min(times[0]) >= 1
    assert min(times[1]) >= 2
    assert len({x.tobytes() for x in one.inputs}) == 4
    assert all(x.std() > 0.1 for x in one.inputs)


def test_a_slow_row_leaves_the_rounds() -> None:
    calls: list[str] = []
    rows = [Sleeper(30, calls, "slow"), Sleeper(1, calls, "fast")]
    times = latency_ms(
        rows, (1, 1, 4, 4), num_runs=20, max_seconds=0.1, listener=lambda done, total: None
    )
    assert len(times[0]) < 6
    assert len(times[1]) == 20


def test_summary_by_hand() -> None:
    row = summary([float(value) for value in range(1, 102)])
    assert row == {"median_ms": 51.0, "p95_ms": 96.0, "min_ms": 1.0, "n": 101}


@pytest.mark.parametrize("channels", [1, 3])
def test_non_local_means_removes_noise(channels: int) -> None:
    smooth = np.tile(np.arange(96, dtype=np.uint8)[None, :, None] * 2, (96, 1, channels))
    images = ImageSet(("ramp",), (smooth,))
    quality = evaluate(NonLocalMeansRunner(25), images, Denoise(), seed=0)
    assert quality.psnr_db > 30


def identity_onnx(path: Path, channels: int | str = 1, crop: bool = False) -> Path:
    shape = ["n", channels, "h", "w"]
    given = helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)
    result = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    node = helper.make_node("Identity", ["x"], ["y"])
    if crop:
        node = helper.make_node("MaxPool", ["x"], ["y"], kernel_shape=[2, 2])
    graph = helper.make_graph([node], "g", [given], [result])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(model, path)
    return path


def test_any_image_to_image_file_is_a_row(tmp_path: Path) -> None:
    runner = OnnxRunner("identity", identity_onnx(tmp_path / "i.onnx"), channels=1)
    batch = np.random.default_rng(0).random((1, 1, 9, 7), dtype=np.float32)
    assert psnr_db(runner(batch), batch) == float("inf")
    assert runner.info.file_bytes == (tmp_path / "i.onnx").stat().st_size


def test_another_output_size_is_refused(tmp_path: Path) -> None:
    runner = OnnxRunner("pool", identity_onnx(tmp_path / "p.onnx", crop=True), channels=1)
    with pytest.raises(InputError, match="not image to image"):
        runner(np.zeros((1, 1, 8, 8), np.float32))


def test_channels_must_agree(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"takes 3 channel\(s\), the images have 1"):
        OnnxRunner("rgb", identity_onnx(tmp_path / "c.onnx", channels=3), channels=1)


def test_files_that_cannot_be_loaded(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file"):
        OnnxRunner("none", tmp_path / "none.onnx", channels=1)
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(InputError, match="cannot be loaded"):
        OnnxRunner("bad", tmp_path / "bad.onnx", channels=1)
