"""Graphs compute what torch's own exporter would write, and share their weights."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch

from clearer.export.graph import WEIGHTS_FILE, module_graph, network_graph, write_weights
from clearer.export.network_io import INPUT_NAME, OUTPUT_NAME
from clearer.networks.network import RestorationNet
from clearer.space.space import Architecture, SearchSpace
from tests.clearer.networks.test_supernet import randomize

_DEFAULTS = {
    "auto_pad": b"NOTSET",
    "keep_aspect_ratio_policy": b"stretch",
    "antialias": 0,
    "extrapolation_value": 0.0,
    "exclude_outside": 0,
    "cubic_coeff_a": -0.75,
}
_INTEGER_OPS = {"Shape", "Squeeze", "Div", "Mul", "Concat"}


def canonical(model: onnx.ModelProto) -> str:
    """Hash of what a graph computes from its input: operators, attributes, shapes of weights.

    Arithmetic on shapes and indices is left out, as are reshapes, which move no data.
    """
    shapes = {tensor.name: str(list(tensor.dims)) for tensor in model.graph.initializer}
    made_by = {node.output[0]: node for node in model.graph.node}
    known: dict[str, str] = {"input": "input", "": ""}

    def hash_of(name: str) -> str:
        if name not in known:
            known[name] = shapes[name] if name in shapes else describe(made_by[name])
        return known[name]

    def describe(node: onnx.NodeProto) -> str:
        if node.op_type in _INTEGER_OPS:
            return "shape"
        if node.op_type == "Reshape":
            return hash_of(node.input[0])
        attributes = {a.name: onnx.helper.get_attribute_value(a) for a in node.attribute}
        own = sorted((k, v) for k, v in attributes.items() if _DEFAULTS.get(k) != v)
        used = 1 if node.op_type in ("Gather", "Slice") else len(node.input)
        inputs = [hash_of(name) for name in node.input[:used]]
        text = f"{node.op_type}{own}{inputs}"
        return hashlib.sha256(text.encode()).hexdigest()

    return hash_of("output")


@pytest.mark.filterwarnings("ignore")  # the exporter's own calls are deprecated
@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({}, "PF-FP"),
        ({"unshuffle": 2, "stem": "conv", "channels": 3, "residual": False}, "FF-PP"),
        ({"stem": "conv", "first_scales": 1, "gates": True}, "P.-[P.][.F]"),
        ({"operations": ("swish", "fusion")}, "WF-FW"),
    ],
)
def test_equals_what_torch_exports(changes: dict[str, Any], text: str) -> None:
    """Nothing is computed twice, and patterns that runtimes recognise are kept."""
    space = replace(SearchSpace(width=4, columns=(2, 2), residual=True), **changes)
    architecture = Architecture.from_text(text, space)
    net = RestorationNet(architecture).eval()
    randomize(net)
    example = torch.rand(2, space.channels, 41, 57)
    program = torch.onnx.export(
        net,
        (example,),
        dynamo=True,
        input_names=[INPUT_NAME],
        output_names=[OUTPUT_NAME],
        dynamic_shapes=({0: "n", 2: "h", 3: "w"},),
        verbose=False,
    )
    assert program is not None
    ours = onnx.load_from_string(network_graph(architecture))
    assert canonical(ours) == canonical(program.model_proto)


def test_tells_architectures_apart() -> None:
    space = SearchSpace(width=4, columns=(2,))
    hashes = {canonical(onnx.load_from_string(network_graph(a))) for a in space.architectures()}
    assert len(hashes) == 4


Build = Callable[[SearchSpace], bytes]


@pytest.mark.parametrize("unshuffle", [1, 2])
def test_runs_at_any_size(tmp_path: Path, unshuffle: int) -> None:
    space = SearchSpace(width=6, unshuffle=unshuffle)
    write_weights(tmp_path, space)
    path = tmp_path / "network.onnx"
    path.write_bytes(network_graph(Architecture.from_text("PFPF-FFFF-PPFF", space)))
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    image = np.random.default_rng(0).random((2, 1, 37, 50), dtype=np.float32)
    (restored,) = session.run(None, {"input": image})
    assert restored.shape == image.shape
    assert np.isfinite(restored).all()
    assert np.abs(restored).max() > 1e-6


@pytest.mark.parametrize("choice", ["parallel", "fusion"])
def test_a_module_keeps_the_shapes_of_its_features(tmp_path: Path, choice: str) -> None:
    space = SearchSpace(width=4, columns=(1, 1), unshuffle=2)
    write_weights(tmp_path, space)
    path = tmp_path / "module.onnx"
    path.write_bytes(module_graph(space, choice, 3, range(3), 33, 48))
    onnx.checker.check_model(path, full_check=True)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    # 33 x 48 is padded to 40 x 48; the unshuffle halves it.
    shapes = [value.shape for value in session.get_inputs()]
    assert shapes == [[1, 4, 20, 24], [1, 8, 10, 12], [1, 16, 5, 6]]
    feed = {v.name: np.ones(v.shape, dtype=np.float32) for v in session.get_inputs()}
    assert [list(output.shape) for output in session.run(None, feed)] == shapes


def test_graphs_are_small_and_share_their_weights(tmp_path: Path) -> None:
    space = SearchSpace()
    write_weights(tmp_path, space)
    assert len(network_graph(Architecture.from_text("PPPP-FPFP-PFFP", space))) < 100_000
    assert (tmp_path / WEIGHTS_FILE).stat().st_size == 4 * 9 * 256 * 256
