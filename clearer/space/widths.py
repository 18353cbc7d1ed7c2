"""Channels of each scale of a network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from clearer.errors import InputError

__all__ = ["check_widths", "grown_width", "width_text"]

# Descriptions also come from untrusted files: the bound keeps networks small enough to build.
_MAX_WIDTH: Final = 512
_GROUP: Final = 8
"""Processors compute channels in groups of this many, or twice as many."""


def check_widths(width: int, growth: float, widths: Sequence[int], num_scales: int) -> None:
    """Check the widths of a space.

    Args:
        width: Channels of the finest scale.
        growth: How much wider each scale is than the next finer one.
        widths: Channels of each scale instead; empty if the growth decides.
        num_scales: Number of scales.

    Raises:
        InputError: If one is out of range, or they contradict each other.
    """
    if not 2 <= width <= _MAX_WIDTH:
        raise InputError(f"width must lie in 2..{_MAX_WIDTH}, got {width}")
    if not 1 <= growth <= 2:
        raise InputError(f"growth must lie in 1..2, got {growth:g}")
    if not widths:
        return
    if len(widths) != num_scales or widths[0] != width:
        raise InputError(
            f"widths must be those of {num_scales} scales, {width} first, got {tuple(widths)}"
        )
    most = grown_width(_MAX_WIDTH, 2, num_scales - 1)
    if not all(2 <= each <= most for each in widths):
        raise InputError(f"widths must lie in 2..{most}, got {tuple(widths)}")


def grown_width(width: int, growth: float, scale: int) -> int:
    """Channels of a scale (0 is the finest) by growth.

    Example:
        >>> [grown_width(24, 1.5, scale) for scale in range(4)]
        [24, 32, 56, 80]
    """
    if growth == 2:
        return int(width * 2**scale)
    groups = max(1, round(width * growth**scale / _GROUP))
    return width if scale == 0 else groups * _GROUP


def width_text(width: int, growth: float, widths: Sequence[int]) -> str:
    """Widths in words, such as ``width 16 x2``."""
    return f"widths {', '.join(map(str, widths))}" if widths else f"width {width} x{growth:g}"
