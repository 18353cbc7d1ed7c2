"""Networks as functions on pictures in memory, as ``clearer restore`` is for files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, overload

import numpy as np
from numpy.typing import NDArray

from clearer.errors import InputError
from clearer.restoring.restore import ColorMode
from clearer.restoring.restore_method import Method, PictureKind, choose_method
from clearer.restoring.self_ensemble import Views

if TYPE_CHECKING:
    from torch import Tensor


__all__ = ["Restorer", "load"]

_TYPES: Final = ("uint8", "uint16", "float16", "float32", "float64")


def load(
    model: str | PathLike[str] | None = None,
    *,
    backend: str | None = None,
    color: ColorMode = "per-channel",
    tile: int | None = None,
) -> Restorer:
    """Load a network, or the networks that come with clearer for each kind of picture.

    Example:
        >>> import clearer
        >>> import numpy as np
        >>> restore = clearer.load("gray-small")
        >>> noisy = np.full((40, 60), 128, np.uint8)
        >>> restore(noisy).shape
        (40, 60)

    Args:
        model: Run folder, ``.safetensors`` or ``.onnx`` file, or the name of a network that comes
            with clearer; None: as ``clearer restore`` chooses, the newest run in ``runs/`` first.
        backend: ``torch``, ``onnxruntime`` or ``openvino``; by default ONNX Runtime, or
            torch for weights where that is not installed.
        color: How a gray network restores a colour picture.
        tile: Side of the tiles that large pictures are cut into, in pixels.

    Raises:
        InputError: If there is no such model, or it cannot be loaded.
        ClearerError: If a package is missing.
    """
    from clearer.bench.restorers import find_restorers

    found = find_restorers(None if model is None else Path(model), backend)
    found.pop("jpeg", None)  # a picture in memory does not tell its JPEG quality
    return Restorer({kind: loaded.method(color, tile) for kind, loaded in found.items()})


class Restorer:
    """Restores pictures in memory.

    Args:
        methods: Methods by kind of picture.
    """

    def __init__(self, methods: Mapping[PictureKind, Method]) -> None:
        self._methods = methods

    @property
    def names(self) -> dict[PictureKind, str]:
        """Names of the networks, by the kind of picture that they are for."""
        return {kind: method.name for kind, method in self._methods.items()}

    @overload
    def __call__(
        self,
        picture: NDArray[Any],
        *,
        sigma: float | None = ...,
        strength: float = ...,
        self_ensemble: Views = ...,
    ) -> NDArray[Any]: ...

    @overload
    def __call__(
        self,
        picture: Tensor,
        *,
        sigma: float | None = ...,
        strength: float = ...,
        self_ensemble: Views = ...,
    ) -> Tensor: ...

    def __call__(
        self,
        picture: NDArray[Any] | Tensor,
        *,
        sigma: float | None = None,
        strength: float = 1.0,
        self_ensemble: Views = 1,
    ) -> NDArray[Any] | Tensor:
        """Restore a numpy picture, or a torch batch.

        Args:
            picture: An array ``(H, W)`` or ``(H, W, C)`` with C of 1 or 3 (RGB): uint8, uint16, or
                floating point in [0, 1]. Or a tensor ``(N, C, H, W)``, floating point in [0, 1].
            sigma: Noise level, scale 0 to 255, for a network with a level map; None: estimated
                from each picture.
            strength: How much to remove: 1 is all, 0 nothing; up to 2.
            self_ensemble: Average over so many flips and rotations, in as many times the time.

        Returns:
            The restored pictures, of the same shape, type and device, clipped to the range.

        Raises:
            InputError: If the picture has another shape or type, a value is out of range, or
                ``sigma`` is given and the network has no level map.
            ClearerError: If the network fails.
        """
        methods = {
            kind: replace(method, sigma=sigma, strength=strength, views=self_ensemble)
            for kind, method in self._methods.items()
        }
        if isinstance(picture, np.ndarray):
            return _restore_array(picture, methods)
        return _restore_batch(picture, methods)


def _restore_array(picture: NDArray[Any], methods: Mapping[PictureKind, Method]) -> NDArray[Any]:
    if picture.dtype.name not in _TYPES:
        raise InputError(
            f"the picture is of {picture.dtype}: give uint8, uint16, or floating point in 0..1"
        )
    pixels = picture[..., None] if picture.ndim == 2 else picture
    if pixels.ndim != 3 or pixels.shape[2] not in (1, 3) or 0 in pixels.shape:
        raise InputError(
            f"the picture has shape {picture.shape}: give H x W, or H x W x C with 1 or 3 channels"
        )
    if pixels.dtype.kind == "f":
        pixels = pixels.astype(np.float32)
        if not np.isfinite(pixels).all():
            raise InputError("the picture has NaN or infinite values")
    chosen = choose_method(pixels, methods)
    if chosen is None:
        raise InputError("the network was made for pairs of RGB pictures, and this one is gray")
    method, _ = chosen
    restored, _ = method.apply(pixels)
    return restored.reshape(picture.shape).astype(picture.dtype, copy=method.strength == 0)


def _restore_batch(batch: Tensor, methods: Mapping[PictureKind, Method]) -> Tensor:
    import torch

    if not isinstance(batch, torch.Tensor):
        raise InputError(
            f"a picture is a numpy array or a torch tensor, not {type(batch).__name__}"
        )
    if batch.ndim != 4 or len(batch) == 0 or not batch.is_floating_point():
        raise InputError(
            f"the tensor has shape {tuple(batch.shape)}, {batch.dtype}: give N x C x H x W, "
            "floating point in 0..1"
        )
    arrays = batch.detach().float().cpu().permute(0, 2, 3, 1).contiguous().numpy()
    restored = [_restore_array(array, methods) for array in arrays]
    found = torch.from_numpy(np.stack(restored)).permute(0, 3, 1, 2).contiguous()
    return found.to(batch)
