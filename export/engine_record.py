"""The JSON record beside an engine: what built it, for what, and from what."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Final, Literal, NotRequired, TypedDict

from clearer.errors import ClearerError, InputError
from clearer.export.engine_device import Gpu
from clearer.export.engine_library import FLAVOURS, EngineLibrary
from clearer.support.files import read_json
from clearer.support.schema import Text, checked

__all__ = [
    "SCHEMA_VERSION",
    "BuiltEngine",
    "EngineRecord",
    "ParityRecord",
    "built_by",
    "check_runs_here",
    "engine_path",
    "read_engine",
    "record_path",
]

SCHEMA_VERSION: Final = 1
_MAX_BYTES: Final = 1_000_000


class EngineRecord(TypedDict):
    """Fields needed to run an engine; a record has more, for people."""

    schema_version: Literal[1]
    flavour: Literal["tensorrt", "tensorrt-rtx"]
    version: Text
    precision: Text
    profile: Text
    onnx_sha256: Text
    plan_sha256: Text
    gpu: NotRequired[Text | None]
    compute_capability: NotRequired[Text | None]
    driver: NotRequired[Text | None]


class ParityRecord(TypedDict):
    """Difference between an engine and its ONNX file, for a batch of one size."""

    shape: list[int]
    max_abs: float
    mean_abs: float


class BuiltEngine(EngineRecord):
    """Record of an engine that was built or reused."""

    clearer: str
    file: str
    onnx: str
    bytes: int
    build_seconds: float
    built: str
    parity_limit: float
    parity: list[ParityRecord] | None
    """None if this machine cannot run it."""
    not_run: str | None
    """Why it cannot."""
    reused: bool
    """Whether it existed already."""


def engine_path(onnx_path: Path, library: EngineLibrary, gpu: Gpu | None) -> Path:
    """``model.fp16.onnx`` gives ``model.fp16.<gpu>.engine``, or ``.rtx.engine`` for RTX cards."""
    where = gpu.file_name if library.is_tied and gpu is not None else "rtx"
    return onnx_path.with_name(f"{onnx_path.stem}.{where}.engine")


def record_path(engine: Path) -> Path:
    """Path of the JSON record beside an engine."""
    return engine.with_name(engine.name + ".json")


def built_by(library: EngineLibrary, version: str, gpu: Gpu | None) -> dict[str, Any]:
    """What an engine depends on: library, version and, unless it serves all RTX cards, GPU."""
    gpu = gpu if library.is_tied else None
    return {
        "flavour": library.flavour,
        "version": version,
        "gpu": gpu and gpu.name,
        "compute_capability": gpu and gpu.compute_capability,
        "driver": gpu and gpu.driver,
    }


def read_engine(path: Path) -> tuple[bytes, dict[str, Any]]:
    """Read an engine and its record.

    Raises:
        InputError: If a file is missing or damaged, or they do not belong together.
    """
    if not path.is_file():
        raise InputError(f"{path} is not a file: make an engine with clearer export --trt")
    beside = record_path(path)
    if beside.is_file() and beside.stat().st_size > _MAX_BYTES:
        raise InputError(f"{beside} is too large to be the record of an engine")
    record = read_json(beside)
    where = f"{beside} is not the record of an engine"
    checked(record, EngineRecord, where, advice="build the engine again")
    plan = path.read_bytes()
    if hashlib.sha256(plan).hexdigest() != record["plan_sha256"]:
        raise InputError(f"{path} is not the engine that {beside.name} describes: build it again")
    return plan, record


def check_runs_here(path: Path, record: dict[str, Any], version: str, gpu: Gpu) -> None:
    """Refuse an engine of another library version or GPU.

    Args:
        path: Path of the engine.
        record: Its record, from :func:`read_engine`.
        version: Version of the library here.
        gpu: The GPU here.

    Raises:
        ClearerError: If it was built for something else; the text names both.
    """
    library = FLAVOURS[record["flavour"]]
    option = "--trt" if library.is_tied else "--trt-rtx"
    again = f"build it here with clearer export {option}"
    if record["version"] != version:
        raise ClearerError(
            f"{path.name} was built by {library.title} {record['version']}, here is {version}: "
            f"{again}"
        )
    theirs = record.get("gpu"), record.get("compute_capability")
    if library.is_tied and theirs != (gpu.name, gpu.compute_capability):
        raise ClearerError(
            f"{path.name} was built for {theirs[0]} (compute capability {theirs[1]}), here is "
            f"{gpu.name} ({gpu.compute_capability}): {again}"
        )
