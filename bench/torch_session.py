"""Networks and modules in torch, for timing like those in a deployment runtime."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from clearer.bench.device_timer import Session, processor_name
from clearer.bench.plan import Entry
from clearer.networks.network import FrozenColumn, RestorationNet
from clearer.operations.identity import IDENTITY
from clearer.space.space import Choice
from clearer.training.precision import Precision, autocast

__all__ = ["open_torch"]


def open_torch(
    entry: Entry, shapes: Sequence[Sequence[int]], device: str, precision: str, threads: int
) -> Session:
    """A network or module with random weights in eager torch, channels last.

    On a GPU a call copies its input there and its output back.

    Args:
        entry: What to load.
        shapes: Shapes of its inputs.
        device: ``cpu`` or ``cuda``.
        precision: Precision of the arithmetic: ``fp32`` or ``bf16``.
        threads: Number of CPU threads.

    Raises:
        RuntimeError: If there is no such device.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise RuntimeError("torch finds no CUDA device here")
    torch.set_num_threads(threads)
    module = _module(entry).eval().to(device)
    module = module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    arithmetic: Precision = "bf16" if precision == "bf16" else "fp32"
    is_network = entry.module is None

    def call(arrays: list[NDArray[np.float32]]) -> list[Tensor]:
        with torch.inference_mode(), autocast(device, arithmetic):
            inputs = [
                torch.from_numpy(array).to(device, memory_format=_memory_format(array))
                for array in arrays
            ]
            outputs = [module(_planes(inputs))] if is_network else module(inputs)
            return [output.float().cpu() for output in outputs]

    info = {
        "version": str(torch.__version__),
        "device": torch.cuda.get_device_name() if device == "cuda" else processor_name(),
        "precision": arithmetic,
    }
    return Session(call, [tuple(shape) for shape in shapes], info)


def _memory_format(array: NDArray[np.float32]) -> torch.memory_format:
    return torch.channels_last if array.ndim == 4 else torch.contiguous_format


def _planes(inputs: list[Tensor]) -> Tensor:
    """The image and, for a network with a level map, a plane with the level."""
    image = inputs[0]
    planes = [level.expand(len(image), 1, *image.shape[2:]) for level in inputs[1:]]
    return torch.cat([image, *planes], dim=1) if planes else image


def _module(entry: Entry) -> nn.Module:
    if entry.module is None:
        return RestorationNet(entry.architecture)
    choice, num_scales, scales = entry.module
    column = tuple[Choice, ...](choice if s in scales else IDENTITY.name for s in range(num_scales))
    return FrozenColumn(entry.architecture.space, column)
