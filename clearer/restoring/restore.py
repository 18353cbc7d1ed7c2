"""Restores whole pictures with a network, whatever channels and bits either has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from clearer.networks.level_map import at_level
from clearer.pictures.images import LUMA
from clearer.pictures.stored_picture import Samples
from clearer.restoring.restorer import Restorer
from clearer.restoring.tiling import TilePlan, restore_tiles
from clearer.space.receptive_field import Reach, effective_field, receptive_field
from clearer.space.space import Architecture
from clearer.space.working_memory import most_features

__all__ = [
    "FOREIGN_OVERLAP",
    "ColorMode",
    "default_plan",
    "fit_channels",
    "restore_pixels",
]

Array = NDArray[np.float32]
ColorMode = Literal["per-channel", "luma"]
"""How a gray network restores a colour picture."""

FOREIGN_OVERLAP: Final = 64
"""Overlap in pixels for a network of unknown architecture: the reach of 64 layers of 3x3."""
_FOREIGN_SIDE: Final = 512
# Networks with downsampling pad to 2, 8, 16 or 32, hardly to more.
_FOREIGN_MULTIPLE: Final = 64
# Memory for a tile. A process also holds the libraries, about 150 MB, and the picture twice:
# benchmarks/restore_memory.py.
_TILE_BYTES: Final = 600e6
# Four hold the number; what an allocator keeps comes on top: in all 5 to 8 in ONNX Runtime, 7 to 11
# in torch.
_BYTES_PER_NUMBER: Final = 10.0


def default_plan(
    architecture: Architecture | None,
    side: int | None = None,
    overlap: int | None = None,
    multiple: int = 1,
) -> TilePlan:
    """The default tiling of pictures.

    The overlap is the radius of the effective receptive field: pixels farther away hardly matter.
    Three gray networks stayed within 0.3/255 of their result for a whole picture with noise of
    sigma 25, and within 1/255 at 50 (``benchmarks/seams.py``). An overlap of the radius of the
    receptive field gives exactly that result.

    Args:
        architecture: Architecture of the network; None if it is unknown.
        side: Side of the tiles, in pixels; by default as large as some 600 MB allow, or 512 for an
            unknown architecture; more if the overlap needs it.
        overlap: Overlap on each side, in pixels; never more than the radius of the receptive field.
        multiple: Sides of the network's input must be multiples of this; for an unknown
            architecture.

    Raises:
        InputError: If the tiles are too small for the overlap.
    """
    if architecture is None:
        reach = FOREIGN_OVERLAP if overlap is None else overlap
        margin = Reach(reach, reach)
        grid = -(-_FOREIGN_MULTIPLE // multiple) * multiple
        if side is None:
            side = max(_FOREIGN_SIDE, 2 * _least_side(margin, grid))
        return TilePlan(side=side, overlap=margin, multiple=grid)
    if overlap is None:
        margin = effective_field(architecture)
    else:
        field = receptive_field(architecture)
        margin = Reach(min(field.before, overlap), min(field.after, overlap))
    grid = architecture.space.multiple
    if side is None:
        side = max(_affordable_side(architecture), 2 * _least_side(margin, grid))
    return TilePlan(side=side, overlap=margin, multiple=grid)


def _least_side(margin: Reach, multiple: int) -> int:
    return TilePlan(side=2**31, overlap=margin, multiple=multiple).least_side


def _affordable_side(architecture: Architecture) -> int:
    bytes_per_pixel = _BYTES_PER_NUMBER * most_features(architecture)
    return int((_TILE_BYTES / bytes_per_pixel) ** 0.5)


def restore_pixels(
    restore: Restorer,
    pixels: Samples,
    *,
    channels: int,
    color: ColorMode = "per-channel",
    plan: TilePlan,
    level: float | None = None,
    strength: float = 1.0,
    listener: Callable[[int, int], None] = lambda done, total: None,
) -> Samples:
    """Restore the pixels of a picture, tile by tile.

    Args:
        restore: Maps ``(1, channels, h, w)``, range [0, 1], to the same shape; with a level map,
            ``(1, channels + 1, h, w)``.
        pixels: ``(H, W, C)``, gray or RGB; full-scale unsigned integers, or float32 in [0, 1].
        channels: Channels of the network, 1 or 3.
        color: How a gray network restores an RGB picture.
        plan: How the picture is cut into tiles.
        level: Noise level, range [0, 1], for a network with a level map; None for all others.
        strength: How much to remove; 1 is what the network would. It scales the level or, without
            one, the change. With 0 the pixels stay exactly as they are.
        listener: Called with (done, total) tiles.

    Returns:
        Of the same shape and type.

    Raises:
        ClearerError: If the network gives NaN or infinite values.
    """
    if strength == 0:
        return pixels
    if level is not None:
        restore = at_level(restore, level * strength)
    elif strength != 1:
        restore = _blended(restore, strength)
    fitted = fit_channels(restore, channels, pixels.shape[2], color)
    return restore_tiles(fitted, pixels, plan, listener)


def _blended(restore: Restorer, strength: float) -> Restorer:
    """A restorer that applies only this share of the network's change."""

    def blend(planes: Array) -> Array:
        mixed: Array = planes + np.float32(strength) * (restore(planes) - planes)
        return mixed

    return blend


def fit_channels(restore: Restorer, channels: int, num_planes: int, color: ColorMode) -> Restorer:
    """Make a restorer of ``(1, num_planes, h, w)`` from one of ``(1, channels, h, w)``.

    RGB with a gray network: each plane by itself, or only the luma, whose change is added to all
    three planes so that colour differences stay. Gray with an RGB network: three equal planes, and
    the mean of the result.
    """
    if channels == num_planes:
        return restore
    if channels == 3:

        def as_gray(planes: Array) -> Array:
            mean: Array = restore(np.repeat(planes, 3, axis=1)).mean(axis=1, keepdims=True)
            return mean

        return as_gray
    if color == "luma":

        def by_luma(planes: Array) -> Array:
            luma = np.tensordot(LUMA.astype(np.float32), planes, (0, 1))[:, None]
            changed: Array = planes + (restore(luma) - luma)
            return changed

        return by_luma

    def by_planes(planes: Array) -> Array:
        # One by one: three at once would need three times the memory.
        parts = [restore(np.ascontiguousarray(planes[:, i : i + 1])) for i in range(num_planes)]
        return np.concatenate(parts, axis=1)

    return by_planes
