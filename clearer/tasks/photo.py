"""Photographs as cameras and programs leave them: sensor noise, then JPEG."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Final

from clearer.errors import InputError
from clearer.tasks.base import Span, Task, option, to_batch, to_picture

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from clearer.tasks.base import Picture
    from clearer.tasks.draws import Draws

__all__ = ["Photo"]

_CLEAN_SHARE: Final = 0.2
_NEAR_SHARE: Final = 0.7
_BLUR: Final = (0.4, 3.0)  # pixels, standard deviation of a Gaussian
_CONTRAST: Final = (0.4, 1.0)
_SATURATION: Final = (0.15, 1.0)
_GRAY_SHARE: Final = 0.15


@dataclass(frozen=True, kw_only=True, slots=True)
class Photo(Task):
    """The noise and JPEG artefacts of photographs from phones and larger cameras.

    Most pictures are first changed to what a camera sees at its own resolution: softened as by a
    lens (:mod:`clearer.tasks.lens`), with less contrast and colour, and many with a fine texture
    (:mod:`clearer.tasks.scene`). That is the target of the network. A camera is drawn for each
    (:mod:`clearer.tasks.camera`), and its noise is made on the sensor and carried into the picture
    (:mod:`clearer.tasks.sensor_noise`). Then the picture is saved: as JPEG, as JPEG twice, or
    uncompressed with 8 bits (:mod:`clearer.tasks.saving`). One training patch in five stays clean,
    so that a network leaves clean pictures alone; evaluation always has noise. A gray picture, of
    one channel or three equal ones, is the luma of such a photograph; one training patch in seven
    becomes gray.

    Raises:
        InputError: If the noise is out of range.
    """

    name: ClassVar[str] = "photo"
    summary: ClassVar[str] = "photographs: camera noise and JPEG"
    is_noise: ClassVar[bool] = True

    shot: Span = option(
        Span(0.0001, 0.015),
        Span.parse,
        "Shot noise of the sensor in full scale per photoelectron, or a log-uniform range: "
        "0.0003:0.001 is a large camera at ISO 1600 to 6400, 0.01 a phone at night.",
    )

    def __post_init__(self) -> None:
        if not (self.shot.low > 0 and self.shot.high <= 1):
            raise InputError(f"--shot must lie in 0..1, above 0; got {self.shot}")

    @property
    def protocol(self) -> str:
        """``photo``: saved with 8 bits, most as JPEG."""
        return "photo"

    @property
    def text(self) -> str:
        """For people, with the protocol."""
        return f"photo, shot {self.shot}, protocol {self.protocol}"

    def target(self, clean: Tensor, draws: Draws) -> Tensor:
        """Most pictures as a camera sees them at its own resolution, and some of them gray."""
        import torch

        from clearer.tasks.draws import chance
        from clearer.tasks.sensor_noise import luma

        seen = self._seen(clean, draws)
        if clean.shape[1] == 1:
            return seen
        return torch.where(chance(draws, _GRAY_SHARE, clean), luma(seen).expand_as(seen), seen)

    def target_picture(self, clean: Picture, rng: np.random.Generator) -> Picture:
        """The same for one picture, which keeps its colours."""
        from clearer.tasks.draws import PictureDraws

        return to_picture(self._seen(to_batch(clean), PictureDraws(rng)))

    def _seen(self, clean: Tensor, draws: Draws) -> Tensor:
        import torch

        from clearer.tasks.draws import chance, per_picture
        from clearer.tasks.lens import soften
        from clearer.tasks.scene import fade, weave

        is_near = chance(draws, _NEAR_SHARE, clean)
        blur, contrast, saturation = (
            per_picture(draws.uniform(*span), clean) for span in (_BLUR, _CONTRAST, _SATURATION)
        )
        near = soften(fade(clean, contrast, saturation), blur, most=_BLUR[1])
        return weave(torch.where(is_near, near, clean), draws)

    def degrade(self, clean: Tensor, draws: Draws) -> Tensor:
        """Photograph pictures and save them; one in five stays clean."""
        import torch

        from clearer.tasks.draws import chance

        is_clean = chance(draws, _CLEAN_SHARE, clean)
        return torch.where(is_clean, clean, self._photograph(clean, draws))

    def degrade_picture(self, clean: Picture, rng: np.random.Generator) -> Picture:
        """Photograph and save one picture: never without noise."""
        from clearer.tasks.draws import PictureDraws

        return to_picture(self._photograph(to_batch(clean), PictureDraws(rng)))

    def _photograph(self, clean: Tensor, draws: Draws) -> Tensor:
        import torch

        from clearer.tasks.saving import save
        from clearer.tasks.sensor_noise import luma, photograph

        saved = save(photograph(clean.expand(-1, 3, -1, -1), self.shot, draws), draws)
        if clean.shape[1] == 1:
            return luma(saved)
        is_gray = (clean == clean[:, :1]).all(dim=(1, 2, 3), keepdim=True)
        return torch.where(is_gray, luma(saved).expand_as(saved), saved)
