"""TensorRT and TensorRT-RTX: one API under two names."""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from typing import Any, Final, Literal

from clearer.errors import ClearerError, how_to_install

__all__ = ["FLAVOURS", "EngineLibrary", "Flavour", "make_logger", "open_library"]

Flavour = Literal["tensorrt", "tensorrt-rtx"]
"""The TensorRT whose engines run on the GPU of this machine, or on any RTX card."""

_OLDEST: Final = (10, 12)
"""First TensorRT whose strongly typed networks take all types of our graphs."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineLibrary:
    """The names of a flavour."""

    flavour: Flavour
    title: str
    module: str
    extra: str
    is_tied: bool
    """Whether an engine runs only on the kind of GPU that built it."""


FLAVOURS: Final[dict[str, EngineLibrary]] = {
    "tensorrt": EngineLibrary(
        flavour="tensorrt", title="TensorRT", module="tensorrt", extra="trt", is_tied=True
    ),
    # It compiles for the GPU when the engine is loaded, so that one engine serves all RTX cards.
    "tensorrt-rtx": EngineLibrary(
        flavour="tensorrt-rtx",
        title="TensorRT-RTX",
        module="tensorrt_rtx",
        extra="trt-rtx",
        is_tied=False,
    ),
}


def open_library(library: EngineLibrary) -> Any:
    """Import the library of a flavour.

    Raises:
        ClearerError: If it is missing, broken or too old; the text says what to install.
    """
    install = how_to_install(library.extra)
    try:
        trt = importlib.import_module(library.module)
    except (ImportError, OSError, RuntimeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ClearerError(
            f"the {library.title} library is missing ({reason}); install it with: {install}"
        ) from error
    version = tuple(int(part) for part in re.findall(r"\d+", trt.__version__)[:2])
    if library.flavour == "tensorrt" and version < _OLDEST:
        oldest = ".".join(map(str, _OLDEST))
        raise ClearerError(
            f"TensorRT {trt.__version__} is too old, {oldest} is needed; install it with: {install}"
        )
    return trt


def make_logger(trt: Any) -> Any:
    """A logger that prints nothing, and collects errors in ``errors``, oldest first."""

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.errors: list[str] = []

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.Severity.INTERNAL_ERROR, trt.ILogger.Severity.ERROR):
                self.errors.append(" ".join(message.split()))

    return Logger()
