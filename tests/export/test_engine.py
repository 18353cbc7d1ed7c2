"""Engines: built by TensorRT-RTX, which needs no GPU for that, and run if there is one."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import platformdirs
import pytest
import torch
from onnx import TensorProto, helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

from clearer.errors import ClearerError
from clearer.export import engine_device
from clearer.export.engine import ENGINE_LIMITS, EngineSettings, build_engines
from clearer.export.engine_build import MadeForCpusError, graph_precision, serialize_engine
from clearer.export.engine_device import NoGpuError, require_gpu
from clearer.export.engine_library import FLAVOURS, Flavour, open_library
from clearer.export.engine_profile import EngineProfile
from clearer.export.engine_record import read_engine, record_path
from clearer.export.engine_session import EngineSession
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from tests.clearer.networks.test_supernet import randomize

PROFILE = EngineProfile.from_text("1x16x16,1x64x64,2x128x128")
Graph = Callable[..., bytes]


@pytest.fixture
def rtx() -> Any:
    pytest.importorskip("tensorrt_rtx", reason='needs pip install "clearer[trt-rtx]"')
    return open_library(FLAVOURS["tensorrt-rtx"])


def network(unshuffle: int = 1) -> RestorationNet:
    """Every kind of layer that our networks have, but no more, since building takes time."""
    channels = 2 * unshuffle - 1
    space = SearchSpace(
        channels=channels, width=4, columns=(2,), unshuffle=unshuffle, residual=unshuffle == 1
    )
    net = RestorationNet(Architecture.from_text("PF", space)).eval()
    randomize(net)
    # Random weights inflate features; this brings the output to the range of an image.
    with torch.inference_mode():
        scale = net(torch.rand(1, channels, 32, 32)).abs().max()
    net.output.head.weight.data /= scale
    return net


def quantized(model: bytes, folder: Path, channels: int, *, signed: bool) -> bytes:
    """The graph in int8: signed symmetric activations for TensorRT, unsigned ones for CPUs."""
    before, after = folder / "before.onnx", folder / "after.onnx"
    before.write_bytes(model)
    batches = iter(np.random.default_rng(0).random((2, 1, channels, 32, 32), dtype=np.float32))

    class Reader(CalibrationDataReader):  # type: ignore[misc]
        def get_next(self) -> dict[str, Any] | None:
            batch = next(batches, None)
            return None if batch is None else {"input": batch}

    quantize_static(
        before,
        after,
        Reader(),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8 if signed else QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["Conv"],
        extra_options={
            "ActivationSymmetric": signed,
            "WeightSymmetric": True,
            "QuantizeBias": False,
        },
    )
    return after.read_bytes()


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    """Files of a network by unshuffle and precision, each made once."""
    known: dict[tuple[int, str], bytes] = {}

    def make(unshuffle: int = 1, precision: str = "fp32") -> bytes:
        if (unshuffle, precision) not in known:
            net = network(unshuffle)
            if precision.startswith("int8"):
                folder, signed = tmp_path_factory.mktemp("int8"), precision == "int8"
                made = quantized(make(unshuffle), folder, 2 * unshuffle - 1, signed=signed)
            else:
                made = to_onnx(net, {}, half=precision == "fp16")
            known[unshuffle, precision] = made
        return known[unshuffle, precision]

    return make


@pytest.mark.parametrize(
    ("unshuffle", "precision"), [(1, "fp32"), (1, "int8"), (2, "fp32"), (2, "fp16"), (2, "int8")]
)
def test_our_graphs_build_with_free_sizes(
    rtx: Any, graph: Graph, unshuffle: int, precision: str
) -> None:
    """Pixel unshuffle and shuffle, padding and cropping, in every precision, at opset 20."""
    model = graph(unshuffle, precision)
    assert graph_precision(model) == precision
    assert [o.version for o in onnx.load_from_string(model).opset_import if not o.domain] == [20]
    plan, timing_cache = serialize_engine(rtx, model, PROFILE)
    assert len(plan) > 100_000
    assert timing_cache is None


@pytest.mark.parametrize(("unshuffle", "half"), [(1, False), (2, True)])
def test_a_noise_level_is_a_second_input_of_an_engine(rtx: Any, unshuffle: int, half: bool) -> None:
    """It has as many levels as pictures in a batch."""
    space = replace(network(unshuffle).architecture.space, level_map=True)
    levelled = RestorationNet(Architecture.from_text("PF", space)).eval()
    plan, _ = serialize_engine(rtx, to_onnx(levelled, {}, half=half), PROFILE)
    assert len(plan) > 100_000


def test_int8_for_cpus_is_told_from_int8_for_engines(rtx: Any, graph: Graph) -> None:
    model = graph(1, "int8 for CPUs")
    with pytest.raises(MadeForCpusError, match="unsigned"):
        graph_precision(model)
    with pytest.raises(ClearerError, match="zero point"):
        serialize_engine(rtx, model, PROFILE)


def test_a_build_that_fails_gives_the_reason_of_the_library(rtx: Any, graph: Graph) -> None:
    with pytest.raises(ClearerError, match=r"cannot build the engine: .*workspace"):
        serialize_engine(rtx, graph(), PROFILE, workspace_bytes=4096)


def test_all_errors_of_the_parser_are_told(rtx: Any) -> None:
    shape: list[str | int | None] = ["n", 1, "h", "w"]
    given_, result = (helper.make_tensor_value_info(n, TensorProto.FLOAT, shape) for n in "xz")
    nodes = [
        helper.make_node("NoSuchThing", ["x"], ["y"], name="first"),
        helper.make_node("NorThis", ["y"], ["z"], name="second"),
    ]
    model = helper.make_model(helper.make_graph(nodes, "bad", [given_], [result]), ir_version=10)
    with pytest.raises(ClearerError, match=r"cannot read .*NoSuchThing.*NorThis") as error:
        serialize_engine(rtx, model.SerializeToString(), PROFILE)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_named(rtx: Any, graph: Graph) -> None:
    with pytest.raises(ClearerError, match="damaged"):
        graph_precision(graph()[:999])
    with pytest.raises(ClearerError, match="cannot read the ONNX file"):
        serialize_engine(rtx, graph()[:999], PROFILE)


def renamed(model: bytes, *dims: str | int) -> bytes:
    proto = onnx.load_from_string(model)
    for value in (*proto.graph.input, *proto.graph.output):
        element = value.type.tensor_type.elem_type
        value.CopyFrom(helper.make_tensor_value_info(value.name, element, dims))
    data: bytes = proto.SerializeToString()
    return data


def test_only_n_h_and_w_may_be_free(rtx: Any, graph: Graph) -> None:
    with pytest.raises(ClearerError, match="free dimension batch"):
        serialize_engine(rtx, renamed(graph(), "batch", 1, "h", "w"), PROFILE)
    plan, _ = serialize_engine(rtx, renamed(graph(), 1, 1, 200, 200), PROFILE)
    assert plan


def build(folder: Path, flavour: Flavour, profile: EngineProfile = PROFILE) -> Any:
    files, lines = sorted(folder.glob("*.onnx")), list[str]()
    settings = EngineSettings(flavour=flavour, profile=profile)
    rows, problems = build_engines(files, settings, lines.append)
    assert not problems
    assert all(any(file.name in line for line in lines) for file in files)
    return rows


def test_engine_and_record_are_written_and_used_again(
    rtx: Any, graph: Graph, tmp_path: Path
) -> None:
    model = tmp_path / "model.fp16.onnx"
    model.write_bytes(graph(2, "fp16"))
    (row,) = build(tmp_path, "tensorrt-rtx")
    path = tmp_path / "model.fp16.rtx.engine"
    plan, record = read_engine(path)
    assert record == {key: value for key, value in row.items() if key != "reused"}
    assert not row["reused"]
    assert (record["precision"], record["profile"]) == ("fp16", PROFILE.text)
    assert record["plan_sha256"] == hashlib.sha256(plan).hexdigest()
    assert record["onnx_sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
    assert (record["flavour"], record["version"]) == ("tensorrt-rtx", rtx.__version__)
    assert record["gpu"] is None
    assert (record["parity"] is None) == bool(record["not_run"])

    before = path.stat().st_ino
    (again,) = build(tmp_path, "tensorrt-rtx")
    assert again == {**row, "reused": True}
    assert path.stat().st_ino == before


@pytest.mark.parametrize("change", ["model", "profile", "version", "plan", "record", "no record"])
def test_whatever_changes_has_the_engine_built_again(
    rtx: Any, graph: Graph, tmp_path: Path, change: str
) -> None:
    model, path = tmp_path / "model.onnx", tmp_path / "model.rtx.engine"
    model.write_bytes(graph())
    build(tmp_path, "tensorrt-rtx")
    profile, record = PROFILE, record_path(path)
    match change:
        case "model":
            proto = onnx.load_from_string(graph())
            onnx.helper.set_model_props(proto, {"trained": "longer"})
            model.write_bytes(proto.SerializeToString())
        case "profile":
            profile = EngineProfile.from_text("1x16x16,1x64x64,1x64x64")
        case "version":
            record.write_text(record.read_text().replace(rtx.__version__, "1.0.0"))
        case "plan":
            path.write_bytes(path.read_bytes()[:-1])
        case "record":
            record.write_text("{")
        case "no record":
            record.unlink()
    (row,) = build(tmp_path, "tensorrt-rtx", profile)
    assert not row["reused"]
    assert row["profile"] == profile.text
    read_engine(path)


def test_one_bad_file_keeps_no_other_out(rtx: Any, graph: Graph, tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(renamed(graph(), "batch", 1, "h", "w"))
    (tmp_path / "b.cpu.onnx").write_bytes(graph(1, "int8 for CPUs"))
    (tmp_path / "c.onnx").write_bytes(graph())
    lines: list[str] = []
    settings = EngineSettings(flavour="tensorrt-rtx", profile=PROFILE)
    rows, problems = build_engines(sorted(tmp_path.glob("*.onnx")), settings, lines.append)
    assert [row["onnx"] for row in rows] == ["c.onnx"]
    assert [problem.split(":")[0] for problem in problems] == ["a.onnx"]
    assert "b.cpu.onnx is quantised for CPUs: no engine can be built from it" in lines
    assert [path.name for path in tmp_path.glob("*.engine")] == ["c.rtx.engine"]


def test_without_the_library_one_line_says_what_to_install(
    graph: Graph, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model.onnx").write_bytes(graph())
    monkeypatch.setitem(sys.modules, "tensorrt", None)
    with pytest.raises(ClearerError, match=r'library is missing.*pip install .*\[trt\]"'):
        build(tmp_path, "tensorrt")


def test_an_old_library_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="10.9.0.34"))
    with pytest.raises(ClearerError, match=r"10\.9\.0\.34 is too old, 10\.12"):
        open_library(FLAVOURS["tensorrt"])


def test_without_a_driver_one_line_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The library is installed, but not used yet."""
    if engine_device.driver_version() is not None:
        pytest.skip("there is an NVIDIA driver")
    monkeypatch.setitem(sys.modules, "tensorrt", SimpleNamespace(__version__="11.0.0.1"))
    with pytest.raises(NoGpuError, match="driver is missing.*install") as error:
        build(tmp_path, "tensorrt")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("code", "message"), [(100, "a GPU is missing"), (999, "error 999")])
def test_a_driver_without_a_gpu(monkeypatch: pytest.MonkeyPatch, code: int, message: str) -> None:
    """The driver's answer is simulated; nothing else is asked of it."""
    driver = SimpleNamespace(cuInit=lambda flags: code)
    monkeypatch.setattr("ctypes.CDLL", lambda name: driver)
    with pytest.raises(NoGpuError, match=message):
        require_gpu()


@pytest.fixture
def on_gpu() -> Any:
    """TensorRT, if it can run."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    pytest.importorskip("tensorrt", reason='needs pip install "clearer[trt]"')
    return open_library(FLAVOURS["tensorrt"])


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("unshuffle", [1, 2])
def test_tensorrt_computes_what_torch_computes(
    on_gpu: Any, graph: Graph, tmp_path: Path, unshuffle: int, precision: str
) -> None:
    (tmp_path / "model.onnx").write_bytes(graph(unshuffle, precision))
    (row,) = build(tmp_path, "tensorrt")
    assert (row["gpu"], row["precision"]) == (torch.cuda.get_device_name(), precision)
    assert max(check["max_abs"] for check in row["parity"]) <= ENGINE_LIMITS[precision]
    folder = Path(platformdirs.user_cache_dir("clearer")) / "tensorrt"
    (timing_cache,) = folder.glob(f"*-{on_gpu.__version__}.timing")
    assert timing_cache.stat().st_size > 0

    plan, _ = read_engine(tmp_path / row["file"])
    channels = 2 * unshuffle - 1
    net = network(unshuffle)
    with closing(EngineSession(on_gpu, plan)) as session:
        for size in ((1, 33, 50), (2, 128, 127), (1, 33, 50)):
            shape = (size[0], channels, *size[1:])
            batch = np.random.default_rng(0).random(shape, dtype=np.float32)
            with torch.inference_mode():
                expected = net(torch.from_numpy(batch)).numpy()
            flipped = session(batch[:, :, ::-1])[:, :, ::-1]
            assert flipped.shape == expected.shape
            if precision != "int8":  # its difference from torch depends on calibration
                assert np.abs(session(batch) - expected).max() <= ENGINE_LIMITS[precision]

    (again,) = build(tmp_path, "tensorrt")
    assert again == {**row, "reused": True}


@pytest.mark.gpu
def test_tensorrt_rtx_runs_where_the_card_is_one(graph: Graph, tmp_path: Path, rtx: Any) -> None:
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    major, minor = torch.cuda.get_device_capability()
    if (major, minor) not in ((8, 0), (8, 6), (8, 9)) and major < 12:
        pytest.skip(f"TensorRT-RTX has no kernels for compute capability {major}.{minor}")
    (tmp_path / "model.onnx").write_bytes(graph())
    (row,) = build(tmp_path, "tensorrt-rtx")
    assert max(check["max_abs"] for check in row["parity"]) <= ENGINE_LIMITS["fp32"]


def test_an_engine_needs_a_gpu_to_run(rtx: Any) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(ClearerError, match="cannot use the GPU"):
        EngineSession(rtx, os.urandom(64))
