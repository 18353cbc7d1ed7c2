"""OpenVINO, on the CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from clearer.bench.backend import Backend, Files

if TYPE_CHECKING:
    from clearer.bench.rows import RowSpec
    from clearer.bench.runners import Runner
    from clearer.export.picture_io import PictureIo

__all__ = ["OpenVino", "OpenVinoBf16"]


class OpenVino(Backend):
    """OpenVINO in the precision of the file."""

    name: ClassVar[str] = "openvino"
    label: ClassVar[str] = "OpenVINO"
    module: ClassVar[str] = "openvino"
    extra: ClassVar[str | None] = "openvino"
    files: ClassVar[Files | None] = "onnx"
    precisions: ClassVar[tuple[str, ...]] = ("fp32", "int8")
    by_default: ClassVar[Literal["no", "if here", "yes"]] = "yes"
    profiles: ClassVar[bool] = True
    restores: ClassVar[bool] = True
    is_faithful: ClassVar[bool] = True
    arithmetic: ClassVar[Literal["fp32", "bf16"]] = "fp32"
    """Precision of what is not quantised in the file."""

    def open(self, spec: RowSpec) -> Runner:
        """Compile an ONNX file for images of one size."""
        from clearer.bench.openvino_runner import OpenVinoRunner
        from clearer.export.picture_io import PictureIo

        return OpenVinoRunner(
            spec.name,
            spec.file,
            io=spec.io or PictureIo(),
            precision=self.arithmetic,
            threads=spec.threads,
            shape=(1, spec.channels, spec.height, spec.width),
        )

    def restorer(self, name: str, path: Path, io: PictureIo) -> Runner:
        """Load an ONNX file for tiles of any size."""
        from clearer.bench.openvino_runner import OpenVinoTiles

        return OpenVinoTiles(name, path, io)


class OpenVinoBf16(OpenVino):
    """OpenVINO in bf16, if the processor can."""

    name: ClassVar[str] = "openvino-bf16"
    precisions: ClassVar[tuple[str, ...]] = ("fp32",)
    profiles: ClassVar[bool] = False
    restores: ClassVar[bool] = False
    is_faithful: ClassVar[bool] = False
    arithmetic: ClassVar[Literal["fp32", "bf16"]] = "bf16"
    table: ClassVar[str] = "openvino"

    def absence(self) -> str | None:
        """Also if the processor cannot."""
        missing = super().absence()
        if missing is not None:
            return missing
        from clearer.export.openvino import open_core

        if "BF16" not in open_core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            return "this processor does not compute in bf16"
        return None
