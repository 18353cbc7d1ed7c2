"""Runners: one class per way to restore an image, with a common interface.

Nothing heavy is imported at the top: a fresh process that measures the memory of one runner loads
only the package that the runner needs.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from clearer.bench.onnx_precision import computed_precision, written_precision
from clearer.errors import ClearerError, InputError, require
from clearer.export.network_io import session_call
from clearer.export.picture_io import PictureIo, first_line, picture_restorer
from clearer.support.threads import usual_threads

if TYPE_CHECKING:
    from clearer.bench.report_record import RunnerRecord
    from clearer.networks.network import RestorationNet

__all__ = [
    "Array",
    "Bm3dRunner",
    "NonLocalMeansRunner",
    "OnnxRunner",
    "Runner",
    "RunnerInfo",
    "TorchRunner",
]

Array = NDArray[np.float32]
_CPU: Final = "CPUExecutionProvider"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerInfo:
    """What a row of a report says about how its figures were measured."""

    name: str
    backend: str
    version: str
    precision: str
    """Precision of the arithmetic in effect."""
    threads: int
    provider: str = "CPU"
    """Execution provider or device of the backend."""
    file_bytes: int | None = None
    load_ms: float | None = None
    """Time from the file to a network that can be called; None if nothing is loaded."""

    def to_dict(self) -> RunnerRecord:
        """Plain data for JSON."""
        return {
            "name": self.name,
            "backend": self.backend,
            "version": self.version,
            "precision": self.precision,
            "threads": self.threads,
            "provider": self.provider,
            "file_bytes": self.file_bytes,
            "load_ms": self.load_ms,
        }


class Runner(Protocol):
    """Restores ``(N, C, H, W)`` float32 in [0, 1] to the same shape.

    A network with a level map takes one more plane, with the noise level.
    """

    @property
    def info(self) -> RunnerInfo:
        """What computes, and how."""

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""


class TorchRunner:
    """The frozen network in torch on the CPU, fp32, batch normalisation folded, channels last.

    Args:
        name: Name for reports.
        network: The network, in evaluation mode.
        compiled: Use ``torch.compile`` for images of any size, which takes a minute at the first
            call; a graph that cannot be compiled as a whole is an error, never run eagerly.
        load_ms: Time to load the weights.
    """

    def __init__(
        self,
        name: str,
        network: RestorationNet,
        *,
        compiled: bool = False,
        load_ms: float | None = None,
    ) -> None:
        import torch

        from clearer.networks.fold import fold_batch_norm
        from clearer.restoring.evaluate import torch_restorer

        self.info = RunnerInfo(
            name=name,
            backend="torch compiled" if compiled else "torch eager",
            version=str(torch.__version__),
            precision="fp32",
            threads=torch.get_num_threads(),
            load_ms=load_ms,
        )
        folded = fold_batch_norm(network).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            self._restore = torch_restorer(torch.compile(folded, dynamic=True, fullgraph=True))  # type: ignore[arg-type]
        else:
            self._restore = torch_restorer(folded)

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return self._restore(degraded)


class OnnxRunner:
    """Any image-to-image ONNX file in ONNX Runtime.

    Args:
        name: Name for reports.
        model: The file, or its content.
        channels: Channels of the images; None: as the file says.
        io: How pictures go into the file, from its description; None: the file is described here.
        threads: Number of CPU threads; None: as many as torch would use.
        provider: Execution provider that must compute.

    Raises:
        InputError: If the file cannot be loaded, is not image to image, or is for other channels.
        ClearerError: If the provider is missing, or leaves work to another one.
    """

    def __init__(
        self,
        name: str,
        model: Path | bytes,
        channels: int | None,
        *,
        io: PictureIo | None = None,
        threads: int | None = None,
        provider: str = _CPU,
    ) -> None:
        ort = require("onnxruntime", extra="cpu" if provider == _CPU else "gpu")
        if io is None:
            from clearer.export.model_description import read_description

            if isinstance(model, bytes):
                raise ValueError("say how pictures go into a file that is no file yet")
            io = read_description(model).io
        if None not in (channels, io.channels) and channels != io.channels:
            raise InputError(f"{name} takes {io.channels} channel(s), the images have {channels}")
        threads = threads or usual_threads()
        start = time.perf_counter()
        session = _open_session(ort, model, name, threads, provider)
        load_ms = 1000 * (time.perf_counter() - start)
        self._restore = picture_restorer(session_call(session), io, name)
        self._about = RunnerInfo(
            name=name,
            backend="ONNX Runtime",
            version=ort.__version__,
            precision="",
            threads=threads,
            provider=provider,
            load_ms=load_ms,
        )
        self._model = model

    @cached_property
    def info(self) -> RunnerInfo:
        """What computes, and how; the precision in effect may take a second session."""
        from clearer.export.external_data import model_bytes

        ort, model = require("onnxruntime", extra="cpu"), self._model
        about = self._about
        precision = _precision(ort, model, about.threads, about.provider)
        size = len(model) if isinstance(model, bytes) else model_bytes(model)
        return replace(about, precision=precision, file_bytes=size)

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If the output has another shape, or the file is for another size.
            ClearerError: If ONNX Runtime fails.
        """
        return self._restore(degraded)


def _session_options(ort: Any, threads: int, provider: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # the caller reports failures in one line
    # The plan that it makes in the first call has memory of its own from the second on: twice as
    # much, and no faster.
    options.enable_mem_pattern = False
    # Idle threads that spin would slow down the sessions that are timed in turn with this one.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if provider != _CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _open_session(ort: Any, model: Path | bytes, name: str, threads: int, provider: str) -> Any:
    if provider not in ort.get_available_providers():
        raise ClearerError(f"this ONNX Runtime has no {provider}")
    # fp32 has to mean fp32: by default NVIDIA's convolutions round their inputs to TF32.
    settings = {"use_tf32": "0"} if provider == "CUDAExecutionProvider" else {}
    options = _session_options(ort, threads, provider)
    try:
        session = ort.InferenceSession(model, options, providers=[(provider, settings)])
    except Exception as error:  # ONNX Runtime has its own, unexported exception types
        if provider == _CPU:
            reason = first_line(error)
            what = name if isinstance(model, bytes) else model
            raise InputError(f"{what} cannot be loaded by ONNX Runtime: {reason}") from error
        raise ClearerError(f"{provider} cannot run {name}: {first_line(error)}") from error
    # It lists providers that cannot start, and then falls back silently to the CPU.
    if session.get_providers()[0] != provider:
        raise ClearerError(f"{provider} cannot start here: check the driver and CUDA libraries")
    return session


def _precision(ort: Any, model: Path | bytes, threads: int, provider: str) -> str:
    if provider == _CPU:
        return computed_precision(ort, model, _session_options(ort, threads, provider))
    precision = written_precision(model)
    if provider == "TensorrtExecutionProvider" and precision == "fp32":
        # This provider cannot switch TF32 off.
        return "fp32 or TF32"
    return precision


# The best mean PSNR on the built-in training photographs, of the settings tried by
# benchmarks/non_local_means.py.
_NLM_STRENGTH: Final = 0.6
_NLM_PATCH: Final = 5
_NLM_DISTANCE: Final = 6


def _estimated_sigma(picture: Array) -> float:
    from skimage.restoration import estimate_sigma

    return float(estimate_sigma(picture, channel_axis=-1, average_sigmas=True))


class NonLocalMeansRunner:
    """scikit-image's fast non-local means.

    Args:
        sigma_255: The true noise level; None: estimated from each picture.

    Raises:
        ClearerError: If the package for the estimate is not installed.
    """

    name: Final = "non-local means"

    def __init__(self, sigma_255: float | None) -> None:
        from skimage.restoration import denoise_nl_means

        if sigma_255 is None:
            require("pywt", extra="bench")
        self._denoise = denoise_nl_means
        self.info = RunnerInfo(
            name=self.name,
            backend="scikit-image",
            version=metadata.version("scikit-image"),
            precision="fp32",
            threads=1,
        )
        self._sigma = None if sigma_255 is None else sigma_255 / 255

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return np.stack([self._restore(image) for image in degraded])

    def _restore(self, image: Array) -> Array:
        picture = image.transpose(1, 2, 0)
        sigma = _estimated_sigma(picture) if self._sigma is None else self._sigma
        restored = self._denoise(
            picture,
            patch_size=_NLM_PATCH,
            patch_distance=_NLM_DISTANCE,
            h=_NLM_STRENGTH * sigma,
            sigma=sigma,
            fast_mode=True,
            channel_axis=-1,
        )
        # A single channel comes back without its axis.
        planes = restored.reshape(image.shape[1], image.shape[2], -1).transpose(2, 0, 1)
        return np.ascontiguousarray(planes, dtype=np.float32)


class Bm3dRunner:
    """BM3D of Dabov et al., 2007, by its authors' package; its licence allows research only.

    Args:
        sigma_255: The true noise level; None: estimated from each picture.

    Raises:
        ClearerError: If the package is not installed.
    """

    def __init__(self, sigma_255: float | None) -> None:
        self._bm3d = require("bm3d", extra="bm3d")
        self.info = RunnerInfo(
            name="BM3D",
            backend="bm3d",
            version=metadata.version("bm3d"),
            precision="fp32",
            threads=usual_threads(),
        )
        self._sigma = None if sigma_255 is None else sigma_255 / 255

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return np.stack([self._restore(image) for image in degraded])

    def _restore(self, image: Array) -> Array:
        picture = image.transpose(1, 2, 0)
        sigma = _estimated_sigma(picture) if self._sigma is None else self._sigma
        if picture.shape[2] == 1:
            restored = self._bm3d.bm3d(picture[..., 0], sigma)[..., None]
        else:
            restored = self._bm3d.bm3d_rgb(picture, sigma)
        return np.ascontiguousarray(restored.transpose(2, 0, 1), dtype=np.float32)
