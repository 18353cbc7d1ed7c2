from __future__ import annotations

import functools
import logging
import math
import sys
from collections.abc import Mapping

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from clearer.errors import ClearerError
from clearer.export.calibration import METHODS, Array, Method, observe
from clearer.export.int8 import DROP_DB, MAX_DROP_DB, Int8Result, Validate, _fewest, quantize
from clearer.export.metadata import model_metadata
from clearer.export.qdq import Flavour, WeightBits, insert_qdq
from clearer.export.rounding import without_rounded_outputs
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet
from clearer.restoring.metrics import psnr_db
from clearer.space.space import Architecture, SearchSpace
from tests.clearer.networks.test_supernet import randomize
from tests.export.test_resolution import u_of_three_scales

FLAVOURS: tuple[Flavour, ...] = ("cpu", "openvino", "tensorrt")
WIDTHS: tuple[WeightBits, ...] = (8, 7)
REFERENCE_DB = 50.0
SENSITIVE = "cells.0.0.blocks.0.body.3"


@functools.cache
def small_file() -> bytes:
    """A network whose output stays in the range of images."""
    space = SearchSpace(width=4, columns=(1,), unshuffle=2, residual=True)
    network = RestorationNet(Architecture.from_text("P", space)).eval()
    randomize(network)
    with torch.inference_mode():
        network.output.head.weight /= 10 * network(torch.rand(1, 1, 32, 32)).abs().max()
    return to_onnx(network, model_metadata(network.architecture, {"data": "pictures"}))


def with_outlier(model: bytes) -> bytes:
    """Scale one channel between two convolutions by a thousand; the second one undoes it.

    In floating point nothing changes, but an 8-bit range that covers it resolves no other channel.
    """
    proto = onnx.load_from_string(model)
    tensors = {t.name: t for t in proto.graph.initializer}
    first = SENSITIVE.removesuffix("3") + "0"
    for name, part, factor in (
        (f"{first}.weight", np.s_[0], 1e3),
        (f"{first}.bias", np.s_[0], 1e3),
        (f"{SENSITIVE}.weight", np.s_[:, 0], 1e-3),
    ):
        values = onnx.numpy_helper.to_array(tensors[name]).copy()
        values[part] *= np.float32(factor)
        tensors[name].CopyFrom(onnx.numpy_helper.from_array(values, name))
    data: bytes = proto.SerializeToString()
    return data


def run(model: bytes, image: Array) -> Array:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    return session.run(None, {"input": image})[0]  # type: ignore[no-any-return]


def images(*shapes: tuple[int, int, int]) -> list[Array]:
    rng = np.random.default_rng(len(shapes))
    return [rng.random((n, 1, h, w), dtype=np.float32) for n, h, w in shapes]


CALIBRATION = images((1, 32, 32), (1, 48, 24), (1, 17, 40))


class Validation:
    """Pictures that the fp32 file restores at 50 dB."""

    def __init__(self, model: bytes) -> None:
        (self.degraded,) = images((4, 40, 40))
        rng = np.random.default_rng(0)
        noise = rng.standard_normal(self.degraded.shape, dtype=np.float32)
        noise *= 10 ** (-REFERENCE_DB / 20) / np.sqrt(np.square(noise).mean())
        self.clean = run(model, self.degraded) + noise
        self.count = 0

    def __call__(self, model: bytes) -> float:
        self.count += 1
        return psnr_db(run(model, self.degraded), self.clean)


def quantized(
    model: bytes,
    flavour: Flavour,
    validate: Mapping[str, Validate],
    *,
    reference_db: float = REFERENCE_DB,
    has_budget: bool = False,
) -> Int8Result:
    return quantize(
        model,
        flavour,
        observe(model, CALIBRATION),
        CALIBRATION,
        validate,
        reference_db=reference_db,
        has_budget=has_budget,
    )


@pytest.fixture(scope="module")
def source() -> bytes:
    return small_file()


@pytest.fixture(scope="module", params=FLAVOURS)
def result(request: pytest.FixtureRequest, source: bytes) -> Int8Result:
    return quantized(source, request.param, {"here": Validation(source)})


def test_the_loss_is_what_the_file_loses(source: bytes, result: Int8Result) -> None:
    measured = Validation(source)(result.model)
    assert result.drop_db == pytest.approx(REFERENCE_DB - measured, abs=1e-4)
    assert result.drop_db <= DROP_DB
    assert result.method in METHODS
    assert len(result.float_layers) < result.num_layers


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_layer_that_int8_ruins_stays_in_floating_point(flavour: Flavour) -> None:
    model = with_outlier(small_file())
    validation = Validation(model)
    for method in METHODS:
        all_int8 = insert_qdq(model, flavour, method, observe(model, CALIBRATION)).model()
        assert validation(all_int8) < REFERENCE_DB - DROP_DB
    validation.count = 0
    result = quantized(model, flavour, {"here": validation})
    assert SENSITIVE in result.float_layers
    assert result.drop_db <= DROP_DB
    assert validation.count <= 4 + 2 * math.log2(result.num_layers)
    convolutions = [n for n in nodes(result.model) if n.op_type == "Conv"]
    in_float = [n.input[1] for n in convolutions if not n.input[1].endswith("Linear_Output")]
    assert in_float == [f"{layer}.weight" for layer in result.float_layers]


@functools.cache
def deep_file() -> bytes:
    network = RestorationNet(u_of_three_scales(5)).eval()
    randomize(network)
    return to_onnx(network, {})


def layers_in_int8(model: bytes) -> set[str]:
    return {
        node.input[1].split(".weight")[0]
        for node in nodes(model)
        if node.op_type == "Conv" and node.input[1].endswith("_DequantizeLinear_Output")
    }


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_onnx_runtime_has_the_finest_resolution_in_floating_point(flavour: Flavour) -> None:
    """Elsewhere as few layers as possible are: a conversion costs little there."""
    model = deep_file()
    graph = insert_qdq(model, flavour, "minmax", observe(model, CALIBRATION))

    def validate(candidate: bytes) -> float:
        return REFERENCE_DB - (2 * DROP_DB if "output.head" in layers_in_int8(candidate) else 0)

    result = quantized(model, flavour, {"a": validate})
    assert "output.head" in result.float_layers
    assert 1 < len(graph.finest) <= len(graph.layers) / 2
    assert (result.float_layers == graph.in_float(graph.finest)) == (flavour == "cpu")


def test_under_a_budget_as_few_layers_as_possible_are() -> None:
    model = deep_file()

    def validate(candidate: bytes) -> float:
        drop = 0.5 * MAX_DROP_DB + MAX_DROP_DB * ("output.head" in layers_in_int8(candidate))
        return REFERENCE_DB - drop

    result = quantized(model, "cpu", {"a": validate}, has_budget=True)
    graph = insert_qdq(model, "cpu", "minmax", observe(model, CALIBRATION))
    assert DROP_DB < result.drop_db <= MAX_DROP_DB
    assert "output.head" in result.float_layers
    assert len(result.float_layers) < len(graph.in_float(graph.finest))


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_more_layers_where_the_finest_resolution_is_not_enough(flavour: Flavour) -> None:
    model, coarse = deep_file(), "cells.2.0.blocks.2.body.3"

    def validate(candidate: bytes) -> float:
        return REFERENCE_DB - (2 * DROP_DB if coarse in layers_in_int8(candidate) else 0)

    result = quantized(model, flavour, {"a": validate})
    assert coarse in result.float_layers
    assert coarse not in layers_in_int8(result.model)
    assert result.drop_db == 0


def largest_weight(model: bytes) -> int:
    tensors = onnx.load_from_string(model).graph.initializer
    values = [onnx.numpy_helper.to_array(t) for t in tensors if t.name.endswith("weight_quantized")]
    return int(max((np.abs(v.astype(int)).max() for v in values), default=0))


def test_a_runtime_that_saturates_gets_weights_of_7_bits(source: bytes) -> None:
    """One runtime loses only with weights above 64, as without VNNI."""
    validation = Validation(source)

    def saturating(model: bytes) -> float:
        return validation(model) - (3 if largest_weight(model) > 64 else 0)

    runtimes: dict[str, Validate] = {"wide": validation, "narrow": saturating}
    result = quantized(source, "cpu", runtimes)
    assert result.weight_bits == 7
    assert largest_weight(result.model) == 64
    assert set(result.drops_db) == {"wide", "narrow"}
    assert result.drop_db == max(result.drops_db.values()) <= DROP_DB
    only_wide = quantized(source, "cpu", {"a": validation})
    assert only_wide.weight_bits == 8
    assert largest_weight(only_wide.model) == 127


def test_weights_of_7_bits_change_nothing_else(source: bytes) -> None:
    activations = observe(source, CALIBRATION)
    wide, narrow = (
        onnx.load_from_string(insert_qdq(source, "cpu", "minmax", activations, bits).model())
        for bits in WIDTHS
    )
    assert [n.op_type for n in wide.graph.node] == [n.op_type for n in narrow.graph.node]
    tensors = [
        {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
        for model in (wide, narrow)
    ]
    for node in wide.graph.node:
        if node.op_type == "QuantizeLinear":
            for name in node.input[1:]:
                np.testing.assert_array_equal(tensors[0][name], tensors[1][name])


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_a_limit_that_no_file_meets(source: bytes, flavour: Flavour) -> None:
    def validate(model: bytes) -> float:
        return REFERENCE_DB if model == source else REFERENCE_DB - 0.2

    with pytest.raises(
        ClearerError, match=rf"int8 for {flavour} loses more than 0\.03 dB .* in here"
    ):
        quantized(source, flavour, {"here": validate})


def test_a_reference_that_is_not_of_this_file(source: bytes) -> None:
    with pytest.raises(
        ClearerError, match=r"the fp32 file is 5\.000 dB below the network .* \(here\)"
    ):
        quantized(source, "cpu", {"here": Validation(source)}, reference_db=55.0)


def nodes(model: bytes) -> list[onnx.NodeProto]:
    return list(onnx.load_from_string(model).graph.node)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("method", METHODS)
def test_signs_and_symmetry(source: bytes, flavour: Flavour, method: Method) -> None:
    graph = insert_qdq(source, flavour, method, observe(source, CALIBRATION))
    proto = onnx.load_from_string(graph.model())
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in proto.graph.initializer}
    activations = [n for n in proto.graph.node if n.op_type == "QuantizeLinear"]
    weights = [
        node
        for node in proto.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in tensors
    ]
    by_dimensions: dict[int, list[onnx.NodeProto]] = {4: [], 1: []}
    for node in weights:
        by_dimensions[tensors[node.input[0]].ndim].append(node)
    assert activations
    for node in activations:
        zero_point = tensors[node.input[2]]
        assert zero_point.dtype == (np.int8 if flavour == "tensorrt" else np.uint8)
        assert flavour != "tensorrt" or zero_point == 0
    assert len(by_dimensions[4]) == len(graph.layers)
    for node in by_dimensions[4]:
        values, scales, zero_points = (tensors[name] for name in node.input)
        assert values.dtype == np.int8
        assert scales.shape == (len(values),)
        assert not zero_points.any()
    # All but the head have a bias.
    assert len(by_dimensions[1]) == (0 if flavour == "tensorrt" else len(graph.layers) - 1)
    assert all(tensors[node.input[0]].dtype == np.int32 for node in by_dimensions[1])


def test_what_is_no_convolution_computes_as_before(source: bytes, result: Int8Result) -> None:
    kept = ("Conv", "QuantizeLinear", "DequantizeLinear")
    unrounded = without_rounded_outputs(onnx.load_from_string(result.model)).SerializeToString()
    others = [[n for n in nodes(m) if n.op_type not in kept] for m in (source, unrounded)]
    assert others[0] == others[1]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_all_layers_in_floating_point_are_the_source(source: bytes, flavour: Flavour) -> None:
    graph = insert_qdq(source, flavour, "minmax", observe(source, CALIBRATION))
    restored = graph.model(graph.layers)
    assert nodes(restored) == nodes(source)
    image = images((1, 30, 31))[0]
    np.testing.assert_array_equal(run(restored, image), run(source, image))


@pytest.mark.parametrize("shape", [(3, 17, 19), (1, 1, 1), (2, 61, 40)])
def test_any_size_and_batch(source: bytes, result: Int8Result, shape: tuple[int, int, int]) -> None:
    image = images(shape)[0]
    restored = run(result.model, image)
    assert restored.shape == image.shape
    assert 0 < np.abs(restored - run(source, image)).max() < 0.05


def test_the_file_says_what_the_source_says(source: bytes, result: Int8Result) -> None:
    before, after = onnx.load_from_string(source), onnx.load_from_string(result.model)
    onnx.checker.check_model(after, full_check=True)
    assert after.metadata_props == before.metadata_props
    assert (after.ir_version, after.opset_import) == (before.ir_version, before.opset_import)
    assert after.graph.input == before.graph.input
    assert after.graph.output == before.graph.output
    assert not any(n.doc_string or n.metadata_props for n in after.graph.node)
    assert not after.graph.value_info


def test_the_same_file_again_and_nothing_printed(
    source: bytes, result: Int8Result, capfd: pytest.CaptureFixture[str]
) -> None:
    handlers = list(logging.getLogger().handlers)
    again = quantized(source, result.flavour, {"here": Validation(source)})
    assert again == result
    assert capfd.readouterr() == ("", "")
    assert logging.getLogger().handlers == handlers


@given(st.integers(1, 300), st.integers(0, 400))
def test_fewest_is_the_smallest_count_that_meets(total: int, least: int) -> None:
    asked = []

    def is_met(count: int) -> bool:
        asked.append(count)
        return count >= least

    assert _fewest(total, is_met) == min(least, total)
    assert len(asked) <= 2 + 2 * math.log2(total)
    assert len(set(asked)) == len(asked)


def test_no_runtime(source: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ClearerError, match=r'pip install .*\[cpu\]"'):
        quantized(source, "cpu", {"here": lambda _: 0.0})


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_an_activation_that_is_always_zero(source: bytes, flavour: Flavour) -> None:
    proto = onnx.load_from_string(source)
    name = SENSITIVE.removesuffix("3") + "0.bias"
    (bias,) = (t for t in proto.graph.initializer if t.name == name)
    bias.CopyFrom(onnx.numpy_helper.from_array(np.full(bias.dims, -1e3, np.float32), name))
    dead = proto.SerializeToString()
    result = quantized(dead, flavour, {"here": Validation(dead)})
    assert result.drop_db <= DROP_DB
    assert not result.float_layers
