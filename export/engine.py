"""Builds and checks TensorRT and TensorRT-RTX engines of ONNX files, and reuses valid ones."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import numpy as np
import torch
from numpy.typing import NDArray

from clearer import __version__
from clearer.errors import ClearerError, InputError, require
from clearer.export.engine_build import MadeForCpusError, graph_precision, serialize_engine
from clearer.export.engine_device import Gpu, require_gpu
from clearer.export.engine_library import FLAVOURS, EngineLibrary, Flavour, open_library
from clearer.export.engine_profile import EngineProfile
from clearer.export.engine_record import (
    SCHEMA_VERSION,
    BuiltEngine,
    ParityRecord,
    built_by,
    engine_path,
    read_engine,
    record_path,
)
from clearer.export.engine_session import EngineSession, require_torch_cuda
from clearer.export.network_io import session_restorer
from clearer.networks.level_map import file_inputs
from clearer.support.files import write_atomic, write_json
from clearer.support.user_cache import user_cache

__all__ = ["ENGINE_LIMITS", "EngineSettings", "build_engine", "build_engines", "onnx_reference"]

Array = NDArray[Any]
Reference = Callable[[Array], Array]
Listener = Callable[[str], None]

ENGINE_LIMITS: Final = {"fp32": 1e-4, "fp16": 1e-2, "bf16": 1e-1, "int8": 1e-1}
"""Largest difference allowed to the ONNX file, by precision. Sums are in another order: a few units
of 2^-11 per layer in fp16; in int8 a feature may round to the next step of a coarse scale."""
_CHECKED: Final = ((1, 17, 19), (2, 61, 77), (1, 256, 256))
"""(batch, height, width) that are compared, clipped to the profile."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineSettings:
    """What to build with, and for which sizes."""

    flavour: Flavour
    profile: EngineProfile


def build_engines(
    onnx_files: Sequence[Path], settings: EngineSettings, listener: Listener
) -> tuple[list[BuiltEngine], list[str]]:
    """Build an engine beside each ONNX file, and compare it with that file in ONNX Runtime.

    Files that are quantised for CPUs are left out, and reported to the listener.

    Args:
        onnx_files: The files; each is tried on its own, so that a failure stops no others.
        settings: What to build with.
        listener: Called with a line on each step.

    Returns:
        For each engine its record, with ``reused`` (whether it existed already); and a
        line on each file whose engine could not be built.

    Raises:
        ClearerError: If the library, the driver or a GPU is missing.
    """
    library = FLAVOURS[settings.flavour]
    trt = open_library(library)
    gpu = _require_gpu(library)
    rows, problems = [], []
    for path in onnx_files:
        listener(f"{library.title} engine of {path.name}")
        try:
            reference = onnx_reference(path)
            rows.append(build_engine(trt, library, gpu, path, settings.profile, reference))
        except MadeForCpusError:
            listener(f"{path.name} is quantised for CPUs: no engine can be built from it")
        except ClearerError as error:
            problems.append(f"{path.name}: {error}")
    return rows, problems


def build_engine(
    trt: Any,
    library: EngineLibrary,
    gpu: Gpu | None,
    onnx_path: Path,
    profile: EngineProfile,
    reference: Reference,
) -> BuiltEngine:
    """Build, check and write one engine, or reuse the existing one if nothing has changed.

    Args:
        trt: The library.
        library: Names of the library.
        gpu: The GPU to build for; None if the library needs none.
        onnx_path: The file; the engine and its record are written beside it.
        profile: Sizes that the engine has to accept.
        reference: What the engine has to compute, from batch to batch.

    Returns:
        Its record, and ``reused``.

    Raises:
        ClearerError: If it cannot be built, or differs from the reference; then it is not written.
    """
    model = onnx_path.read_bytes()
    identity = {
        **built_by(library, trt.__version__, gpu),
        "profile": profile.text,
        "precision": graph_precision(model),
        "onnx_sha256": hashlib.sha256(model).hexdigest(),
    }
    path = engine_path(onnx_path, library, gpu)
    known = _known_engine(path, identity)
    if known is not None:
        plan, record = known
        # An engine that was built without a GPU is checked on the first machine that has one.
        if record.get("parity") is None:
            checked = _check(trt, library, plan, profile, identity["precision"], reference)
            if checked["parity"] is not None:
                record |= checked
                write_json(record_path(path), record)
        return cast(BuiltEngine, {**record, "reused": True})
    plan, seconds = _build(trt, gpu, model, profile)
    record = {
        "schema_version": SCHEMA_VERSION,
        "clearer": __version__,
        "file": path.name,
        "onnx": onnx_path.name,
        **identity,
        "plan_sha256": hashlib.sha256(plan).hexdigest(),
        "bytes": len(plan),
        "build_seconds": round(seconds, 1),
        "built": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        **_check(trt, library, plan, profile, identity["precision"], reference),
    }
    # In this order: a new engine with an old record is detected by the hash of the plan.
    write_atomic(path, plan)
    write_json(record_path(path), record)
    return cast(BuiltEngine, {**record, "reused": False})


def onnx_reference(path: Path) -> Reference:
    """The ONNX file itself, in ONNX Runtime on the CPU."""
    ort = require("onnxruntime", extra="cpu")
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    return session_restorer(session)


def _require_gpu(library: EngineLibrary) -> Gpu | None:
    if not library.is_tied:
        return None
    gpu = require_gpu()
    require_torch_cuda()
    return gpu


def _known_engine(path: Path, identity: dict[str, Any]) -> tuple[bytes, dict[str, Any]] | None:
    try:
        plan, record = read_engine(path)
    except InputError:  # none, or a damaged one: build it again
        return None
    is_same = all(record.get(key) == value for key, value in identity.items())
    return (plan, record) if is_same else None


def _build(trt: Any, gpu: Gpu | None, model: bytes, profile: EngineProfile) -> tuple[bytes, float]:
    start = time.perf_counter()
    if gpu is None:
        plan, _ = serialize_engine(trt, model, profile)
        return plan, time.perf_counter() - start
    folder = user_cache() / "tensorrt"
    cache = folder / f"{gpu.file_name}-{trt.__version__}.timing"
    known = cache.read_bytes() if cache.is_file() else b""
    free_bytes, _ = torch.cuda.mem_get_info()
    plan, learnt = serialize_engine(
        trt, model, profile, workspace_bytes=free_bytes, timing_cache=known
    )
    if learnt is not None:
        with contextlib.suppress(OSError):  # a read-only home: tune again next time
            write_atomic(cache, learnt)
    return plan, time.perf_counter() - start


def _check(
    trt: Any,
    library: EngineLibrary,
    plan: bytes,
    profile: EngineProfile,
    precision: str,
    reference: Reference,
) -> dict[str, Any]:
    """Run the engine and compare; if this machine cannot run it, record why."""
    limit = ENGINE_LIMITS[precision]
    try:
        session = EngineSession(trt, plan)
    except ClearerError as error:
        if library.is_tied:
            raise
        return {"parity_limit": limit, "parity": None, "not_run": str(error)}
    with contextlib.closing(session):
        rows = [
            _compare(session, reference, shape, limit)
            for shape in dict.fromkeys(profile.clip(size) for size in _CHECKED)
        ]
    return {"parity_limit": limit, "parity": rows, "not_run": None}


def _compare(
    session: EngineSession, reference: Reference, size: tuple[int, int, int], limit: float
) -> ParityRecord:
    batch = _random_batch(session, size)
    restored = session(*file_inputs(batch, has_level=session.has_level))
    expected = reference(batch)
    if restored.shape != expected.shape:
        raise ClearerError(f"the engine gives shape {restored.shape} for {expected.shape}")
    difference = np.abs(restored.astype(np.float32) - expected.astype(np.float32))
    if session.output_type == np.uint8:
        # With 8-bit images, values near the middle of two levels may round to either.
        difference, limit = difference / 255, max(limit, 1.001 / 255)
    if not difference.max() <= limit:
        raise ClearerError(
            f"the engine differs from the ONNX file by {difference.max():.2e} at {batch.shape} "
            f"(limit {limit:g}): no engine was written"
        )
    return {
        "shape": list(batch.shape),
        "max_abs": float(difference.max()),
        "mean_abs": float(difference.mean()),
    }


def _random_batch(session: EngineSession, size: tuple[int, int, int]) -> Array:
    rng = np.random.default_rng(list(size))
    shape = list(session.input_shape(size))
    if session.input_type == np.uint8:
        shape[-1] += session.has_level  # a level is the last channel
        return rng.integers(256, size=shape, dtype=np.uint8)
    shape[1] += session.has_level
    return rng.random(shape, dtype=np.float32)
