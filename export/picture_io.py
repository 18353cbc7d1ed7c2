"""How pictures go into a network of any origin, and results become pictures again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from clearer.errors import ClearerError, InputError
from clearer.networks.level_map import file_inputs

__all__ = ["Element", "Layout", "PictureIo", "first_line", "picture_restorer"]

Array = NDArray[np.float32]
Element = Literal["float32", "float16", "uint8"]
"""Type of a network's input and output tensors."""
Layout = Literal["NCHW", "NHWC"]
_AXES: Final[dict[Layout, tuple[int, int, int, int]]] = {
    "NCHW": (0, 1, 2, 3),
    "NHWC": (0, 2, 3, 1),
}
_LONGEST_REASON: Final = 500


@dataclass(frozen=True, kw_only=True, slots=True)
class PictureIo:
    """A network's input and output format: plain data, the same for every backend."""

    channels: int | None = None
    """1 (gray) or 3; None: any number."""
    element: Element = "float32"
    layout: Layout = "NCHW"
    scale: float = 1.0
    """The value of white, 1 or 255; black is 0."""
    is_bgr: bool = False
    """Whether three channels are blue, green, red."""
    multiple: int = 1
    """Both sides must be multiples of this: pictures get reflect padding, results are cropped."""
    height: int | None = None
    """The only height that it takes; None: any."""
    width: int | None = None
    """The only width that it takes; None: any."""
    has_level: bool = False
    """Whether it has a second input, the noise level on the scale 0 to 255."""

    @property
    def has_any_size(self) -> bool:
        """Whether pictures of all sizes can be restored."""
        return self.height is None and self.width is None

    def shape(self, planes: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the network's input for a batch ``(N, C, H, W)``, with reflect padding."""
        n, c, h, w = planes
        full = (n, c, *(-(-side // self.multiple) * self.multiple for side in (h, w)))
        return tuple(full[axis] for axis in _AXES[self.layout])

    def encode(self, batch: Array) -> NDArray[Any]:
        """Convert pictures to the network's input.

        Args:
            batch: Pictures ``(N, C, H, W)`` in [0, 1].

        Returns:
            An array of :attr:`layout` and :attr:`element`, contiguous, padded to :attr:`multiple`.
        """
        planes = _reflect_padded(batch, self.multiple)
        if self.is_bgr:
            planes = planes[:, ::-1]
        if self.element == "uint8":
            planes = np.rint(planes.clip(0, 1) * np.float32(255))
        elif self.scale != 1:
            planes = planes * np.float32(self.scale)
        planes = planes.transpose(_AXES[self.layout])
        return np.ascontiguousarray(planes, dtype=self.element)

    def decode(self, result: NDArray[Any]) -> Array:
        """Inverse of :meth:`encode`; the reflect padding stays."""
        planes = result.transpose(np.argsort(_AXES[self.layout])).astype(np.float32, copy=False)
        if self.is_bgr:
            planes = planes[:, ::-1]
        if self.scale != 1:
            planes = planes / np.float32(self.scale)
        return np.ascontiguousarray(planes)


def picture_restorer(
    run: Callable[..., NDArray[Any]], io: PictureIo, name: str
) -> Callable[[Array], Array]:
    """Wrap a network in any runtime: ``(N, C, H, W)`` float32 in [0, 1] to the same shape.

    If the network takes a level, it is the last plane of ``(N, C + 1, H, W)``.

    Args:
        run: Maps the network's inputs, one argument each, to its result.
        io: Its input and output format.
        name: Name of the network, for errors.

    Returns:
        A function that raises :class:`InputError` if a picture or a result has the wrong size, and
        :class:`ClearerError` if the runtime fails.
    """

    def restore(batch: Array) -> Array:
        height, width = batch.shape[2:]
        if (io.height or height, io.width or width) != (height, width):
            wanted = f"{io.height or 'any'}x{io.width or 'any'}"
            raise InputError(
                f"{name} takes pictures of {wanted} (height x width) only, not of {height}x{width}"
            )
        image, *levels = file_inputs(batch, has_level=io.has_level)
        given = io.encode(image)
        try:
            result = run(given, *levels)
        except (ClearerError, MemoryError):
            raise
        except Exception as error:  # each runtime has its own types
            raise ClearerError(
                f"{name} fails on a picture of {height}x{width}: {first_line(error)}"
            ) from error
        if result.shape != given.shape:
            raise InputError(
                f"{name} gives {result.shape} for an input of {given.shape}: "
                "it is not image to image"
            )
        restored = io.decode(result)
        if restored.shape == image.shape:
            return restored
        return np.ascontiguousarray(restored[..., :height, :width])

    return restore


def _reflect_padded(batch: Array, multiple: int) -> Array:
    """Pad as :func:`clearer.networks.blocks.pad_to_multiple` does."""
    for axis in (2, 3):
        last = batch.shape[axis] - 1
        padded = (last + multiple) // multiple * multiple
        if padded > last + 1:
            places = np.arange(padded)
            batch = batch.take(np.minimum(places, 2 * last - places).clip(0), axis=axis)
    return batch


def first_line(error: BaseException) -> str:
    """The message of a runtime's error, in one line that a terminal can show."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    # OpenVINO begins with locations in its own source.
    chosen = lines[-1] if lines[0].startswith("Exception from") else lines[0]
    text = "".join(c if c.isprintable() else " " for c in chosen)
    return text if len(text) <= _LONGEST_REASON else f"{text[:_LONGEST_REASON]} …"
