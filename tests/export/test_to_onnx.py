from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from clearer.costs.cost import FILE_PRECISIONS, FilePrecision, cost_table, network_cost
from clearer.errors import InputError
from clearer.export.calibration import observe
from clearer.export.fixed_sizes import with_fixed_sizes
from clearer.export.graph_nodes import OPSET
from clearer.export.image_io import with_image_io
from clearer.export.metadata import model_metadata
from clearer.export.parity import to_pixels
from clearer.export.qdq import insert_qdq
from clearer.export.to_onnx import (
    OPSETS,
    check_opset,
    file_mb,
    saved_to_onnx,
    to_onnx,
    untrained_file,
)
from clearer.networks.fold import fold_batch_norm
from clearer.networks.fold_arrays import fold_arrays
from clearer.networks.level_map import with_level
from clearer.networks.network import RestorationNet, save_network
from clearer.networks.weights_file import read_weights
from clearer.space.space import Architecture, SearchSpace, Stem
from tests.clearer.networks.test_supernet import randomize
from tests.spaces import architectures

INFO = {
    "task": {"name": "denoise", "sigma": "25"},
    "protocol": "awgn",
    "data": "some pictures",
    "selection": "best of 3",
    "val_psnr_db": 30.1234,
    "val_ssim": 0.9,
}


def network(channels: int = 1, unshuffle: int = 1, stem: Stem = "bottlenecks") -> RestorationNet:
    space = SearchSpace(
        channels=channels,
        width=4,
        columns=(1, 2, 1),
        unshuffle=unshuffle,
        residual=(channels, unshuffle) != (3, 2),
        stem=stem,
    )
    net = RestorationNet(Architecture.from_text("P-FP-F", space)).eval()
    randomize(net)
    # Random weights inflate features; this brings the output to the range of an image.
    with torch.inference_mode():
        scale = net(torch.rand(1, channels, 32, 32)).abs().max()
    net.output.head.weight.data /= scale
    return net


@pytest.fixture(
    scope="module",
    params=[(1, 1, "bottlenecks"), (3, 2, "bottlenecks"), (1, 2, "conv"), (3, 1, "conv")],
    ids=["gray unshuffle 1", "RGB unshuffle 2", "gray unshuffle 2 conv", "RGB unshuffle 1 conv"],
)
def exported(request: pytest.FixtureRequest) -> tuple[RestorationNet, bytes]:
    net = network(*request.param)
    return net, to_onnx(net, model_metadata(net.architecture, INFO))


Exported = tuple[RestorationNet, bytes]


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (2, 3, 5), (1, 17, 19), (3, 61, 77), (1, 64, 64), (1, 321, 481)]
)
def test_agrees_with_torch_at_any_size(exported: Exported, shape: tuple[int, int, int]) -> None:
    net, model = exported
    batch = noisy(net, shape)
    np.testing.assert_allclose(run(model, batch), restored(net, batch), atol=1e-5)


def noisy(net: RestorationNet, shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """A ramp with noise that goes beyond [0, 1]."""
    batch, height, width = shape
    rng = np.random.default_rng(list(shape))
    size = (batch, net.architecture.space.channels, height, width)
    ramp = np.linspace(-0.2, 1.2, width, dtype=np.float32)
    return ramp + np.float32(0.1) * rng.standard_normal(size, dtype=np.float32)


def run(model: bytes, batch: NDArray[Any]) -> NDArray[Any]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    result: NDArray[Any] = session.run(None, {"input": batch})[0]
    return result


def restored(net: RestorationNet, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    with torch.inference_mode():
        result: NDArray[np.float32] = net(torch.from_numpy(batch)).numpy()
    return result


@pytest.mark.parametrize("shape", [(1, 27, 29), (3, 32, 48)])
def test_pictures_in_and_out(exported: Exported, shape: tuple[int, int, int]) -> None:
    """Scaling, clipping, rounding and layout are those of the library, done inside."""
    net, model = exported
    pixels = to_pixels(noisy(net, shape))
    result = run(with_image_io(model), pixels)
    planes = pixels.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
    expected = to_pixels(restored(net, planes))
    assert result.dtype == np.uint8
    assert result.shape == expected.shape == (*shape, net.architecture.space.channels)
    difference = np.abs(result.astype(int) - expected)
    assert difference.max() <= 1  # where values on both sides of a half round apart
    assert (difference > 0).mean() < 1e-3
    assert len(np.unique(expected)) > 50


def test_the_file_for_pictures_says_so(exported: Exported) -> None:
    net, model = exported
    proto = onnx.load_from_string(with_image_io(model))
    entries = {entry.key: entry.value for entry in proto.metadata_props}
    assert (entries["io"], entries["layout"]) == ("image", "NHWC")
    given, result = proto.graph.input[0], proto.graph.output[0]
    for value in (given, result):
        dims = [d.dim_param or d.dim_value for d in value.type.tensor_type.shape.dim]
        assert dims == ["n", "h", "w", net.architecture.space.channels]
    # TensorRT takes 8-bit values only next to a cast.
    users = [node.op_type for node in proto.graph.node if given.name in node.input]
    makers = [node.op_type for node in proto.graph.node if result.name in node.output]
    assert users == makers == ["Cast"]


@pytest.mark.parametrize("shape", [(1, 17, 19), (2, 32, 48), (1, 32, 19), (1, 3, 40)])
def test_fixed_sizes_leave_no_arithmetic_on_sizes(
    exported: Exported, shape: tuple[int, int, int]
) -> None:
    net, model = exported
    fixed = with_fixed_sizes(model, shape)
    operators = {node.op_type for node in onnx.load_from_string(fixed).graph.node}
    assert not operators & {"Shape", "Concat", "Squeeze", "Mul", "Range", "Min"}
    # One operator pads, none where nothing is to be done; what is too small to reflect is gathered.
    is_tiny, is_whole = shape[1] < 4, shape[1:] == (32, 48)
    assert ("Gather" in operators) == is_tiny
    assert ("Pad" in operators) == (not is_tiny and not is_whole)
    batch = noisy(net, shape)
    np.testing.assert_allclose(run(fixed, batch), restored(net, batch), atol=1e-5)
    picture = with_image_io(fixed)
    assert run(picture, to_pixels(batch)).shape == (*shape, net.architecture.space.channels)
    with pytest.raises(Exception, match="Got invalid dimensions"):
        run(fixed, batch[:, :, 1:])


def test_halves_keep_fp32_at_both_ends() -> None:
    net = network()
    model = to_onnx(net, {}, half=True)
    proto = onnx.load_from_string(model)
    assert sum(node.op_type == "Cast" for node in proto.graph.node) == 2
    kinds = {tensor.data_type for tensor in proto.graph.initializer if len(tensor.dims) == 4}
    assert kinds == {onnx.TensorProto.FLOAT16}
    for value in (proto.graph.input[0], proto.graph.output[0]):
        assert value.type.tensor_type.elem_type == onnx.TensorProto.FLOAT
    batch = noisy(net, (3, 17, 19))
    difference = np.abs(run(model, batch) - restored(net, batch))
    assert 0 < difference.max() < 0.02


@pytest.mark.parametrize("channels", [1, 3])
def test_folding_changes_nothing_but_the_operators(channels: int) -> None:
    net = network(channels, unshuffle=2)
    folded = fold_batch_norm(net)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in net.modules())
    batch = noisy(net, (2, 17, 19))
    np.testing.assert_allclose(restored(folded, batch), restored(net, batch), atol=1e-5)
    arrays = fold_arrays({name: value.numpy() for name, value in net.state_dict().items()})
    expected = folded.state_dict()
    assert set(arrays) == set(expected)
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, expected[name].numpy())


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    """The same number of values in other shapes: the graph takes none of them."""
    net, path = network(1), tmp_path / "w.safetensors"
    state = net.state_dict()
    state["output.head.weight"] = state["output.head.weight"].flatten()
    save_network(path, net.architecture, state, {})
    with pytest.raises(InputError, match="'output.head.weight' does not fit its architecture"):
        saved_to_onnx(read_weights(path))
    state = {f"x.{name}": value for name, value in net.state_dict().items()}
    save_network(path, net.architecture, state, {})
    with pytest.raises(InputError, match="does not fit its architecture"):
        saved_to_onnx(read_weights(path))


@pytest.mark.parametrize("level_units", [False, True])
def test_the_noise_is_predicted_in_units_of_the_level_or_as_it_is(level_units: bool) -> None:
    plain = network(3, 2).architecture
    space = replace(plain.space, residual=True, level_map=True, level_units=level_units)
    net = RestorationNet(replace(plain, space=space)).eval()
    randomize(net)
    image = np.random.default_rng(0).random((2, 3, 17, 19), dtype=np.float32)
    sigmas = np.array([10, 40], np.float32)
    given = np.concatenate([with_level(image[i : i + 1], sigmas[i] / 255) for i in range(2)])
    session = onnxruntime.InferenceSession(to_onnx(net, {}))
    (found,) = session.run(None, {"input": image, "sigma": sigmas})
    np.testing.assert_allclose(found, restored(net, given), atol=1e-5)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("opset", OPSETS)
def test_the_opset_is_that_asked_for(opset: int, half: bool) -> None:
    net = network(3, 2)
    model = to_onnx(net, {}, opset=opset, half=half)
    proto = onnx.load_from_string(model)
    assert [entry.version for entry in proto.opset_import if entry.domain == ""] == [opset]
    batch = noisy(net, (1, 17, 19))
    np.testing.assert_allclose(run(model, batch), restored(net, batch), atol=0.02 if half else 1e-5)


@pytest.mark.parametrize("opset", [-1, 0, 11, OPSETS[0] - 1, OPSETS[-1] + 1, 99])
def test_other_opsets_are_refused(opset: int) -> None:
    with pytest.raises(InputError, match=rf"--opset {opset} cannot be written"):
        check_opset(opset)


def test_the_file_is_plain(exported: Exported) -> None:
    """One file of standard operators, batch normalisation folded, nothing of this machine in it."""
    _, model = exported
    proto = onnx.load_from_string(model)
    onnx.checker.check_model(proto, full_check=True)
    assert [o.version for o in proto.opset_import if o.domain == ""] == [OPSET]
    operators = {node.op_type for node in proto.graph.node}
    assert "BatchNormalization" not in operators
    assert not any(node.metadata_props or node.doc_string for node in proto.graph.node)
    assert not proto.functions
    assert b".py" not in model
    assert all(not tensor.external_data for tensor in proto.graph.initializer)


def test_names_and_free_sizes(exported: Exported) -> None:
    net, model = exported
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (given,), (result,) = session.get_inputs(), session.get_outputs()
    channels = net.architecture.space.channels
    assert (given.name, result.name) == ("input", "output")
    assert given.shape == result.shape == ["n", channels, "h", "w"]


def test_metadata_say_what_the_file_is(exported: Exported) -> None:
    net, model = exported
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    metadata = session.get_modelmeta().custom_metadata_map
    assert metadata["task"] == "denoise"
    assert metadata["task_options"] == '{"sigma": "25"}'
    assert metadata["protocol"] == "awgn"
    assert (metadata["io"], metadata["precision"]) == ("tensor", "fp32")
    assert metadata["training_data"] == "some pictures"
    assert metadata["val_psnr_db"] == "30.123"
    assert metadata["channels"] == str(net.architecture.space.channels)
    assert metadata["range"].startswith("0..1")
    assert "some pictures" in metadata["licence"]
    assert metadata["generator"].startswith("clearer ")
    assert Architecture.from_json(metadata["architecture"]) == net.architecture


def test_the_same_network_gives_the_same_bytes() -> None:
    net = network()
    assert to_onnx(net, {}) == to_onnx(net, {})


def test_training_mode_is_refused() -> None:
    with pytest.raises(ValueError, match="eval"):
        to_onnx(network().train(), {})


@pytest.mark.parametrize("precision", FILE_PRECISIONS)
@pytest.mark.parametrize("text", ["PPPP-PPPP-PPPP", "FFFF-FFFF-FFFF"])
def test_the_estimate_of_the_size_is_near_the_file(text: str, precision: FilePrecision) -> None:
    architecture = Architecture.from_text(text, SearchSpace(width=14, residual=True))
    estimate = cost_table(architecture.space, "mb", precision).cost(architecture)
    assert file_mb(architecture, precision) == pytest.approx(estimate, rel=0.03)


@settings(max_examples=40, deadline=None)
@given(architectures(), st.sampled_from(FILE_PRECISIONS))
def test_the_size_of_the_smallest_files_is_known_too(
    architecture: Architecture, precision: FilePrecision
) -> None:
    estimate = network_cost(architecture, "mb", precision)
    assert file_mb(architecture, precision) == pytest.approx(estimate, rel=0.06)
    table = cost_table(architecture.space, "mb", precision)
    assert table.cost(architecture) == pytest.approx(estimate)


@pytest.mark.parametrize("precision", FILE_PRECISIONS)
def test_size_before_training_covers_the_file_after(precision: FilePrecision) -> None:
    net = network()
    metadata = model_metadata(net.architecture, INFO, precision=precision)
    trained = to_onnx(net, metadata, half=precision == "fp16")
    if precision == "int8":
        seen = observe(trained, [np.random.default_rng(0).random((1, 1, 16, 16), np.float32)])
        trained = insert_qdq(trained, "cpu", "percentile", seen).model()
    assert len(trained) / 1e6 <= file_mb(net.architecture, precision)


@settings(max_examples=6, deadline=None)
@given(architectures(max_columns=1))
def test_the_untrained_file_in_int8_is_built_as_a_calibrated_one(
    architecture: Architecture,
) -> None:
    source = untrained_file(architecture)
    picture = np.random.default_rng(0).random((1, architecture.space.channels, 16, 16), np.float32)
    calibrated = insert_qdq(source, "cpu", "minmax", observe(source, [picture])).model()
    made, real = (
        onnx.load_from_string(model).graph
        for model in (untrained_file(architecture, "int8"), calibrated)
    )
    assert list(made.node) == list(real.node)
    assert [(t.name, t.dims, t.data_type) for t in made.initializer] == [
        (t.name, t.dims, t.data_type) for t in real.initializer
    ]


@pytest.mark.parametrize("precision", FILE_PRECISIONS)
def test_an_untrained_file_computes(precision: FilePrecision) -> None:
    model = untrained_file(network().architecture, precision)
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(0).random((2, 1, 17, 24), np.float32)
    (restored,) = session.run(None, {"input": picture})
    assert restored.shape == picture.shape
    assert np.isfinite(restored).all()


def test_output_is_not_clipped() -> None:
    net = network()
    model = to_onnx(net, {})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (restored,) = session.run(None, {"input": np.full((1, 1, 16, 16), 5.0, np.float32)})
    assert restored.max() > 1
