from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest

from clearer.export.calibration import observe
from clearer.export.qdq import QdqGraph, insert_qdq
from clearer.export.rounding import with_rounded_outputs, without_rounded_outputs
from clearer.export.to_onnx import untrained_file
from clearer.space.space import Architecture, SearchSpace

U = SearchSpace(width=8, columns=(1, 3), stem="conv", residual=True, first_scales=1, gates=True)
SWISH = SearchSpace(**{**U.to_dict(), "operations": ("swish", "fusion"), "columns": (1, 3)})
SHAPES = {
    "parallel": Architecture.from_text("P-[.P][F.][P.]", U),
    "swish": Architecture.from_text("W-[.W][F.][W.]", SWISH),
    "unshuffled": Architecture.from_text(
        "PF-PF", SearchSpace(width=8, columns=(2, 2), unshuffle=2, residual=True)
    ),
}


@pytest.fixture(scope="module", params=SHAPES)
def graph(request: pytest.FixtureRequest) -> QdqGraph:
    source = untrained_file(SHAPES[request.param])
    pictures = [np.random.default_rng(0).random((1, 1, 24, 24), dtype=np.float32)]
    return insert_qdq(source, "cpu", "minmax", observe(source, pictures))


def computed(model: bytes, folder: Path) -> Counter[str]:
    """Types of the nodes that ONNX Runtime computes."""
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 3  # such a file is for this machine alone, it warns
    onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    nodes = onnx.load(folder / "optimized.onnx").graph.node
    return Counter(node.op_type for node in nodes)


def test_onnx_runtime_computes_all_convolutions_in_integers(
    graph: QdqGraph, tmp_path: Path
) -> None:
    found = computed(graph.model(), tmp_path)
    assert found["QLinearConv"] == len(graph.layers)
    assert not found["Conv"] + found["FusedConv"]
    kinds = Counter(node.op_type for node in onnx.load_from_string(graph.model()).graph.node)
    assert found["QLinearSigmoid"] == kinds["Sigmoid"]


def test_layers_in_floating_point_stay_so(graph: QdqGraph, tmp_path: Path) -> None:
    for layer in graph.layers:
        in_float = graph.in_float([layer])
        assert layer in in_float
        found = computed(graph.model(in_float), tmp_path)
        assert found["Conv"] + found["FusedConv"] == len(in_float) <= 4, layer
        assert found["QLinearConv"] == len(graph.layers) - len(in_float)


def test_rounding_can_be_undone(graph: QdqGraph) -> None:
    rounded = onnx.load_from_string(graph.model())
    exact = without_rounded_outputs(rounded)
    assert len(exact.graph.node) < len(rounded.graph.node)
    assert without_rounded_outputs(exact) == exact
    again = with_rounded_outputs(exact, lambda name: (np.float32(1), np.uint8(0)))
    assert [node.name for node in again.graph.node] == [n.name for n in rounded.graph.node]
    onnx.checker.check_model(exact, full_check=True)


def test_a_tensor_that_is_rounded_twice_is_rounded_once(graph: QdqGraph) -> None:
    """Where a convolution reads what another gave, both round on the same grid."""
    model = onnx.load_from_string(graph.model())
    tensors = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes = [node for node in model.graph.node if node.op_type == "QuantizeLinear"]
    grids = {node.input[0]: [tensors[name] for name in node.input[1:]] for node in nodes}
    both = {name for name in grids if f"{name}_unrounded" in grids}
    assert both
    for name in both:
        for first, second in zip(grids[name], grids[f"{name}_unrounded"], strict=True):
            assert first.dtype == second.dtype
            np.testing.assert_array_equal(first.ravel(), second.ravel())


def test_a_file_without_int8_stays_as_it_is() -> None:
    model = onnx.load_from_string(untrained_file(SHAPES["parallel"]))
    assert with_rounded_outputs(model, lambda name: (np.float32(1), np.uint8(0))) == model
    assert without_rounded_outputs(model) == model
