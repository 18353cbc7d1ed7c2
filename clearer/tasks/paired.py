"""Degraded pictures that are stored as files with the clean ones: rain, cameras, anything."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from clearer.tasks.base import Layout, Task, option
from clearer.tasks.pair_names import PairNames

__all__ = ["Derain", "Paired"]

_WORDS = ("folders", "clean-left", "clean-right")


def _layout(text: str) -> Layout:
    """Parse one of the words, or two patterns."""
    if text in _WORDS:
        return text
    if "*" not in text:
        raise ValueError(f"use one of {', '.join(_WORDS)}, or two patterns with a * each")
    return str(PairNames.parse(text))


@dataclass(frozen=True, kw_only=True, slots=True)
class Paired(Task):
    """Pairs of pictures, matched by name, or side by side in one file."""

    name: ClassVar[str] = "paired"
    summary: ClassVar[str] = "your own pairs of degraded and clean pictures"

    layout: Layout = option(
        "folders",
        _layout,
        "Pairs: folders clean/ and degraded/ with the same names, or side by side in one file "
        "(clean-left, clean-right), or patterns for names in one folder, clean first: "
        "'norain-*.png rain-*.png'.",
        name="pairs",
    )

    @property
    def protocol(self) -> str:
        """``pairs``: the files as they are."""
        return "pairs"

    @property
    def text(self) -> str:
        """For people, with the protocol."""
        return f"{self.name}, protocol {self.protocol}"

    @property
    def pairs(self) -> Layout | None:
        """How the files hold the pictures."""
        return self.layout


@dataclass(frozen=True, kw_only=True, slots=True)
class Derain(Paired):
    """Pairs of rainy and clean pictures; by default side by side, as Rain800 stores them."""

    name: ClassVar[str] = "derain"
    summary: ClassVar[str] = "rain; pairs, by default as Rain800 stores them (clean left)"
    is_upright: ClassVar[bool] = True
    # So that whiskers and grass are not taken for rain.
    clean_share: ClassVar[float] = 0.05

    layout: Layout = option("clean-left", _layout, "As for paired.", name="pairs")
