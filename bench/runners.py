"""One class per way to restore an image, all called alike."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Final, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from skimage.restoration import denoise_nl_means, estimate_sigma

from clearer.errors import InputError, require
from clearer.evaluate import torch_restorer
from clearer.network import RestorationNet

__all__ = ["Bm3dRunner", "NonLocalMeansRunner", "OnnxRunner", "Runner", "TorchRunner"]

Array = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, slots=True)
class RunnerInfo:
    """What a row of a report says about how its figures were made."""

    name: str
    backend: str
    version: str
    precision: str
    """Of the arithmetic in effect."""
    threads: int
    file_bytes: int | None = None


class Runner(Protocol):
    """Restores ``(N, C, H, W)`` float32 in [0, 1] to the same shape."""

    info: RunnerInfo

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""


class TorchRunner:
    """The frozen network in eager torch on the CPU, channels last."""

    def __init__(self, name: str, network: RestorationNet) -> None:
        self.info = RunnerInfo(
            name=name,
            backend="torch eager, CPU",
            version=str(torch.__version__),
            precision="fp32",
            threads=torch.get_num_threads(),
        )
        network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self._restore = torch_restorer(network)

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return self._restore(degraded)


class OnnxRunner:
    """Any image-to-image ONNX file in ONNX Runtime on the CPU.

    Args:
        name: For reports.
        path: The file: one float32 input ``(N, C, H, W)``, one output of the same shape.
        channels: Channels of the images it will get; None takes what the file says.

    Raises:
        InputError: If the file cannot be loaded or is not image to image.
    """

    def __init__(self, name: str, path: Path, channels: int | None) -> None:
        ort = require("onnxruntime", extra="cpu")
        if not path.is_file():
            raise InputError(f"{path} is not a file: give an ONNX model")
        options = ort.SessionOptions()
        threads = torch.get_num_threads()
        options.intra_op_num_threads = threads
        # Idle threads that spin would slow down whatever is timed in turn with this session.
        options.add_session_config_entry("session.force_spinning_stop", "1")
        try:
            self._session = ort.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # ONNX Runtime has its own, unexported exception types
            reason = str(error).splitlines()[0]
            raise InputError(f"{path} cannot be loaded by ONNX Runtime: {reason}") from error
        inputs = self._session.get_inputs()
        shape = inputs[0].shape
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(shape) != 4:
            raise InputError(
                f"{path} is not image to image: it needs one float32 N x C x H x W input"
            )
        self.shape: list[int | str | None] = shape
        self.channels = shape[1] if isinstance(shape[1], int) else 1
        self.metadata: dict[str, str] = self._session.get_modelmeta().custom_metadata_map
        if channels is not None and shape[1] != channels and isinstance(shape[1], int):
            raise InputError(f"{path} takes {shape[1]} channel(s), the images have {channels}")
        self.info = RunnerInfo(
            name=name,
            backend="ONNX Runtime, CPU",
            version=ort.__version__,
            precision="fp32",
            threads=threads,
            file_bytes=path.stat().st_size,
        )
        self._input = inputs[0].name

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch.

        Raises:
            InputError: If the output has another shape.
        """
        restored: Array = self._session.run(None, {self._input: degraded})[0]
        if restored.shape != degraded.shape:
            raise InputError(
                f"{self.info.name} gives {restored.shape} for an input of {degraded.shape}: "
                "it is not image to image"
            )
        return restored


# Best mean PSNR on the built-in training photographs, of the settings that
# benchmarks/non_local_means.py tries.
_NLM_STRENGTH: Final = 0.6
_NLM_PATCH: Final = 5
_NLM_DISTANCE: Final = 6


class NonLocalMeansRunner:
    """scikit-image's fast non-local means.

    Args:
        sigma_255: The true noise level; None has it estimated from each picture.
    """

    def __init__(self, sigma_255: float | None) -> None:
        self.info = RunnerInfo(
            name="non-local means",
            backend="scikit-image, CPU",
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
        sigma = self._sigma
        if sigma is None:
            sigma = float(estimate_sigma(picture, channel_axis=-1, average_sigmas=True))
        restored = denoise_nl_means(
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
            backend="bm3d, CPU",
            version=metadata.version("bm3d"),
            precision="fp32",
            threads=torch.get_num_threads(),
        )
        self._sigma = None if sigma_255 is None else sigma_255 / 255

    def __call__(self, degraded: Array) -> Array:
        """Restore a batch."""
        return np.stack([self._restore(image) for image in degraded])

    def _restore(self, image: Array) -> Array:
        picture = image.transpose(1, 2, 0)
        sigma = self._sigma or float(estimate_sigma(picture, channel_axis=-1, average_sigmas=True))
        if picture.shape[2] == 1:
            restored = self._bm3d.bm3d(picture[..., 0], sigma)[..., None]
        else:
            restored = self._bm3d.bm3d_rgb(picture, sigma)
        return np.ascontiguousarray(restored.transpose(2, 0, 1), dtype=np.float32)
