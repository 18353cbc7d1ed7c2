"""What files say about themselves, and how arbitrary metadata is handled."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from clearer.errors import InputError
from clearer.export import metadata
from clearer.export.metadata import ModelInfo, model_info, model_metadata, read_model_info
from clearer.space.space import Architecture, SearchSpace
from clearer.tasks.denoise import Denoise
from clearer.tasks.registry import make_task, task_to_dict

ARCHITECTURE = Architecture.from_text(
    "PF", SearchSpace(channels=3, width=4, columns=(2,), unshuffle=2)
)
TASK = make_task("denoise", {"sigma": "5:50"})
INFO = {
    "task": task_to_dict(TASK),
    "protocol": "awgn",
    "data": "some pictures",
    "selection": "best of 3",
    "val_psnr_db": 30.1234,
    "val_ssim": 0.9,
}


def identity(
    path: Path,
    entries: dict[str, str] | None = None,
    kind: int = TensorProto.FLOAT,
    shape: tuple[int | str | None, ...] = ("n", 3, "h", "w"),
) -> Path:
    given, result = (helper.make_tensor_value_info(name, kind, shape) for name in ("x", "y"))
    node = helper.make_node("Identity", ["x"], ["y"])
    graph = helper.make_graph([node], "g", [given], [result])
    model = helper.make_model(graph)
    helper.set_model_props(model, entries or {})
    onnx.save(model, path)
    return path


def test_all_that_is_written_is_read() -> None:
    info = model_info(model_metadata(ARCHITECTURE, INFO, precision="fp16"))
    assert info.task == TASK
    assert (info.channels, info.color, info.io, info.precision) == (3, "rgb", "tensor", "fp16")
    assert (info.architecture, info.multiple) == (ARCHITECTURE, 4)
    assert info.figures == {"val_psnr_db": 30.123, "val_ssim": 0.9}
    assert (info.data, info.selection, info.is_trained) == ("some pictures", "best of 3", True)
    assert info.version
    assert info.licence is not None
    assert "some pictures" in info.licence
    assert json.loads(json.dumps(info.to_dict()))["task"]["sigma"] == "5:50"


def test_the_terms_of_a_known_set_are_said() -> None:
    info = model_info(model_metadata(ARCHITECTURE, {**INFO, "data": "bsds500"}))
    assert info.licence is not None
    assert "bsds500, free for non-commercial research" in info.licence


def test_never_trained_is_said() -> None:
    entries = model_metadata(ARCHITECTURE, {"task": task_to_dict(Denoise())}, is_trained=False)
    info = model_info(entries)
    assert info.is_trained is False
    assert info.figures == {}
    assert info.data is None


@pytest.mark.parametrize(
    ("kind", "shape", "expected"),
    [
        (TensorProto.FLOAT, ("n", 3, "h", "w"), ("tensor", 3, (None, None, None))),
        (TensorProto.FLOAT16, (1, 1, 32, 48), ("tensor", 1, (1, 32, 48))),
        (TensorProto.UINT8, ("n", "h", 48, 3), ("image", 3, (None, None, 48))),
        (TensorProto.FLOAT, (None, None, None, None), ("tensor", None, (None, None, None))),
        (TensorProto.INT64, (1, 3, 8, 8), (None, 3, (1, 8, 8))),
        (TensorProto.FLOAT, (1, 8), (None, None, (None, None, None))),
    ],
)
def test_a_file_of_another_program_says_what_its_input_says(
    tmp_path: Path, kind: int, shape: tuple[int | str | None, ...], expected: tuple[object, ...]
) -> None:
    path = identity(tmp_path / "m.onnx", {"task": "detect", "names": "x" * 50_000}, kind, shape)
    info = read_model_info(path)
    assert (info.io, info.channels, info.shape) == expected
    assert (info.task, info.version, info.architecture, info.precision) == (None,) * 4


def test_the_input_holds_over_the_metadata(tmp_path: Path) -> None:
    path = identity(
        tmp_path / "m.onnx", model_metadata(ARCHITECTURE, INFO), shape=("n", 1, "h", "w")
    )
    assert read_model_info(path).channels == 1


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("task", "\x1b[31mred", "unknown task"),
        ("task_options", "[1]", "cannot be read"),
        ("task_options", "[" * 9000, "cannot be read"),
        ("task_options", '{"sigma": "__import__(1)"}', "--sigma"),
        ("channels", "-1", "channels of the metadata"),
        ("multiple", "9" * 99, "multiple of the metadata"),
        ("precision", "fp64", "precision of the metadata is none of"),
        ("io", "sound", "io of the metadata"),
        ("val_psnr_db", "nan", "not a finite number"),
        ("val_ssim", "high", "not a number"),
        ("architecture", "{}", "architecture"),
        ("selection", "x" * 10_001, "longer than"),
    ],
)
def test_damaged_metadata_are_named(tmp_path: Path, key: str, value: str, message: str) -> None:
    entries = {**model_metadata(ARCHITECTURE, INFO), key: value}
    with pytest.raises(InputError, match=message):
        read_model_info(identity(tmp_path / "m.onnx", entries))


def test_too_many_entries() -> None:
    with pytest.raises(InputError, match="300 entries"):
        model_info({str(number): "" for number in range(300)})


KEYS = st.sampled_from(sorted(model_metadata(ARCHITECTURE, INFO)))


@settings(max_examples=40)
@given(st.dictionaries(KEYS, st.text(max_size=30)))
def test_any_text_is_read_or_refused(changes: dict[str, str]) -> None:
    entries = {**model_metadata(ARCHITECTURE, INFO), **changes, "generator": "clearer 1"}
    with contextlib.suppress(InputError):
        assert isinstance(model_info(entries), ModelInfo)


@given(st.binary(max_size=200))
def test_any_bytes_are_refused(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "any.onnx"
    path.write_bytes(data)
    with pytest.raises(InputError, match="is not an ONNX file"):
        read_model_info(path)


def test_a_file_that_was_cut(tmp_path: Path) -> None:
    path = identity(tmp_path / "m.onnx", model_metadata(ARCHITECTURE, INFO))
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(InputError, match="is not an ONNX file"):
        read_model_info(path)


def test_a_file_that_is_too_large(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "_MAX_FILE_BYTES", 10)
    with pytest.raises(InputError, match="too much for a network"):
        read_model_info(identity(tmp_path / "m.onnx"))


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is not a file"):
        read_model_info(tmp_path)
