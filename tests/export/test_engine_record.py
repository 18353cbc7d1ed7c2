"""The record of an engine: its name, where it runs, the sizes that it accepts."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clearer.errors import ClearerError, InputError
from clearer.export.engine_device import Gpu
from clearer.export.engine_library import FLAVOURS
from clearer.export.engine_profile import DEFAULT_PROFILE, EngineProfile
from clearer.export.engine_record import check_runs_here, engine_path, read_engine, record_path

GPU = Gpu(name="NVIDIA X 9 (80GB)", compute_capability="9.9", driver="580.1")


def test_names_of_engines() -> None:
    path = Path("run/model.fp16.onnx")
    tied = engine_path(path, FLAVOURS["tensorrt"], GPU)
    assert tied == Path("run/model.fp16.nvidia-x-9-80gb.engine")
    assert engine_path(path, FLAVOURS["tensorrt-rtx"], GPU).name == "model.fp16.rtx.engine"
    assert record_path(tied).name == "model.fp16.nvidia-x-9-80gb.engine.json"


RECORD = {
    "schema_version": 1,
    "flavour": "tensorrt",
    "version": "11.0.0",
    "gpu": GPU.name,
    "compute_capability": GPU.compute_capability,
    "precision": "fp32",
    "profile": "1x16x16,1x64x64,2x128x128",
    "onnx_sha256": "0",
    "plan_sha256": hashlib.sha256(b"plan").hexdigest(),
}


def test_an_engine_of_another_machine_is_refused_by_name(tmp_path: Path) -> None:
    path = tmp_path / "model.engine"
    check_runs_here(path, RECORD, "11.0.0", GPU)
    with pytest.raises(ClearerError, match=r"built by TensorRT 11\.0\.0, here is 11\.1\.0"):
        check_runs_here(path, RECORD, "11.1.0", GPU)
    other = Gpu(name="NVIDIA Y", compute_capability="8.0", driver="580.1")
    with pytest.raises(ClearerError, match=r"built for NVIDIA X 9 .*9\.9.*here is NVIDIA Y \(8\.0"):
        check_runs_here(path, RECORD, "11.0.0", other)
    anywhere = {**RECORD, "flavour": "tensorrt-rtx", "gpu": None, "compute_capability": None}
    check_runs_here(path, anywhere, "11.0.0", other)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 9}, "not the record"),
        ({"flavour": "other"}, "not the record"),
        ({"flavour": ["tensorrt"]}, "not the record"),
        ({"version": None}, "not the record"),
        ({"plan_sha256": "0"}, "not the engine that"),
    ],
)
def test_a_changed_record_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "model.engine"
    with pytest.raises(InputError, match="not a file"):
        read_engine(path)
    path.write_bytes(b"plan")
    with pytest.raises(InputError, match="does not exist"):
        read_engine(path)
    record_path(path).write_text(json.dumps(RECORD))
    assert read_engine(path) == (b"plan", RECORD)
    record_path(path).write_text(json.dumps({**RECORD, **change}))
    with pytest.raises(InputError, match=message):
        read_engine(path)


SIZES = st.tuples(st.integers(1, 1024), st.integers(1, 16384), st.integers(1, 16384))


@given(st.tuples(SIZES, SIZES, SIZES), SIZES)
def test_profiles_survive_as_text_and_hold_what_they_clip(
    sizes: tuple[tuple[int, ...], ...], size: tuple[int, int, int]
) -> None:
    ascending = [sorted(axis) for axis in zip(*sizes, strict=True)]
    text = ",".join("x".join(map(str, s)) for s in zip(*ascending, strict=True))
    profile = EngineProfile.from_text(text)
    assert profile.text == text
    clipped = profile.clip(size)
    assert all(a <= b <= c for a, b, c in zip(profile.min, clipped, profile.max, strict=True))
    assert profile.clip(clipped) == clipped


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not MIN,OPT,MAX"),
        ("1x8x8,1x8x8", "not MIN,OPT,MAX"),
        ("1x8x8,1x8x8,1x8x8,1x8x8", "not MIN,OPT,MAX"),
        ("1x8x8,1x8,1x8x8", "not MIN,OPT,MAX"),
        ("1x8x8,1x-8x8,1x8x8", "not MIN,OPT,MAX"),
        ("0x8x8,1x8x8,1x8x8", "1..1024"),
        ("1x0x8,1x8x8,1x8x8", "1..16384"),
        ("1x8x8,1x8x8,1x8x99999", "1..16384"),
        ("1x8x8,1x4x8,1x8x8", "must not fall"),
    ],
)
def test_bad_profiles_are_refused(text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        EngineProfile.from_text(text)


def test_the_default_profile_is_one() -> None:
    assert EngineProfile.from_text(DEFAULT_PROFILE).text == DEFAULT_PROFILE
