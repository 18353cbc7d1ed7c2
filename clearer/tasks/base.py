"""What every task has: a name, a protocol, options, and a way to degrade a clean picture."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar

from clearer.errors import InputError

if TYPE_CHECKING:  # the help of commands lists the tasks: it starts without numpy and torch
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor

    from clearer.tasks.draws import Draws

    Picture = NDArray[np.float32]
    """``(H, W, C)``, range [0, 1]."""

__all__ = ["Layout", "Span", "Task", "one_of", "option", "to_batch", "to_picture"]

Layout = str
"""``folders`` (two, with equal file names), ``clean-left`` or ``clean-right`` (files that hold both
pictures side by side), or two name patterns (:class:`clearer.tasks.pair_names.PairNames`)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A number, or a range from which one is drawn for each picture."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Span:
        """Parse ``"25"`` or ``"5:50"``.

        Raises:
            ValueError: If the text is neither, or the numbers are not finite or out of order.
        """
        low, colon, high = text.partition(":")
        try:
            span = cls(float(low), float(high if colon else low))
        except ValueError:
            span = cls(math.nan, math.nan)
        if not (math.isfinite(span.low) and math.isfinite(span.high) and span.low <= span.high):
            raise ValueError(f"{text!r} is neither a finite number nor a range LOW:HIGH")
        return span

    @property
    def is_fixed(self) -> bool:
        """Whether it is a single number."""
        return self.low == self.high

    @property
    def label(self) -> str:
        """For folder names, in which some systems allow no colons."""
        return f"{self.low:g}" if self.is_fixed else f"{self.low:g}-{self.high:g}"

    def draw(self, draws: Draws) -> Tensor | float:
        """A number for each picture, uniform over the range."""
        return draws.uniform(self.low, self.high)

    def __str__(self) -> str:
        return f"{self.low:g}" if self.is_fixed else f"{self.low:g}:{self.high:g}"


def one_of(*words: str) -> Callable[[str], str]:
    """A parser that accepts only these words."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"use one of {', '.join(words)}")
        return text

    return parse


def option(
    default: object, parse: Callable[[str], object], help: str, *, name: str | None = None
) -> Any:
    """A field of a task that users set with an option.

    Args:
        default: The value if it is not given.
        parse: Converts the text that a user types; raises ValueError.
        help: The text for ``--help``.
        name: Name of the option; default: that of the field.
    """
    return field(default=default, metadata={"parse": parse, "help": help, "name": name})


class Task(ABC):
    """One kind of degradation. A subclass is a frozen dataclass whose fields are :func:`option`."""

    name: ClassVar[str]
    """The name for ``--task``."""
    summary: ClassVar[str]
    """A line for ``clearer tasks``."""

    is_noise: ClassVar[bool] = False
    """Whether a classical denoiser is a fair baseline."""
    is_upright: ClassVar[bool] = False
    """Whether the degradation has a direction, as rain has: patches are only flipped left-right."""
    clean_share: ClassVar[float] = 0.0
    """Share of the training pairs whose degraded picture is the clean one."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """Name of the protocol; only figures of one protocol may be compared."""

    @property
    @abstractmethod
    def text(self) -> str:
        """Description for people, with the protocol."""

    @property
    def label(self) -> str:
        """For folder names, with the main parameters."""
        return self.name

    @property
    def pairs(self) -> Layout | None:
        """How folders hold degraded and clean pictures; None if :meth:`degrade` makes them."""
        return None

    def covers(self, wanted: Task) -> bool:
        """Whether this is the kind of task that is wanted, and its ranges contain those."""
        if type(self) is not type(wanted):
            return False
        pairs = [(getattr(self, f.name), getattr(wanted, f.name)) for f in fields(self)]  # type: ignore[arg-type]
        return all(
            one.low <= other.low and other.high <= one.high
            if isinstance(one, Span)
            else one == other
            for one, other in pairs
        )

    @property
    def crop_multiple(self) -> int:
        """Sides of pictures are cropped to a multiple of this before evaluation."""
        return 1

    @property
    def sigma_255(self) -> float | None:
        """Standard deviation of additive white noise on the scale 0 to 255, if it is known."""
        return None

    @property
    def has_level(self) -> bool:
        """Whether one number, the level of white noise, describes the degradation fully."""
        return False

    def draw_level(self, draws: Draws) -> Tensor | float:
        """The level that :meth:`degrade` adds, given the same draws: it draws the level first.

        Returns:
            Standard deviation on the scale 0 to 1, ``(N, 1, 1, 1)`` or one number for all pictures.

        Raises:
            InputError: If this task has no level.
        """
        raise InputError(
            f"a level map needs white noise, whose level is known: {self.text} has none"
        )

    def target(self, clean: Tensor, draws: Draws) -> Tensor:
        """The input of :meth:`degrade` and target of the network: by default the pictures.

        Args:
            clean: ``(N, C, H, W)``, float32, range [0, 1].
            draws: Where random numbers come from; :meth:`degrade` then uses the same.

        Returns:
            Of the same shape.
        """
        return clean

    def degrade(self, clean: Tensor, draws: Draws) -> Tensor:
        """Degraded copies of a batch of pictures, on their device.

        Args:
            clean: ``(N, C, H, W)``, float32, range [0, 1].
            draws: Where random numbers come from.

        Returns:
            Of the same shape; values may leave [0, 1].

        Raises:
            InputError: If this task reads its degraded pictures from files.
        """
        raise InputError(f"task {self.name} reads degraded pictures from files and makes none")

    def target_picture(self, clean: Picture, rng: np.random.Generator) -> Picture:
        """As :meth:`target`, for one picture in evaluation, ``(H, W, C)``."""
        from clearer.tasks.draws import PictureDraws

        return to_picture(self.target(to_batch(clean), PictureDraws(rng)))

    def degrade_picture(self, clean: Picture, rng: np.random.Generator) -> Picture:
        """A degraded copy of one picture for evaluation, ``(H, W, C)``.

        Raises:
            InputError: As :meth:`degrade`.
        """
        from clearer.tasks.draws import PictureDraws

        return to_picture(self.degrade(to_batch(clean), PictureDraws(rng)))


def to_batch(picture: Picture) -> Tensor:
    """Convert ``(H, W, C)`` to ``(1, C, H, W)``."""
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]


def to_picture(batch: Tensor) -> Picture:
    """The single picture of a batch ``(1, C, H, W)``, as ``(H, W, C)``."""
    return batch[0].permute(1, 2, 0).contiguous().numpy()
