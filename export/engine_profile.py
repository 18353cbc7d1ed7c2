"""The image sizes that an engine is built for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from clearer.errors import InputError

__all__ = ["DEFAULT_PROFILE", "EngineProfile", "Size"]

Size = tuple[int, int, int]
"""(batch, height, width)"""

_MAX_BATCH: Final = 1024
_MAX_SIDE: Final = 16384
DEFAULT_PROFILE: Final = "1x16x16,1x512x512,1x1088x1920"
"""From 16x16 pixels to full HD, fastest at 512x512."""


@dataclass(frozen=True, kw_only=True, slots=True)
class EngineProfile:
    """The smallest, the usual and the largest input: the engine is fastest at ``opt``."""

    min: Size
    opt: Size
    max: Size

    @classmethod
    def from_text(cls, text: str) -> EngineProfile:
        """Parse text like ``1x64x64,1x512x512,4x1088x1920``: N x H x W three times.

        Raises:
            InputError: If the text is of another form, a size is out of range, or sizes decrease.
        """
        sizes = [re.fullmatch(r"(\d{1,5})x(\d{1,5})x(\d{1,5})", s) for s in text.lower().split(",")]
        found = [tuple(map(int, match.groups())) for match in sizes if match]
        if len(found) != 3 or len(sizes) != 3:
            raise InputError(
                f"--trt-profile {text!r} is not MIN,OPT,MAX, each NxHxW, like {DEFAULT_PROFILE}"
            )
        for batch, height, width in found:
            if not 0 < batch <= _MAX_BATCH:
                raise InputError(f"--trt-profile {text!r}: batches must lie in 1..{_MAX_BATCH}")
            if not 0 < min(height, width) <= max(height, width) <= _MAX_SIDE:
                raise InputError(f"--trt-profile {text!r}: sides must lie in 1..{_MAX_SIDE}")
        low, opt, high = found
        if any(not a <= b <= c for a, b, c in zip(low, opt, high, strict=True)):
            raise InputError(
                f"--trt-profile {text!r}: N, H and W must not fall from MIN to OPT to MAX"
            )
        return cls(min=low, opt=opt, max=high)  # type: ignore[arg-type]

    @property
    def text(self) -> str:
        """The text for :meth:`from_text`."""
        return ",".join("x".join(map(str, size)) for size in (self.min, self.opt, self.max))

    def clip(self, size: Size) -> Size:
        """Clip a size to the profile."""
        bounds = zip(size, self.min, self.max, strict=True)
        n, h, w = (min(max(value, low), high) for value, low, high in bounds)
        return n, h, w
