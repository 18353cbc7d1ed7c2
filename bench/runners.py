"""One class per way to restore an image, all called alike.

Nothing heavy is imported above the functions: a fresh process that measures the memory of one
runner loads the one package which that runner needs.
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

if TYPE_CHECKING:
    from clearer.network import RestorationNet

__all__ = [
    "Array",
    "Bm3dRunner",
    "NonLocalMeansRunner",
    "OnnxRunner",
    "Runner",
    "RunnerInfo",
    "TorchRunner",
    "first_line",
    "torch_threads",
]

Array = NDArray[np.float32]
_CPU: Final = "CPUExecutionProvider"


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerInfo:
    """What a row of a report says about how its figures were made."""

    name: str
    backend: str
    version: str
    precision: str
    """Of the arithmetic in effect."""
    threads: int
    provider: str = "CPU"
    """Part of the backend that computes."""
    file_bytes: int | None = None
    load_ms: float | None = None
    """From the file to a network that can be called; None where nothing is loaded."""


class Runner(Protocol):
    """Restores ``(N, C, H, W)`` float32 in [0, 1] to the same shape."""

    @property
    def info(self) -> RunnerInfo:
        """What computes, and how."""

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""


def torch_threads() -> int:
    """Threads that torch computes with."""
    import torch

    return torch.get_num_threads()


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return (str(error).splitlines() or [type(error).__name__])[0]


class TorchRunner:
    """The frozen network in torch on the CPU, fp32, channels last.

    Args:
        name: For reports.
        network: In evaluation mode.
        compiled: By ``torch.compile`` for images of any size, which takes a minute at the first
            call; a graph that cannot be compiled as a whole is an error, never run eagerly.
        load_ms: Of the weights.
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

        from clearer.evaluate import torch_restorer

        self.info = RunnerInfo(
            name=name,
            backend="torch compiled" if compiled else "torch eager",
            version=str(torch.__version__),
            precision="fp32",
            threads=torch.get_num_threads(),
            load_ms=load_ms,
        )
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if compiled:
            self._restore = torch_restorer(torch.compile(network, dynamic=True, fullgraph=True))  # type: ignore[arg-type]
        else:
            self._restore = torch_restorer(network)

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return self._restore(degraded)


class OnnxRunner:
    """Any image-to-image ONNX file in ONNX Runtime.

    Args:
        name: For reports.
        path: The file: one float input ``(N, C, H, W)``, one output of the same shape.
        channels: Channels of the images it will get; None takes what the file says.
        threads: Of the CPU; None takes those of torch.
        provider: Execution provider that must compute.

    Raises:
        InputError: If the file cannot be loaded or is not image to image.
        ClearerError: If the provider is not there, or leaves work to another one.
    """

    def __init__(
        self,
        name: str,
        path: Path,
        channels: int | None,
        *,
        threads: int | None = None,
        provider: str = _CPU,
    ) -> None:
        ort = require("onnxruntime", extra="cpu" if provider == _CPU else "gpu")
        if not path.is_file():
            raise InputError(f"{path} is not a file: give an ONNX model")
        threads = threads or torch_threads()
        start = time.perf_counter()
        self._session = _open_session(ort, path, threads, provider)
        load_ms = 1000 * (time.perf_counter() - start)
        given = self._session.get_inputs()
        shape = given[0].shape
        is_image = len(given) == 1 and len(shape) == 4 and given[0].type in _FLOATS
        if not is_image:
            raise InputError(
                f"{path} is not image to image: it needs one float32 N x C x H x W input"
            )
        self.shape: list[int | str | None] = shape
        self.channels = shape[1] if isinstance(shape[1], int) else 1
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        if channels is not None and shape[1] != channels and isinstance(shape[1], int):
            raise InputError(f"{path} takes {shape[1]} channel(s), the images have {channels}")
        self._input, self._dtype = given[0].name, _FLOATS[given[0].type]
        self._about = RunnerInfo(
            name=name,
            backend="ONNX Runtime",
            version=ort.__version__,
            precision="",
            threads=threads,
            provider=provider,
            file_bytes=path.stat().st_size,
            load_ms=load_ms,
        )
        self._path = path

    def require_any_size(self) -> None:
        """Refuse a file for pictures of one size.

        Raises:
            InputError: If a side is fixed.
        """
        if any(isinstance(side, int) for side in self.shape[2:]):
            raise InputError(
                f"{self._path} takes pictures of one size only ({self.shape}): export it with "
                "free sizes"
            )

    @cached_property
    def info(self) -> RunnerInfo:
        """What computes, and how; the precision in effect takes a second session to find out."""
        ort = require("onnxruntime", extra="cpu")
        about = self._about
        precision = _precision(ort, self._path, about.threads, about.provider)
        return replace(about, precision=precision)

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If the output has another shape.
        """
        given = {self._input: degraded.astype(self._dtype, copy=False)}
        restored: Array = self._session.run(None, given)[0].astype(np.float32, copy=False)
        if restored.shape != degraded.shape:
            raise InputError(
                f"{self._about.name} gives {restored.shape} for an input of {degraded.shape}: "
                "it is not image to image"
            )
        return restored


_FLOATS: Final[dict[str, type[np.floating[Any]]]] = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
}


def _session_options(ort: Any, threads: int, provider: str) -> Any:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # Idle threads that spin would slow down whatever is timed in turn with this session.
    options.add_session_config_entry("session.force_spinning_stop", "1")
    if provider != _CPU:
        options.add_session_config_entry("session.disable_cpu_ep_fallback", "1")
    return options


def _open_session(ort: Any, path: Path, threads: int, provider: str) -> Any:
    if provider not in ort.get_available_providers():
        raise ClearerError(f"this ONNX Runtime has no {provider}")
    # fp32 is to mean fp32: NVIDIA's convolutions round their inputs to TF32 otherwise.
    settings = {"use_tf32": "0"} if provider == "CUDAExecutionProvider" else {}
    options = _session_options(ort, threads, provider)
    try:
        session = ort.InferenceSession(path, options, providers=[(provider, settings)])
    except Exception as error:  # ONNX Runtime has its own, unexported exception types
        if provider == _CPU:
            reason = first_line(error)
            raise InputError(f"{path} cannot be loaded by ONNX Runtime: {reason}") from error
        raise ClearerError(f"{provider} cannot run {path.name}: {first_line(error)}") from error
    # It lists providers that cannot start, and then falls back to the CPU without a word.
    if session.get_providers()[0] != provider:
        raise ClearerError(f"{provider} cannot start here: check the driver and CUDA libraries")
    return session


def _precision(ort: Any, path: Path, threads: int, provider: str) -> str:
    if provider == _CPU:
        return computed_precision(ort, path, _session_options(ort, threads, provider))
    precision = written_precision(path)
    if provider == "TensorrtExecutionProvider" and precision == "fp32":
        # Its TF32 cannot be switched off by this provider.
        return "fp32 or TF32"
    return precision


# Best mean PSNR on the built-in training photographs, of the settings that
# benchmarks/non_local_means.py tries.
_NLM_STRENGTH: Final = 0.6
_NLM_PATCH: Final = 5
_NLM_DISTANCE: Final = 6


def _estimated_sigma(picture: Array) -> float:
    from skimage.restoration import estimate_sigma

    return float(estimate_sigma(picture, channel_axis=-1, average_sigmas=True))


class NonLocalMeansRunner:
    """scikit-image's fast non-local means.

    Args:
        sigma_255: The true noise level; None has it estimated from each picture.

    Raises:
        ClearerError: If the package that estimates is not installed.
    """

    def __init__(self, sigma_255: float | None) -> None:
        from skimage.restoration import denoise_nl_means

        if sigma_255 is None:
            require("pywt", package="pywavelets")
        self._denoise = denoise_nl_means
        self.info = RunnerInfo(
            name="non-local means",
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
        sigma_255: The true noise level; None has it estimated from each picture.

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
            threads=torch_threads(),
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
