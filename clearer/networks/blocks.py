"""The modules around the operations: Gou et al., "CLEARER", NeurIPS 2020, section 3.1 and figure 1.

Features are lists of tensors, one per scale, finest first: scale s has shape
``(N, space.scale_width(s), H / 2**s, W / 2**s)``. No module writes to a tensor that it was given.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from clearer.networks.level_map import LEVEL_GAIN
from clearer.operations.fusion import FUSION
from clearer.operations.layers import Chain, conv_norm
from clearer.operations.operation import Operation
from clearer.operations.registry import OPERATIONS
from clearer.space.space import SearchSpace

__all__ = [
    "ColumnModule",
    "InputStage",
    "OutputStage",
    "TransitionModule",
    "grow",
    "make_transitions",
    "pad_to_multiple",
    "remove",
]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut, expanding ``width`` four times.

    The shortcut is the identity where the shapes allow it, else a 1x1 convolution.
    """

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        outputs = 4 * width
        self.body = Chain(
            *conv_norm(inputs, width, 1, relu=True),
            *conv_norm(width, width, 3, relu=True),
            *conv_norm(width, outputs, 1),
        )
        self.shortcut = nn.Identity() if inputs == outputs else conv_norm(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``(N, inputs, H, W)`` to ``(N, 4 * width, H, W)``."""
        return F.relu_(self.body(x) + self.shortcut(x))


class ColumnModule(nn.Module):
    """A column: each of its scales holds the layers of some operations.

    Layers are named by part, then by scale: ``blocks.0`` is that of :class:`Parallel` on the finest
    scale. What an operation computes with them is in its file of :mod:`clearer.operations`.

    Args:
        space: Gives the widths.
        num_scales: Scales of the input.
        scales: The scales of each operation, by its name.
    """

    def __init__(
        self, space: SearchSpace, num_scales: int, scales: Mapping[str, Iterable[int]]
    ) -> None:
        super().__init__()
        for name, used in scales.items():
            places = [space.place(num_scales, scale) for scale in used]
            found = OPERATIONS[name]
            for part in found.parts:
                layers = {str(place.scale): found.layer(part, place) for place in places}
                self.add_module(part, nn.ModuleDict(layers))

    def compute(self, found: Operation, scale: int, features: Sequence[Tensor]) -> Tensor:
        """Compute an operation on one scale, from the features of all scales."""
        layers = {part: getattr(self, part)[str(scale)] for part in found.parts}
        return found.forward(layers, features, scale)


class TransitionModule(nn.Module):
    """Adds one scale below the coarsest; passes the others on.

    The first transition also narrows the ``4 * width`` channels of the bottlenecks to ``width``.
    """

    def __init__(self, space: SearchSpace, num_scales: int) -> None:
        super().__init__()
        inputs = space.stem_width if num_scales == 1 else space.scale_width(num_scales - 1)
        narrows = inputs != space.scale_width(num_scales - 1)
        self.narrow = conv_norm(inputs, space.width, 3, relu=True) if narrows else None
        lowest = space.scale_width(num_scales)
        self.down = conv_norm(inputs, lowest, 3, stride=2, relu=True)

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        """Map features of ``num_scales`` scales to those of one scale more."""
        lowest = self.down(features[-1])
        kept = features if self.narrow is None else [self.narrow(features[0])]
        return [*kept, lowest]


def make_transitions(space: SearchSpace) -> nn.ModuleList:
    """The transitions of a space: one for each scale that is added to the first."""
    return nn.ModuleList(
        TransitionModule(space, num_scales) for num_scales in range(1, space.num_scales)
    )


def grow(
    space: SearchSpace, transitions: nn.ModuleList, cell: int, x: list[Tensor]
) -> list[Tensor]:
    """Apply the transition before a cell, if it has one: what the cell reads."""
    index = cell + space.first_scales - 2
    return x if index < 0 else transitions[index](x)


class InputStage(nn.Module):
    """Space-to-depth (where ``unshuffle`` is 2), then two bottlenecks or a 3x3 convolution.

    Maps an image ``(N, input_planes, H, W)`` to ``(N, stem_width, H / unshuffle, W /
    unshuffle)``. The noise level stays one plane, subsampled.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.space = space
        self.unshuffle = (
            nn.PixelUnshuffle(space.unshuffle) if space.unshuffle > 1 else nn.Identity()
        )
        inputs, width = space.first_planes, space.width
        self.blocks = (
            nn.Sequential(Bottleneck(inputs, width), Bottleneck(4 * width, width))
            if space.stem == "bottlenecks"
            else conv_norm(inputs, width, 3, relu=True)
        )

    def forward(self, image: Tensor) -> Tensor:
        """Return the features before the first transition."""
        unshuffle, channels = self.space.unshuffle, self.space.channels
        planes = self.unshuffle(image[:, :channels])
        if self.space.level_map:
            planes = torch.cat([planes, image[:, channels:, ::unshuffle, ::unshuffle]], dim=1)
        features: Tensor = self.blocks(planes)
        return features


class OutputStage(nn.Module):
    """Fusion into the finest scale, 1x1 convolution and, if ``unshuffle`` is 2, depth-to-space.

    Maps the features of all scales to an image ``(N, channels, H, W)``.
    """

    def __init__(self, space: SearchSpace) -> None:
        super().__init__()
        self.fusion = ColumnModule(space, space.num_scales, {FUSION.name: [0]})
        self.head = nn.Conv2d(space.width, space.channels * space.unshuffle**2, 1, bias=False)
        self.shuffle = nn.PixelShuffle(space.unshuffle) if space.unshuffle > 1 else nn.Identity()
        if space.residual:
            # An untrained network then returns its input: training starts from 'remove nothing'.
            nn.init.zeros_(self.head.weight)

    def forward(self, features: list[Tensor]) -> Tensor:
        """Return the image, or what to remove from it."""
        image: Tensor = self.shuffle(self.head(self.fusion.compute(FUSION, 0, features)))
        return image


def remove(space: SearchSpace, image: Tensor, predicted: Tensor) -> Tensor:
    """Subtract the prediction of a residual network from the image.

    With a level map it may predict the noise in units of the level, so that no part of it has to
    learn how much there is to remove: preconditioning as in Karras et al., "Elucidating the Design
    Space of Diffusion-Based Generative Models", NeurIPS 2022. At level 0 the image is then returned
    unchanged.

    Args:
        space: The space of the network.
        image: Its input, ``(N, input_planes, H, W)``.
        predicted: Its prediction, ``(N, channels, H, W)``.
    """
    channels = space.channels
    if space.level_map and space.level_units:
        predicted = predicted * (image[:, channels:] * LEVEL_GAIN)
    return image[:, :channels] - predicted


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Reflect padding at the bottom and on the right, up to multiples of ``multiple``.

    Reflected noise still looks like noise; replicated, it becomes streaks that no network removes.
    Where an image is too small to reflect, its first row or column is repeated. The form of the
    expressions matters: TensorRT cannot build ``(-h) % multiple``, nor two paddings in a row, and
    OpenVINO 2026.4 computes absolute values of integers wrongly where sizes are fixed.
    """
    for axis in (2, 3):
        last = image.shape[axis] - 1
        padded = (last + multiple) // multiple * multiple
        places = torch.arange(padded, device=image.device)
        reflected = torch.minimum(places, 2 * last - places).clamp_min(0)
        image = image.index_select(axis, reflected)
    if torch.compiler.is_exporting():  # files have no memory format; asking fixes the batch
        return image
    # Indexing loses the memory format in which convolutions are fastest.
    return image.clone(memory_format=torch.channels_last)
