"""torch: the weights of a run, without a file for another runtime."""

from __future__ import annotations

import importlib
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from clearer.bench.backend import Backend, Files
from clearer.errors import ClearerError

if TYPE_CHECKING:
    from clearer.bench.device_timer import Session
    from clearer.bench.plan import Entry
    from clearer.bench.rows import RowSpec
    from clearer.bench.runners import Runner

__all__ = ["Torch", "TorchCompile", "TorchCuda"]


class Torch(Backend):
    """torch in eager mode on the CPU."""

    name: ClassVar[str] = "torch"
    label: ClassVar[str] = "torch eager"
    module: ClassVar[str] = "torch"
    extra: ClassVar[str | None] = None
    files: ClassVar[Files | None] = "weights"
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "yes"
    profiles: ClassVar[bool] = True
    restores: ClassVar[bool] = True
    compiles: ClassVar[bool] = False

    def load(self) -> None:
        """Import torch, and what loads and calls a network."""
        super().load()
        importlib.import_module("clearer.networks.network")
        importlib.import_module("clearer.restoring.evaluate")

    def version(self) -> str:
        """Version with the build, on which times depend."""
        import torch

        return str(torch.__version__)

    def open(self, spec: RowSpec) -> Runner:
        """Load weights."""
        import torch

        from clearer.bench.runners import TorchRunner
        from clearer.networks.network import load_network

        torch.set_num_threads(spec.threads)
        start = time.perf_counter()
        network, _ = load_network(spec.file)
        load_ms = 1000 * (time.perf_counter() - start)
        return TorchRunner(spec.name, network, compiled=self.compiles, load_ms=load_ms)

    def session(
        self,
        entry: Entry | None,
        path: Path,
        shapes: Sequence[Sequence[int]],
        threads: int,
        precision: str,
    ) -> Session:
        """Load a network with random weights from its architecture, not the file."""
        from clearer.bench.torch_session import open_torch

        if entry is None:
            raise ClearerError(f"{self.name} reads no ONNX file: {path}")
        return open_torch(entry, shapes, self.device, precision, threads)


class TorchCompile(Torch):
    """torch with ``torch.compile``: it takes a minute to start."""

    name: ClassVar[str] = "torch-compile"
    label: ClassVar[str] = "torch compiled"
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "no"
    profiles: ClassVar[bool] = False
    restores: ClassVar[bool] = False
    compiles: ClassVar[bool] = True


class TorchCuda(Torch):
    """torch in eager mode on an NVIDIA GPU."""

    name: ClassVar[str] = "torch-cuda"
    label: ClassVar[str] = "torch eager"
    files: ClassVar[Files | None] = None
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "no"
    restores: ClassVar[bool] = False
    device: ClassVar[Literal["cpu", "cuda"]] = "cuda"
