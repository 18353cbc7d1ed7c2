"""Random cameras: from an sRGB picture back to what a sensor saw, and forth again.

After Brooks et al., "Unprocessing Images for Learned Raw Denoising", CVPR 2019, section 3: colour
matrices and white-balance gains are theirs. The tone curve is drawn from a family with four
parameters, which contains curves close to sRGB's and to theirs.
"""

from __future__ import annotations

import math
from functools import cache
from typing import Final, NamedTuple

import torch
from torch import Tensor

from clearer.tasks.draws import Draws, per_picture

__all__ = ["Camera", "Curve", "draw_camera"]

# XYZ to the raw colours of four cameras, and linear sRGB to XYZ (Brooks et al., section 3.2).
_XYZ_TO_CAMERA: Final = (
    ((1.0234, -0.2969, -0.2266), (-0.5625, 1.6328, -0.0469), (-0.0703, 0.2188, 0.6406)),
    ((0.4913, -0.0541, -0.0202), (-0.6130, 1.3513, 0.2906), (-0.1564, 0.2151, 0.7183)),
    ((0.8380, -0.2630, -0.0639), (-0.2887, 1.0725, 0.2496), (-0.0627, 0.1427, 0.5438)),
    ((0.6596, -0.2079, -0.0562), (-0.4782, 1.3016, 0.1933), (-0.0970, 0.1581, 0.5181)),
)
_RGB_TO_XYZ: Final = (
    (0.4124564, 0.3575761, 0.1804375),
    (0.2126729, 0.7151522, 0.0721750),
    (0.0193339, 0.1191920, 0.9503041),
)
_RED_GAIN: Final = (1.9, 2.4)
_BLUE_GAIN: Final = (1.5, 1.9)
_EXPOSURE: Final = (1.0, 1.5)  # theirs is 1 / N(0.8, 0.1)
_TOE: Final = (0.002, 0.02)  # the slope at black is 13 to 5; that of sRGB is 12.9
_GAMMA: Final = (1.8, 2.6)
_CONTRAST: Final = (1.1, 2.1)  # theirs, the smoothstep, has the slope 1.5 in the middle
_SHIFT: Final = (-0.1, 0.9)
_NEARLY_WHITE: Final = 1e-6


class Curve(NamedTuple):
    """A tone curve per picture: a power law with a linear toe, then an S. Each ``(N, 1, 1, 1)``.

    With x linear light, t the toe, g gamma, c contrast and s the shift::

        y = ((x + t)**(1 / g) - t**(1 / g)) / ((1 + t)**(1 / g) - t**(1 / g))
        z = sigmoid(c * logit(y) + s)
    """

    toe: Tensor
    gamma: Tensor
    contrast: Tensor
    shift: Tensor

    def apply(self, linear: Tensor) -> Tensor:
        """Linear light to sRGB, both in [0, 1]; values outside are clipped first."""
        low, span = self._toe_power()
        power = (linear.clamp(0, 1) + self.toe) ** (1 / self.gamma)
        middle = torch.logit((power - low) / span, eps=_NEARLY_WHITE)
        return torch.sigmoid(middle * self.contrast + self.shift)

    def invert(self, picture: Tensor) -> Tensor:
        """SRGB to linear light, both in [0, 1]."""
        low, span = self._toe_power()
        middle = torch.logit(picture, eps=_NEARLY_WHITE)
        power = torch.sigmoid((middle - self.shift) / self.contrast) * span + low
        return (power**self.gamma - self.toe).clamp(0, 1)

    def _toe_power(self) -> tuple[Tensor, Tensor]:
        low = self.toe ** (1 / self.gamma)
        return low, (1 + self.toe) ** (1 / self.gamma) - low


class Camera(NamedTuple):
    """A camera for each picture."""

    curve: Curve
    from_rgb: Tensor
    """From linear sRGB to the sensor's colours after white balance, ``(N, 3, 3)``; each row's
    sum is 1, so that white stays white."""
    gains: Tensor
    """Gains of white balance and exposure on the sensor's colours, ``(N, 3)``."""

    def to_sensor(self, linear: Tensor) -> Tensor:
        """Linear sRGB, ``(N, 3, H, W)``, to what the sensor sees, in [0, 1]: 1 is saturated."""
        matrix = self.from_rgb / self.gains[:, :, None]
        return torch.matmul(matrix, linear.flatten(2)).view_as(linear).clamp(0, 1)

    @property
    def to_rgb(self) -> Tensor:
        """The inverse of ``from_rgb``, without LAPACK's check, which would wait for the device."""
        first, second, third = self.from_rgb.unbind(1)
        columns = (
            torch.linalg.cross(second, third),
            torch.linalg.cross(third, first),
            torch.linalg.cross(first, second),
        )
        volume = (first * columns[0]).sum(1)[:, None, None]
        return torch.stack(columns, 2).div_(volume)


def draw_camera(draws: Draws, like: Tensor) -> Camera:
    """A camera for each picture of a batch.

    Args:
        draws: Where the numbers come from.
        like: The batch, ``(N, C, H, W)``.
    """

    def drawn(low: float, high: float) -> Tensor:
        return per_picture(draws.uniform(low, high), like)

    cameras, rgb_to_xyz = _matrices(like.device)
    shares = torch.cat([drawn(0, 1) for _ in _XYZ_TO_CAMERA], dim=1)[:, :, 0]
    mixed = (shares[..., None] * cameras).sum(1) / shares.sum(1, keepdim=True)
    from_rgb = (mixed[:, :, :, None] * rgb_to_xyz).sum(2)
    exposure, red, blue = drawn(*_EXPOSURE), drawn(*_RED_GAIN), drawn(*_BLUE_GAIN)
    return Camera(
        Curve(
            toe=drawn(math.log(_TOE[0]), math.log(_TOE[1])).exp(),
            gamma=drawn(*_GAMMA),
            contrast=drawn(*_CONTRAST),
            shift=drawn(*_SHIFT),
        ),
        from_rgb=from_rgb / from_rgb.sum(2, keepdim=True),
        gains=torch.cat([exposure * red, exposure, exposure * blue], dim=1).flatten(1),
    )


@cache
def _matrices(device: torch.device) -> tuple[Tensor, Tensor]:
    """The colour matrices, copied to the device once."""
    cameras = torch.tensor(_XYZ_TO_CAMERA, device=device)
    return cameras, torch.tensor(_RGB_TO_XYZ, device=device)
