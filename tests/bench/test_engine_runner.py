from __future__ import annotations

import hashlib
import json
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import torch

from clearer.bench.engine_runner import EngineRunner
from clearer.bench.runners import OnnxRunner
from clearer.errors import ClearerError, InputError
from clearer.export.engine import EngineSettings, build_engines
from clearer.export.engine_library import FLAVOURS, open_library
from clearer.export.engine_profile import EngineProfile
from clearer.export.engine_record import SCHEMA_VERSION, built_by, record_path
from clearer.export.to_onnx import to_onnx
from tests.export.test_engine import network

PROFILE = EngineProfile.from_text("1x16x16,1x64x64,2x128x128")


def test_without_a_gpu_an_engine_is_refused_in_one_line(tmp_path: Path) -> None:
    trt = pytest.importorskip("tensorrt_rtx", reason='needs pip install "clearer[trt-rtx]"')
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    path = tmp_path / "model.rtx.engine"
    path.write_bytes(b"plan")
    library = FLAVOURS["tensorrt-rtx"]
    record = {
        "schema_version": SCHEMA_VERSION,
        **built_by(library, trt.__version__, None),
        "profile": PROFILE.text,
        "precision": "fp32",
        "onnx_sha256": "",
        "plan_sha256": hashlib.sha256(b"plan").hexdigest(),
    }
    record_path(path).write_text(json.dumps(record))
    with pytest.raises(ClearerError, match=r"missing|torch") as error:
        EngineRunner("network", path)
    assert "\n" not in str(error.value)


def test_an_engine_without_its_record_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.engine"
    path.write_bytes(b"plan")
    with pytest.raises(InputError, match=r"model\.engine\.json does not exist"):
        EngineRunner("network", path)


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graph", [False, True], ids=["plain", "CUDA graph"])
def test_an_engine_runs_like_its_onnx_file(tmp_path: Path, cuda_graph: bool) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    pytest.importorskip("tensorrt", reason='needs pip install "clearer[trt]"')
    open_library(FLAVOURS["tensorrt"])
    model = tmp_path / "model.onnx"
    model.write_bytes(to_onnx(network(), {}))
    settings = EngineSettings(flavour="tensorrt", profile=PROFILE)
    (row,), _ = build_engines([model], settings, lambda line: None)
    path = model.with_name(row["file"])
    reference = OnnxRunner("network", model, 1)
    rng = np.random.default_rng(0)
    with closing(EngineRunner("network", path, cuda_graph=cuda_graph)) as runner:
        assert runner.info.precision == "fp32"
        assert runner.info.file_bytes == path.stat().st_size
        for shape in ((1, 1, 64, 64), (1, 1, 64, 64), (2, 1, 33, 127), (1, 1, 64, 64)):
            batch = rng.random(shape, dtype=np.float32)
            assert np.abs(runner(batch) - reference(batch)).max() < 1e-4
        with pytest.raises(InputError, match=r"1x1x16x16 to 2x1x128x128, not 1x1x200x64"):
            runner(rng.random((1, 1, 200, 64), dtype=np.float32))
        batch = rng.random((1, 1, 20, 20), dtype=np.float32)
        assert np.abs(runner(batch) - reference(batch)).max() < 1e-4

    record = json.loads(record_path(path).read_text())
    record_path(path).write_text(json.dumps({**record, "gpu": "NVIDIA Other"}))
    with pytest.raises(ClearerError, match="built for NVIDIA Other"):
        EngineRunner("network", path)
