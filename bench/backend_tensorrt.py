"""TensorRT, on an NVIDIA GPU."""

from __future__ import annotations

import importlib
import time
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, Literal

from clearer.bench.backend import Backend, Files

if TYPE_CHECKING:
    from clearer.bench.rows import RowSpec
    from clearer.bench.runners import Runner

__all__ = ["TensorRt"]


class TensorRt(Backend):
    """TensorRT with engines built before, or built for timing."""

    name: ClassVar[str] = "tensorrt"
    label: ClassVar[str] = "TensorRT"
    module: ClassVar[str] = "tensorrt"
    extra: ClassVar[str | None] = "trt"
    files: ClassVar[Files | None] = "engine"
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "yes"
    profiles: ClassVar[bool] = True
    device: ClassVar[Literal["cpu", "cuda"]] = "cuda"

    def absence(self) -> str | None:
        """Unknown until an engine says which library built it."""
        return None

    def load(self) -> None:
        """Import what reads engines; each engine names its library."""
        importlib.import_module("clearer.bench.engine_runner")

    def open(self, spec: RowSpec) -> Runner:
        """Load an engine."""
        from clearer.bench.engine_runner import EngineRunner

        start = time.perf_counter()
        runner = EngineRunner(spec.name, spec.file)
        load_ms = 1000 * (time.perf_counter() - start)
        runner.info = replace(runner.info, load_ms=load_ms)
        return runner
