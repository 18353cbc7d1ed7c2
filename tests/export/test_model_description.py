"""What is found out about files of any origin, and which of them are refused."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from clearer.bench.openvino_runner import OpenVinoRunner, OpenVinoTiles
from clearer.bench.runners import OnnxRunner
from clearer.errors import InputError
from clearer.export.external_data import model_bytes, model_digest
from clearer.export.image_io import with_image_io
from clearer.export.metadata import model_metadata
from clearer.export.model_description import read_description
from clearer.export.picture_io import PictureIo, first_line, picture_restorer
from clearer.export.to_onnx import to_onnx
from clearer.networks.blocks import pad_to_multiple
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from clearer.tasks.denoise import Denoise
from tests.bench import tiny_onnx

IDENTITY = helper.make_node("Identity", ["x"], ["y"])


@pytest.mark.parametrize(
    ("says", "scale"),
    [
        ({"range": "0..255"}, 255.0),
        ({"Range": "[0, 255]"}, 255.0),
        ({"value_range": "0-1"}, 1.0),
        ({"range": "0.0 to 1.0, clipped"}, 1.0),
        ({"Image.NominalPixelRange": "NominalRange_0_255"}, 255.0),
        ({"range": "as photographs have it"}, 1.0),
    ],
)
def test_the_range_that_a_file_says(tmp_path: Path, says: dict[str, str], scale: float) -> None:
    file = read_description(tiny_onnx.blur(tmp_path / "b.onnx", metadata=says))
    assert file.io.scale == scale
    is_told = "photographs" not in str(says)
    assert file.assumed == (
        () if is_told else ("its range (taken: 0..1, in which it keeps a clean picture)",)
    )


@pytest.mark.parametrize("text", ["-1..1", "[-1, 1]", "0..65535", "16-235"])
def test_other_ranges_are_refused(tmp_path: Path, text: str) -> None:
    path = tiny_onnx.blur(tmp_path / "b.onnx", metadata={"range": text})
    with pytest.raises(InputError, match="only 0..1 and 0..255 are known"):
        read_description(path)


@pytest.mark.parametrize("white", [1.0, 255.0])
@pytest.mark.parametrize("channels", [1, 3])
def test_the_range_of_a_silent_file_is_found(tmp_path: Path, white: float, channels: int) -> None:
    file = read_description(tiny_onnx.blur(tmp_path / "b.onnx", white, channels))
    assert file.io.scale == white
    assert f"its range (taken: 0..{white:g}" in file.notes[0]
    assert ("RGB" in file.notes[0]) is (channels == 3)


@pytest.mark.parametrize(
    ("metadata", "is_bgr"),
    [
        ({"color_order": "BGR"}, True),
        ({"Image.BitmapPixelFormat": "Bgr8"}, True),
        ({"channel_order": "rgb"}, False),
        ({}, False),
    ],
)
def test_the_order_of_channels(tmp_path: Path, metadata: dict[str, str], is_bgr: bool) -> None:
    path = tiny_onnx.tinted(tmp_path / "t.onnx", "BGR" if is_bgr else "RGB", metadata)
    assert read_description(path).io.is_bgr is is_bgr
    picture = np.random.default_rng(0).random((1, 3, 5, 4), dtype=np.float32)
    restored = OnnxRunner("t", path, 3)(picture)
    np.testing.assert_allclose(restored[:, 0], picture[:, 0] / 2, atol=1e-6)
    np.testing.assert_allclose(restored[:, 1:], picture[:, 1:], atol=1e-6)


def test_an_order_that_is_unknown_is_refused(tmp_path: Path) -> None:
    path = tiny_onnx.blur(tmp_path / "b.onnx", channels=3, metadata={"color_space": "YCbCr"})
    with pytest.raises(InputError, match="'ycbcr': RGB, BGR and gray are known"):
        read_description(path)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("is_nhwc", [False, True])
@pytest.mark.parametrize("is_open", [False, True])
def test_channels_and_layout_are_found(
    tmp_path: Path, channels: int, is_nhwc: bool, is_open: bool
) -> None:
    stated: tiny_onnx.Shape = ["b", "h", "w", channels] if is_nhwc else ["b", channels, "h", "w"]
    shape: tiny_onnx.Shape = ["b", "c", "h", "w"] if is_open else stated
    path = tiny_onnx.convolution(tmp_path / "c.onnx", channels, shape, is_nhwc=is_nhwc)
    file = read_description(path)
    assert (file.channels, file.io.layout) == (channels, "NHWC" if is_nhwc else "NCHW")
    assert (file.io.multiple, file.io.has_any_size) == (1, True)
    picture = np.random.default_rng(0).random((1, channels, 9, 7), dtype=np.float32)
    np.testing.assert_allclose(OnnxRunner("c", path, channels)(picture), picture, atol=1e-6)


def test_a_network_of_any_channels(tmp_path: Path) -> None:
    file = read_description(tiny_onnx.identity(tmp_path / "i.onnx", channels="c"))
    assert (file.io.channels, file.channels, file.color) == (None, 1, "gray")


@pytest.mark.parametrize("side", [1, 2, 3, 7, 8, 16, 64])
def test_the_multiple_that_sides_need(tmp_path: Path, side: int) -> None:
    """Pictures are reflect-padded, as our networks do inside, and cropped again."""
    path = tiny_onnx.pooled(tmp_path / "p.onnx", side)
    assert read_description(path).io.multiple == side
    picture = np.random.default_rng(0).random((1, 1, 21, 30), dtype=np.float32)
    restored = OnnxRunner("p", path, 1)(picture)
    padded = pad_to_multiple(torch.from_numpy(picture), side).numpy()
    rows, columns = (s // side for s in padded.shape[2:])
    means = padded.reshape(1, 1, rows, side, columns, side).mean(axis=(3, 5))
    expected = (padded + means.repeat(side, 2).repeat(side, 3)) / 2
    np.testing.assert_allclose(restored, expected[..., :21, :30], atol=1e-5)


def test_our_files_take_any_side(tmp_path: Path) -> None:
    space = SearchSpace(channels=3, width=2, columns=(1, 1), unshuffle=2)
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    info = {"task": {"name": "denoise", "sigma": "25"}}
    path, pictures = tmp_path / "m.onnx", tmp_path / "m.image.onnx"
    path.write_bytes(to_onnx(network, model_metadata(network.architecture, info)))
    pictures.write_bytes(with_image_io(path.read_bytes()))
    file, of_bytes = read_description(path), read_description(pictures)
    assert file.io == PictureIo(channels=3)
    assert (file.is_ours, file.info.task, file.notes) == (True, Denoise(), ())
    assert of_bytes.io == PictureIo(channels=3, element="uint8", layout="NHWC", scale=255.0)
    assert "takes 8-bit pixels" in of_bytes.notes[0]
    levels = np.random.default_rng(0).integers(256, size=(1, 3, 13, 10))
    picture = levels.astype(np.float32) / np.float32(255)
    expected = np.rint(OnnxRunner("m", path, 3)(picture).clip(0, 1) * 255) / 255
    restored = OnnxRunner("m", pictures, 3)(picture)
    assert np.abs(restored - expected).max() < 1.01 / 255
    assert (np.abs(restored - expected) > 1e-6).mean() < 0.01


def test_half_precision_in_and_out(tmp_path: Path) -> None:
    kind = TensorProto.FLOAT16
    path = tiny_onnx.save(tmp_path / "h.onnx", [IDENTITY], takes=kind, gives=kind)
    assert read_description(path).io.element == "float16"
    picture = np.random.default_rng(0).random((1, 1, 5, 4), dtype=np.float32)
    restored = OnnxRunner("h", path, 1)(picture)
    assert restored.dtype == np.float32
    np.testing.assert_allclose(restored, picture, atol=1e-3)


def test_weights_listed_as_inputs_are_none(tmp_path: Path) -> None:
    model = onnx.load(tiny_onnx.blur(tmp_path / "b.onnx"))
    kernel = helper.make_tensor_value_info("k", TensorProto.FLOAT, [1, 1, 3, 3])
    model.graph.input.insert(0, kernel)
    onnx.save(model, tmp_path / "old.onnx")
    assert read_description(tmp_path / "old.onnx").channels == 1
    assert OnnxRunner("old", tmp_path / "old.onnx", 1)(np.ones((1, 1, 4, 4), np.float32)).shape


def test_one_size_is_known(tmp_path: Path) -> None:
    path = tiny_onnx.of_one_size(tmp_path / "o.onnx")
    file = read_description(path)
    assert (file.io.height, file.io.width) == (64, 64)
    with pytest.raises(InputError, match="one size only"):
        file.require_any_size()
    runner = OnnxRunner("o", path, 1)
    assert runner(np.ones((1, 1, 64, 64), np.float32)).shape == (1, 1, 64, 64)
    with pytest.raises(InputError, match="64x64 .height x width. only, not of 64x48"):
        runner(np.ones((1, 1, 64, 48), np.float32))


def refused(folder: Path, change: Callable[[onnx.ModelProto], None]) -> Path:
    model = onnx.load(tiny_onnx.blur(folder / "whole.onnx"))
    change(model)
    onnx.save(model, folder / "m.onnx")
    return folder / "m.onnx"


def add_output(model: onnx.ModelProto) -> None:
    model.graph.output.append(helper.make_tensor_value_info("a", TensorProto.FLOAT, [None] * 4))


def add_input(model: onnx.ModelProto) -> None:
    model.graph.input.append(helper.make_tensor_value_info("sigma", TensorProto.FLOAT, [1]))


def fix_batch(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 7


def fix_batch_inside(model: onnx.ModelProto) -> None:
    model.graph.initializer.append(
        onnx.numpy_helper.from_array(np.array([7, 1, -1, 4], np.int64), "seven")
    )
    model.graph.node.append(helper.make_node("Reshape", ["y", "seven"], ["z"]))
    model.graph.output[0].name = "z"


def lose_an_input(model: onnx.ModelProto) -> None:
    del model.graph.node[0].input[1]


def use_what_is_missing(model: onnx.ModelProto) -> None:
    model.graph.node[1].input[0] = "nowhere"


def test_sizes_written_as_minus_one_are_free(tmp_path: Path) -> None:
    model = onnx.load(tiny_onnx.blur(tmp_path / "b.onnx"))
    for axis in (0, 2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = -1
    onnx.save(model, tmp_path / "m.onnx")
    file = read_description(tmp_path / "m.onnx")
    assert (file.io.channels, file.io.has_any_size, file.io.multiple) == (1, True, 1)


def flatten(model: onnx.ModelProto) -> None:
    del model.graph.input[0].type.tensor_type.shape.dim[3]


def take(kind: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.elem_type = kind

    return change


def be_for(channels: int) -> Callable[[onnx.ModelProto], None]:
    def change(model: onnx.ModelProto) -> None:
        model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = channels

    return change


def shrink(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("MaxPool", ["y"], ["z"], kernel_shape=[2, 2]))
    model.graph.output[0].name = "z"


def enlarge(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Concat", ["y", "y"], ["z"], axis=1))
    model.graph.output[0].name = "z"


def use_an_unknown_operator(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "Convolve"


def need_a_newer_runtime(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 999


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (add_output, r"2 outputs \(y, a\)"),
        (add_input, r"2 inputs \(x, sigma\)"),
        (fix_batch, "batches of 7 only"),
        (fix_batch_inside, "m.onnx fails on a picture|not image to image"),
        (lose_an_input, "not a valid ONNX network"),
        (use_what_is_missing, "not a valid ONNX network"),
        (flatten, "needs one input N x C x H x W"),
        (take(TensorProto.DOUBLE), "takes double: it needs"),
        (take(TensorProto.INT64), "takes int64: it needs"),
        (be_for(4), "takes 4 channels"),
        (be_for(3), "fails on a picture|cannot be loaded"),
        (shrink, "not image to image"),
        (enlarge, "not image to image"),
        (use_an_unknown_operator, "not a valid ONNX network"),
        (need_a_newer_runtime, "not a valid ONNX network|cannot be loaded"),
    ],
)
def test_files_that_cannot_restore_are_refused_in_one_line(
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    change: Callable[[onnx.ModelProto], None],
    reason: str,
) -> None:
    path = refused(tmp_path, change)
    with pytest.raises(InputError, match=reason) as caught:
        read_description(path)
    assert len(str(caught.value).splitlines()) == 1
    assert capfd.readouterr().err == ""  # the runtime itself says nothing


def test_weights_beside_a_file_count(tmp_path: Path) -> None:
    path = tiny_onnx.with_data_beside(tmp_path / "e.onnx")
    beside = tmp_path / "e.onnx.data"
    total = path.stat().st_size + beside.stat().st_size
    assert read_description(path).num_bytes == model_bytes(path) == total
    before = model_digest(path)
    data = bytearray(beside.read_bytes())
    data[1] ^= 1
    beside.write_bytes(data)
    assert model_digest(path) != before
    beside.write_bytes(data[:20])
    with pytest.raises(InputError, match="e.onnx.data ends before the weights"):
        read_description(path)
    beside.unlink()
    with pytest.raises(InputError, match="e.onnx.data, which is not there"):
        read_description(path)


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd", "", "sub/../../secret"])
def test_weights_elsewhere_are_not_read(tmp_path: Path, location: str) -> None:
    (tmp_path / "secret").write_bytes(bytes(10_000))
    (tmp_path / "in" / "sub").mkdir(parents=True)
    path = tiny_onnx.with_data_beside(tmp_path / "in" / "e.onnx")
    model = onnx.load(path, load_external_data=False)
    for tensor in model.graph.initializer:
        for entry in tensor.external_data:
            if entry.key == "location":
                entry.value = location
    path.write_bytes(model.SerializeToString())
    with pytest.raises(InputError, match="outside its folder"):
        read_description(path)


def test_errors_of_runtimes_are_one_line() -> None:
    assert first_line(RuntimeError("one\ntwo")) == "one"
    assert first_line(RuntimeError("")) == "RuntimeError"
    assert first_line(RuntimeError("Exception from a.cpp:1:\nException from b:\nthe reason\n")) == (
        "the reason"
    )
    assert "\x1b" not in first_line(RuntimeError("\x1b[31mred"))
    assert len(first_line(RuntimeError("x" * 10_000))) < 600


def test_a_picture_of_one_pixel_is_padded() -> None:
    restore = picture_restorer(lambda given: given, PictureIo(multiple=8, is_bgr=True), "n")
    picture = np.array([0.1, 0.2, 0.3], np.float32).reshape(1, 3, 1, 1)
    np.testing.assert_array_equal(restore(picture), picture)


def test_openvino_finds_the_same_where_it_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [
        tiny_onnx.pooled(tmp_path / "p.onnx", 8),
        tiny_onnx.blur(tmp_path / "b.onnx", 255.0, 3),
        tiny_onnx.convolution(tmp_path / "c.onnx", 3, ["b", "c", "h", "w"]),
        tiny_onnx.convolution(tmp_path / "l.onnx", 3, ["b", "h", "w", 3], is_nhwc=True),
    ]
    expected = [read_description(path).io for path in paths]
    find = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "onnxruntime" else find(name)
    )
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    assert [read_description(path).io for path in paths] == expected
    with pytest.raises(InputError, match="fails on a picture|cannot be loaded by OpenVINO"):
        read_description(refused(tmp_path, be_for(3)))


def old_style(path: Path) -> Path:
    model = onnx.load(tiny_onnx.blur(path))
    model.graph.input.append(helper.make_tensor_value_info("k", TensorProto.FLOAT, [1, 1, 3, 3]))
    for axis in (0, 2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = -1
    onnx.save(model, path)
    return path


def of_halves(path: Path) -> Path:
    kind = TensorProto.FLOAT16
    return tiny_onnx.save(path, [IDENTITY], takes=kind, gives=kind)


@pytest.mark.parametrize("make", [old_style, of_halves, tiny_onnx.with_data_beside])
def test_openvino_restores_as_onnx_runtime(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path / "m.onnx")
    picture = np.random.default_rng(0).random((1, 1, 9, 7), dtype=np.float32)
    io = read_description(path).io
    one = OnnxRunner("m", path, 1, io=io)(picture)
    fixed = OpenVinoRunner("m", path, io=io, precision="fp32", threads=1, shape=picture.shape)
    for runner in (fixed, OpenVinoTiles("m", path, io)):
        np.testing.assert_allclose(runner(picture), one, atol=2e-3)
