"""ONNX Runtime, by execution provider."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from clearer.bench.backend import Backend, Files
from clearer.errors import how_to_install

if TYPE_CHECKING:
    from clearer.bench.rows import RowSpec
    from clearer.bench.runners import Runner
    from clearer.export.picture_io import PictureIo

__all__ = ["OnnxRuntime", "OnnxRuntimeCuda", "OnnxRuntimeTensorRt"]


class OnnxRuntime(Backend):
    """ONNX Runtime on the CPU."""

    name: ClassVar[str] = "onnxruntime"
    label: ClassVar[str] = "ONNX Runtime"
    module: ClassVar[str] = "onnxruntime"
    extra: ClassVar[str | None] = "cpu"
    files: ClassVar[Files | None] = "onnx"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16", "int8")
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "yes"
    profiles: ClassVar[bool] = True
    restores: ClassVar[bool] = True
    provider: ClassVar[str] = "CPUExecutionProvider"

    def open(self, spec: RowSpec) -> Runner:
        """Load an ONNX file."""
        from clearer.bench.runners import OnnxRunner

        return OnnxRunner(
            spec.name,
            spec.file,
            spec.channels,
            io=spec.io,
            threads=spec.threads,
            provider=self.provider,
        )

    def restorer(self, name: str, path: Path, io: PictureIo) -> Runner:
        """Load an ONNX file for any size, with as many threads as torch would use."""
        from clearer.bench.runners import OnnxRunner

        return OnnxRunner(name, path, None, io=io, provider=self.provider)


class _OnGpu(OnnxRuntime):
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "no"
    restores: ClassVar[bool] = False
    device: ClassVar[Literal["cpu", "cuda"]] = "cuda"

    def absence(self) -> str | None:
        """Also if this build lacks the provider."""
        missing = super().absence()
        if missing is not None:
            # Packages for GPUs include the CPU provider, too.
            return f"{self.module} is not installed: {how_to_install('cpu')}"
        import onnxruntime as ort

        if self.provider in ort.get_available_providers():
            return None
        return f"this ONNX Runtime has no {self.provider}: {how_to_install('gpu')} has it"


class OnnxRuntimeCuda(_OnGpu):
    """ONNX Runtime on an NVIDIA GPU."""

    name: ClassVar[str] = "onnxruntime-cuda"
    extra: ClassVar[str | None] = "gpu"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "fp16")
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "if here"
    provider: ClassVar[str] = "CUDAExecutionProvider"


class OnnxRuntimeTensorRt(_OnGpu):
    """ONNX Runtime on an NVIDIA GPU with TensorRT: it takes minutes to start."""

    name: ClassVar[str] = "onnxruntime-tensorrt"
    extra: ClassVar[str | None] = "gpu"
    profiles: ClassVar[bool] = False
    provider: ClassVar[str] = "TensorrtExecutionProvider"
