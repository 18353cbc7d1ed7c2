"""Damaged model files: each is refused in one line, or works as it should."""

from __future__ import annotations

import json
import random
import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import safetensors.numpy
import torch
from onnx import TensorProto

from clearer.bench.runners import OnnxRunner
from clearer.errors import ClearerError
from clearer.export.image_io import with_image_io
from clearer.export.metadata import model_metadata
from clearer.export.model_description import read_description
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.space.space import Architecture, SearchSpace
from tests.bench import tiny_onnx
from tests.bounded_memory import bounded_memory

SIZE = (21, 18)
INFO = {"task": {"name": "denoise", "sigma": "25"}, "data": "pictures", "val_psnr_db": 30.0}
NUMBERS = (0, 1, 2, 3, 7, 8, -1, 64, 2**31, 2**62, -(2**63))
TEXTS = ("", "0..255", "-1..1", "BGR", "x", "NHWC", "[" * 5000, "\x1b[31m", "uint8", "nan")


def small_network() -> RestorationNet:
    torch.manual_seed(0)
    space = SearchSpace(width=2, columns=(1,), unshuffle=2, residual=True)
    return RestorationNet(Architecture.from_text("F", space)).eval()


def onnx_files(folder: Path) -> list[bytes]:
    """ONNX files of several origins."""
    network = small_network()
    ours = to_onnx(network, model_metadata(network.architecture, INFO))
    told = {"range": "0..255", "color_order": "BGR"}
    paths = [
        tiny_onnx.blur(folder / "blur.onnx", 255.0, 3, told),
        tiny_onnx.pooled(folder / "pooled.onnx", 8),
        tiny_onnx.convolution(folder / "last.onnx", 3, ["b", "h", "w", 3], is_nhwc=True),
        tiny_onnx.with_data_beside(folder / "beside.onnx"),
    ]
    return [ours, with_image_io(ours), *(path.read_bytes() for path in paths)]


def with_other_bytes(data: bytes, rng: random.Random) -> bytes:
    """Flip bits, cut out or double a part, or drop the end."""
    changed = bytearray(data)
    place, length = rng.randrange(len(data)), rng.randrange(1, 40)
    kind = rng.randrange(5)
    if kind < 2:
        for _ in range(rng.randrange(1, 4)):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    elif kind == 2:
        del changed[place : place + length]
    elif kind == 3:
        changed[place:place] = changed[place : place + length]
    else:
        del changed[place:]
    return bytes(changed)


def with_other_fields(data: bytes, rng: random.Random) -> bytes:
    """A file that can be parsed, with one thing in it changed."""
    model = onnx.load_model_from_string(data)
    rng.choice(CHANGES)(model, rng)
    changed: bytes = model.SerializeToString()
    return changed


def change_a_size(model: onnx.ModelProto, rng: random.Random) -> None:
    value = rng.choice([model.graph.input[0], model.graph.output[0]])
    rng.choice(value.type.tensor_type.shape.dim).dim_value = rng.choice(NUMBERS)


def change_a_type(model: onnx.ModelProto, rng: random.Random) -> None:
    value = rng.choice([model.graph.input[0], model.graph.output[0]])
    value.type.tensor_type.elem_type = rng.choice(TensorProto.DataType.values())


def change_an_operator(model: onnx.ModelProto, rng: random.Random) -> None:
    names = ("Relu", "Conv", "Sqrt", "Shape", "GlobalMaxPool", "Nowhere", "")
    rng.choice(model.graph.node).op_type = rng.choice(names)


def lose_a_name(model: onnx.ModelProto, rng: random.Random) -> None:
    node = rng.choice(model.graph.node)
    names = rng.choice([node.input, node.output])
    if names:
        names[rng.randrange(len(names))] = rng.choice(["", "nowhere", "x", "y"])


def lose_an_input(model: onnx.ModelProto, rng: random.Random) -> None:
    del rng.choice(model.graph.node).input[-1:]


def lose_a_node(model: onnx.ModelProto, rng: random.Random) -> None:
    del model.graph.node[rng.randrange(len(model.graph.node))]


def add_an_output(model: onnx.ModelProto, rng: random.Random) -> None:
    model.graph.output.append(rng.choice([model.graph.input[0], model.graph.output[0]]))


def change_weights(model: onnx.ModelProto, rng: random.Random) -> None:
    if model.graph.initializer:
        tensor = rng.choice(model.graph.initializer)
        if tensor.dims:
            tensor.dims[rng.randrange(len(tensor.dims))] = rng.choice(NUMBERS)


def change_an_attribute(model: onnx.ModelProto, rng: random.Random) -> None:
    lists = [a.ints for node in model.graph.node for a in node.attribute if a.ints]
    if lists:
        numbers = rng.choice(lists)
        numbers[rng.randrange(len(numbers))] = rng.choice(NUMBERS)


def say_something(model: onnx.ModelProto, rng: random.Random) -> None:
    keys = ["range", "layout", "color_order", "channels", "architecture", "task", "task_options"]
    entries = {entry.key: entry.value for entry in model.metadata_props}
    entries[rng.choice([*keys, *entries])] = rng.choice(TEXTS)
    onnx.helper.set_model_props(model, entries)


def keep_weights_elsewhere(model: onnx.ModelProto, rng: random.Random) -> None:
    for tensor in model.graph.initializer[:1]:
        tensor.data_location = TensorProto.EXTERNAL
        places = ("none", "../blur.onnx", "blur.onnx")
        entries = {"location": rng.choice(places), "offset": str(rng.choice(NUMBERS))}
        for key, value in entries.items():
            tensor.external_data.add(key=key, value=value)


def change_a_version(model: onnx.ModelProto, rng: random.Random) -> None:
    model.opset_import[0].version = rng.choice(NUMBERS)


CHANGES: tuple[Callable[[onnx.ModelProto, random.Random], None], ...] = (
    change_a_size,
    change_a_type,
    change_an_operator,
    lose_a_name,
    lose_an_input,
    lose_a_node,
    add_an_output,
    change_weights,
    change_an_attribute,
    say_something,
    keep_weights_elsewhere,
    change_a_version,
)


def check_line(error: ClearerError) -> None:
    assert error.exit_code in (1, 2)
    assert len(str(error).splitlines()) == 1
    assert len(str(error)) < 1000


def restores(path: Path) -> bool:
    """Whether a file is accepted, and gives a picture of the size of its input.

    Raises:
        Exception: If it is neither accepted nor refused.
    """
    try:
        file = read_description(path)
        picture = np.full((1, file.channels, *SIZE), 0.5, np.float32)
        restored = OnnxRunner("m", path, file.channels, io=file.io, threads=1)(picture)
    except ClearerError as error:
        check_line(error)
        return False
    assert restored.shape == picture.shape
    assert restored.dtype == np.float32
    onnx.checker.check_model(path)
    assert len(onnx.load(path, load_external_data=False).graph.output) == 1
    return True


@pytest.mark.filterwarnings("ignore:invalid value encountered", "ignore:overflow")
@pytest.mark.parametrize("change", [with_other_bytes, with_other_fields])
def test_onnx_files_are_refused_or_restore(
    change: Callable[[bytes, random.Random], bytes],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    seeds = onnx_files(tmp_path)
    path = tmp_path / "m.onnx"
    for data in seeds:
        path.write_bytes(data)
        assert restores(path)
    counts: Counter[bool] = Counter()
    for number in range(60):
        rng = random.Random(number)
        path.write_bytes(change(seeds[number % len(seeds)], rng))
        counts[restores(path)] += 1
    assert counts[False] > 15, counts
    assert counts[True] > 3, counts
    assert capfd.readouterr().err == ""


def without_hash(path: Path) -> bytes:
    """The same weights, with a description that has no SHA-256."""
    with safetensors.safe_open(path, framework="np") as file:
        description = json.loads(file.metadata()["clearer"])
    del description["sha256"]
    metadata = {"clearer": json.dumps(description, sort_keys=True)}
    return safetensors.numpy.save(safetensors.numpy.load_file(path), metadata)


def safetensors_variants(data: bytes) -> Iterator[bytes]:
    """Readable headers, each with one change, and other bytes."""
    (length,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    name = next(n for n in header if n.endswith("weight"))
    about = json.loads(header["__metadata__"]["clearer"])
    space = {**about["architecture"]["space"], "width": 512, "columns": [16] * 5}
    huge = {**about["architecture"], "space": space, "choices": "-".join(["F" * 16] * 5)}
    wide = {**about["architecture"], "space": {**about["architecture"]["space"], "width": 4}}
    said: list[Any] = [[], 7, None, "x", {}, {"architecture": []}, {"architecture": {}}]
    infos: list[Any] = [[], 7, "x", {"task": []}, {"data": 7}]
    said += [{**about, "info": value} for value in infos]
    said += [{**about, "info": {"val_psnr_db": "x"}}, {**about, "info": {"task": {"name": 7}}}]
    said += [{**about, "architecture": huge}, {**about, "architecture": wide}]
    texts = [json.dumps(value) for value in said]
    texts += ["[" * 50_000, "", "NaN", json.dumps(about)[:-1]]
    headers: list[Any] = [{**header, "__metadata__": {"clearer": text}} for text in texts]
    metadata: list[Any] = [[], 7, {"clearer": []}, {}]
    headers += [{**header, "__metadata__": value} for value in metadata]
    tensor = header[name]
    changes: list[dict[str, Any]] = [
        {"shape": []},
        {"shape": tensor["shape"][::-1]},
        {"shape": [2**40] * 4},
        {"dtype": "I8"},
        {"dtype": "X"},
        {"data_offsets": [0, 2**60]},
    ]
    headers += [{**header, name: {**tensor, **change}} for change in changes]
    headers.append({n: value for n, value in header.items() if n != name})
    headers.append({**header, "more": tensor})
    for changed in headers:
        text = json.dumps(changed).encode()
        yield struct.pack("<Q", len(text)) + text + body
    yield struct.pack("<Q", 2**62) + data[8:]
    for number in range(40):
        yield with_other_bytes(data, random.Random(number))
    for number in range(10):
        changed = bytearray(body)
        changed[random.Random(number).randrange(len(body))] ^= 1
        yield data[: 8 + length] + changed


@pytest.mark.parametrize("has_hash", [True, False])
def test_weights_are_refused_or_those_of_the_file(tmp_path: Path, has_hash: bool) -> None:
    """With a hash, as files are written now, every change is detected; older files have none."""
    network, path = small_network(), tmp_path / "w.safetensors"
    save_network(path, network.architecture, network.state_dict(), INFO)
    whole = path.read_bytes() if has_hash else without_hash(path)
    counts: Counter[bool] = Counter()
    for data in safetensors_variants(whole):
        path.write_bytes(data)
        try:
            with bounded_memory(300):
                loaded, info = load_network(path)
        except ClearerError as error:
            check_line(error)
            counts[False] += 1
            continue
        counts[True] += 1
        held = safetensors.numpy.load(data)
        for name, tensor in loaded.state_dict().items():
            np.testing.assert_array_equal(tensor.numpy(), held[name])
        assert isinstance(info, dict)
    assert counts[False] > 40, counts
    assert (counts[True] > 3) is not has_hash, counts


def test_a_huge_network_is_refused_before_it_is_built(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take 320 GB, as would wide layers in a file with few numbers."""
    network, path = small_network(), tmp_path / "w.safetensors"
    space = SearchSpace(width=512, columns=(16,) * 5)
    huge = Architecture.uniform(space, "fusion")
    save_network(path, huge, network.state_dict(), INFO)

    def build(architecture: Architecture) -> None:
        raise AssertionError("it is built")

    monkeypatch.setattr("clearer.networks.network.RestorationNet", build)
    with pytest.raises(ClearerError, match="claims a network of 79,98.* parameters and holds"):
        load_network(path)
