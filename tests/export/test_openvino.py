from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import onnx
import pytest

from clearer.errors import ClearerError, InputError
from clearer.export.calibration import observe
from clearer.export.openvino import OpenVinoFiles, OpenVinoSession, to_openvino
from clearer.export.qdq import insert_qdq
from tests.export.test_int8 import CALIBRATION, images, run, small_file

SHAPES = [(1, 17, 19), (3, 61, 40), (1, 1, 1)]


@pytest.fixture(scope="module")
def files() -> OpenVinoFiles:
    return to_openvino(small_file())


@pytest.fixture(scope="module")
def int8_file() -> bytes:
    seen = observe(small_file(), CALIBRATION)
    return insert_qdq(small_file(), "openvino", "minmax", seen).model()


def test_written_and_read_it_agrees_with_onnx_runtime(files: OpenVinoFiles, tmp_path: Path) -> None:
    path = tmp_path / "model.xml"
    path.write_bytes(files.xml)
    path.with_suffix(".bin").write_bytes(files.weights)
    session = OpenVinoSession(path, "f32", 1)
    assert session.precision == "f32"
    for image in images(*SHAPES):
        restored = session(image)
        assert restored.shape == image.shape
        # Weights are rounded to fp16, and nothing else.
        np.testing.assert_allclose(restored, run(small_file(), image), atol=1e-3)


def test_in_fp32_weights_it_is_exact() -> None:
    """So the difference above comes from the weights."""
    proto = onnx.load_from_string(small_file())
    for tensor in proto.graph.initializer:
        values = onnx.numpy_helper.to_array(tensor)
        if values.dtype == np.float32:
            rounded = values.astype(np.float16).astype(np.float32)
            tensor.CopyFrom(onnx.numpy_helper.from_array(rounded, tensor.name))
    model = proto.SerializeToString()
    image = images((2, 33, 29))[0]
    restored = OpenVinoSession(to_openvino(model), "f32", 1)(image)
    np.testing.assert_allclose(restored, run(model, image), atol=1e-5)


def test_weights_take_half_the_bytes(files: OpenVinoFiles) -> None:
    tensors = onnx.load_from_string(small_file()).graph.initializer
    bytes_fp32 = sum(len(t.raw_data) for t in tensors if t.data_type == onnx.TensorProto.FLOAT)
    assert bytes_fp32 / 2 <= len(files.weights) < 0.6 * bytes_fp32


def test_metadata_survive(files: OpenVinoFiles) -> None:
    entries = onnx.load_from_string(small_file()).metadata_props
    metadata = OpenVinoSession(files, "f32", 1).metadata
    assert metadata == {entry.key: entry.value for entry in entries}
    assert metadata["training_data"] == "pictures"


def test_names_and_free_sizes(files: OpenVinoFiles) -> None:
    layers = {layer.get("type"): layer for layer in ElementTree.fromstring(files.xml).iter("layer")}
    assert layers["Parameter"].get("name") == "input"
    assert layers["Parameter"].find("data").get("shape") == "?,1,?,?"  # type: ignore[union-attr]


def test_bf16_computes_in_bf16_or_says_why_not(files: OpenVinoFiles) -> None:
    image = images((1, 40, 40))[0]
    try:
        session = OpenVinoSession(files, "bf16", 1)
    except ClearerError as error:
        assert "computes in f32 here, not in bf16" in str(error)  # noqa: PT017
        return
    assert session.precision == "bf16"
    difference = np.abs(session(image) - run(small_file(), image)).max()
    assert 1e-5 < difference < 0.1


def sums_saturate() -> bool:
    """Whether 8-bit products are summed in 16 bits: on x86 without VNNI, per OpenVINO's manual."""
    about = Path("/proc/cpuinfo")
    return about.is_file() and "avx2" in (text := about.read_text()) and "vnni" not in text


def test_int8_runs_in_int8(int8_file: bytes) -> None:
    session = OpenVinoSession(to_openvino(int8_file), "f32", 1)
    num_convolutions = sum(n.op_type == "Conv" for n in onnx.load_from_string(int8_file).graph.node)
    assert session.num_int8_convolutions > num_convolutions / 2
    for image in images(*SHAPES):
        assert session(image).shape == image.shape


@pytest.mark.skipif(sums_saturate(), reason="without VNNI, sums in int8 saturate in OpenVINO")
def test_int8_agrees_with_onnx_runtime(int8_file: bytes) -> None:
    session = OpenVinoSession(to_openvino(int8_file), "f32", 1)
    for image in images(*SHAPES):
        restored, expected = session(image), run(int8_file, image)
        error = np.abs(expected - run(small_file(), image)).max()
        assert np.abs(restored - expected).max() < 2 * error


def test_a_floating_point_network_has_no_int8(files: OpenVinoFiles) -> None:
    assert OpenVinoSession(files, "f32", 1).num_int8_convolutions == 0


def test_an_onnx_file_runs_as_well(tmp_path: Path, int8_file: bytes) -> None:
    path = tmp_path / "model.onnx"
    path.write_bytes(int8_file)
    image = images((2, 20, 21))[0]
    from_ir = OpenVinoSession(to_openvino(int8_file), "f32", 1)(image)
    np.testing.assert_allclose(OpenVinoSession(path, "f32", 1)(image), from_ir, atol=1e-5)


def test_the_same_file_gives_the_same_ir(files: OpenVinoFiles) -> None:
    assert to_openvino(small_file()) == files


def test_a_file_that_is_none(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cannot be loaded by OpenVINO"):
        OpenVinoSession(tmp_path / "absent.xml", "f32", 1)


def test_no_runtime(files: OpenVinoFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    for use in (lambda: to_openvino(small_file()), lambda: OpenVinoSession(files, "f32", 1)):
        with pytest.raises(ClearerError, match=r'pip install .*\[openvino\]"'):
            use()
