"""What every task has: a name, a protocol, options, and a way to degrade a clean picture."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
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
"""``folders`` (two, with the same names), ``clean-left`` or ``clean-right`` (files that hold both
pictures side by side), or two patterns of names (:class:`clearer.tasks.pair_names.PairNames`)."""


@dataclass(frozen=True, slots=True)
class Span:
    """A number, or a range from which one is drawn for each picture."""

    low: float
    high: float

    @classmethod
    def parse(cls, text: str) -> Span:
        """``"25"`` or ``"5:50"``.

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
        """For names of folders, which may not have colons everywhere."""
        return f"{self.low:g}" if self.is_fixed else f"{self.low:g}-{self.high:g}"

    def draw(self, draws: Draws) -> Tensor | float:
        """A number for each picture, all of the range being equally likely."""
        return draws.uniform(self.low, self.high)

    def __str__(self) -> str:
        return f"{self.low:g}" if self.is_fixed else f"{self.low:g}:{self.high:g}"


def one_of(*words: str) -> Callable[[str], str]:
    """A parser that takes these words only."""

    def parse(text: str) -> str:
        if text not in words:
            raise ValueError(f"use one of {', '.join(words)}")
        return text

    return parse


def option(
    default: object, parse: Callable[[str], object], help: str, *, name: str | None = None
) -> Any:
    """A field of a task that users set by an option.

    Args:
        default: Where it is not given.
        parse: From the text that a user types; raises ValueError.
        help: For ``--help``.
        name: Of the option; default: that of the field.
    """
    return field(default=default, metadata={"parse": parse, "help": help, "name": name})


class Task(ABC):
    """One kind of degradation. A subclass is a frozen dataclass whose fields are :func:`option`."""

    name: ClassVar[str]
    """What ``--task`` takes."""
    summary: ClassVar[str]
    """A line for ``clearer tasks``."""

    is_noise: ClassVar[bool] = False
    """Whether a classical denoiser is a fair comparison."""
    is_upright: ClassVar[bool] = False
    """Whether the degradation has a direction, as rain has: patches are flipped left-right only."""
    clean_share: ClassVar[float] = 0.0
    """Of the pairs that train, those whose degraded picture is the clean one."""

    @property
    @abstractmethod
    def protocol(self) -> str:
        """Name under which figures of this degradation may be compared."""

    @property
    @abstractmethod
    def text(self) -> str:
        """For people, with the protocol."""

    @property
    def label(self) -> str:
        """For names of folders, with what counts most."""
        return self.name

    @property
    def pairs(self) -> Layout | None:
        """How folders hold degraded and clean pictures; None where :meth:`degrade` makes them."""
        return None

    @property
    def crop_multiple(self) -> int:
        """Pictures are evaluated after their sides are cut to a multiple of this."""
        return 1

    @property
    def sigma_255(self) -> float | None:
        """Standard deviation of additive white noise on the scale 0 to 255, where it is known."""
        return None

    @property
    def has_level(self) -> bool:
        """Whether one number, the level of white noise, says all about the degradation."""
        return False

    def draw_level(self, draws: Draws) -> Tensor | float:
        """The level that :meth:`degrade` adds, given the same draws: it draws that first.

        Returns:
            Standard deviation on the scale 0 to 1, ``(N, 1, 1, 1)`` or one for all pictures.

        Raises:
            InputError: If this task has no level.
        """
        raise InputError(
            f"a level map needs white noise, whose level is known: {self.text} has none"
        )

    def target(self, clean: Tensor, draws: Draws) -> Tensor:
        """What :meth:`degrade` is given, and a network is to give back: mostly the pictures.

        Args:
            clean: ``(N, C, H, W)``, float32, range [0, 1].
            draws: Where random numbers come from; :meth:`degrade` goes on with the same.

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
        """As :meth:`target`, of one picture, as it is evaluated."""
        from clearer.tasks.draws import PictureDraws

        return to_picture(self.target(to_batch(clean), PictureDraws(rng)))

    def degrade_picture(self, clean: Picture, rng: np.random.Generator) -> Picture:
        """A degraded copy of one picture, as it is evaluated.

        Raises:
            InputError: As :meth:`degrade`.
        """
        from clearer.tasks.draws import PictureDraws

        return to_picture(self.degrade(to_batch(clean), PictureDraws(rng)))


def to_batch(picture: Picture) -> Tensor:
    """``(H, W, C)`` to ``(1, C, H, W)``."""
    import numpy as np
    import torch

    return torch.from_numpy(np.ascontiguousarray(picture)).permute(2, 0, 1)[None]


def to_picture(batch: Tensor) -> Picture:
    """The one picture of ``(1, C, H, W)``, as ``(H, W, C)``."""
    return batch[0].permute(1, 2, 0).contiguous().numpy()
