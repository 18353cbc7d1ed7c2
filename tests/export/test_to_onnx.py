from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from clearer.cost import cost_table
from clearer.errors import ClearerError
from clearer.export.metadata import model_metadata
from clearer.export.parity import check_parity
from clearer.export.to_onnx import OPSET, file_mb, to_onnx
from clearer.network import RestorationNet
from clearer.space import Architecture, SearchSpace
from tests.clearer.test_supernet import randomize

INFO = {
    "task": {"name": "denoise", "sigma": "25"},
    "protocol": "awgn",
    "data": "some pictures",
    "selection": "best of 3",
    "val_psnr_db": 30.1234,
    "val_ssim": 0.9,
}


def network(channels: int = 1, stem: int = 1) -> RestorationNet:
    space = SearchSpace(
        channels=channels, width=4, columns=(1, 2, 1), stem=stem, residual=stem == 1
    )
    net = RestorationNet(Architecture.from_text("P-FP-F", space)).eval()
    randomize(net)
    # Random weights blow features up; this brings the output to the range of an image.
    with torch.inference_mode():
        scale = net(torch.rand(1, channels, 32, 32)).abs().max()
    net.output.head.weight.data /= scale
    return net


@pytest.fixture(scope="module", params=[(1, 1), (3, 2)], ids=["gray stem 1", "RGB stem 2"])
def exported(request: pytest.FixtureRequest) -> tuple[RestorationNet, bytes]:
    net = network(*request.param)
    return net, to_onnx(net, model_metadata(net.architecture, INFO))


Exported = tuple[RestorationNet, bytes]


def test_parity_with_torch_at_odd_sizes_and_in_a_batch(exported: Exported) -> None:
    net, model = exported
    rows = check_parity(model, net)
    shapes = [tuple(row["shape"][i] for i in (0, 2, 3)) for row in rows]
    assert shapes == [(1, 17, 19), (1, 61, 77), (1, 321, 481), (3, 61, 77)]
    assert all(row["max_abs"] < 1e-4 for row in rows)


@pytest.mark.parametrize("shape", [(1, 1, 1), (2, 3, 5), (1, 64, 64)])
def test_tiny_and_even_images(exported: Exported, shape: tuple[int, int, int]) -> None:
    net, model = exported
    check_parity(model, net, shapes=[shape])


def test_parity_finds_a_wrong_weight(exported: Exported) -> None:
    net, model = exported
    proto = onnx.load_from_string(model)
    weights = [i for i in proto.graph.initializer if len(i.dims) == 4]
    damaged = onnx.numpy_helper.to_array(weights[0]).copy()
    damaged.flat[0] += 0.5
    weights[0].CopyFrom(onnx.numpy_helper.from_array(damaged, weights[0].name))
    with pytest.raises(ClearerError, match="differs from torch"):
        check_parity(proto.SerializeToString(), net)


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


@pytest.mark.parametrize("text", ["PPPP-PPPP-PPPP", "FFFF-FFFF-FFFF"])
def test_the_estimate_of_the_size_is_near_the_file(text: str) -> None:
    architecture = Architecture.from_text(text, SearchSpace(width=14, residual=True))
    estimate = cost_table(architecture.space, "mb").cost(architecture)
    assert file_mb(architecture) == pytest.approx(estimate, rel=0.02)


def test_size_before_training_covers_the_file_after() -> None:
    net = network()
    trained = to_onnx(net, model_metadata(net.architecture, INFO))
    assert len(trained) / 1e6 <= file_mb(net.architecture)


def test_output_is_not_clipped() -> None:
    net = network()
    model = to_onnx(net, {})
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    (restored,) = session.run(None, {"input": np.full((1, 1, 16, 16), 5.0, np.float32)})
    assert restored.max() > 1
