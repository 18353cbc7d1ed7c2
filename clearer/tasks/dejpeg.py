"""JPEG compression artefacts."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from clearer.errors import InputError
from clearer.tasks.base import Span, Task, option

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from clearer.tasks.base import Picture
    from clearer.tasks.draws import Draws

__all__ = ["DeJpeg"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DeJpeg(Task):
    """JPEG as of libjpeg at a quality, or at whole qualities drawn from a range; colour as 4:2:0.

    Raises:
        InputError: If the quality is out of range.
    """

    name: ClassVar[str] = "dejpeg"
    summary: ClassVar[str] = "blocks and ringing of JPEG compression"

    quality: Span = option(
        Span(10, 60), Span.parse, "JPEG quality, or a range from which one is drawn per picture."
    )

    def __post_init__(self) -> None:
        if not (self.quality.low >= 1 and self.quality.high <= 95):
            raise InputError(f"--quality must lie in 1..95; got {self.quality}")

    @property
    def protocol(self) -> str:
        """``jpeg``: compressed by libjpeg, read back as 8 bits."""
        return "jpeg"

    @property
    def text(self) -> str:
        """For people, with the protocol."""
        return f"dejpeg, quality {self.quality}, protocol {self.protocol}"

    @property
    def label(self) -> str:
        """For names of folders, such as ``dejpeg-q10-60``."""
        return f"{self.name}-q{self.quality.label}"

    def degrade(self, clean: Tensor, draws: Draws) -> Tensor:
        """Compress and decode with torch operations that give what libjpeg-turbo gives."""
        from clearer.tasks.draws import per_picture
        from clearer.tasks.jpeg import compress

        quality = per_picture(self.quality.draw(draws), clean)
        return compress(clean, quality.flatten().round())

    def degrade_picture(self, clean: Picture, rng: np.random.Generator) -> Picture:
        """Compress and decode with libjpeg: figures are measured with this."""
        import numpy as np
        from PIL import Image

        from clearer.tasks.draws import PictureDraws

        quality = round(float(self.quality.draw(PictureDraws(rng))))
        pixels = np.rint(clean * 255).clip(0, 255).astype(np.uint8)
        packed = io.BytesIO()
        image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        image.save(packed, "JPEG", quality=quality)
        decoded = np.asarray(Image.open(packed), dtype=np.float32)
        return decoded.reshape(clean.shape) / np.float32(255)
