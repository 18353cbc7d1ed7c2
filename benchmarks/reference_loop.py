"""The paper's loops in plain PyTorch, to compare ours with.

fp32, contiguous tensors, both candidates of every column in every step, every map of a fusion
up-sampled separately, the gradients of all weights computed in the architecture step too, and
patches cut, flipped and rotated one by one with Pillow.
"""

from __future__ import annotations

import random
from types import MethodType

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn

from clearer.networks.blocks import ColumnModule
from clearer.networks.network import RestorationNet
from clearer.networks.supernet import SuperNet
from clearer.operations.fusion import FUSION
from clearer.operations.operation import Operation
from clearer.pictures.images import ImageSet
from clearer.space.space import Architecture, SearchSpace
from clearer.training.losses import architecture_loss
from clearer.training.schedule import set_learning_rate

__all__ = ["ReferenceSearch", "ReferenceTraining"]


def _plain_compute(
    column: ColumnModule, found: Operation, target: int, features: list[Tensor]
) -> Tensor:
    """The output of the operation; a fusion is computed map by map."""
    if found.name != FUSION.name:
        layers = {part: getattr(column, part)[str(target)] for part in found.parts}
        return found.forward(layers, features, target)
    total = features[target]
    for descent, x in zip(
        column.get_submodule(f"down.{target}").children(), features, strict=False
    ):
        total = total + descent(x)
    ascents = column.get_submodule(f"up.{target}").children()
    for octave, (ascent, x) in enumerate(
        zip(ascents, features[target + 1 :], strict=True), start=1
    ):
        total = total + F.interpolate(ascent(x), scale_factor=2.0**octave, mode="nearest")
    return F.relu(total)


def _make_plain(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, ColumnModule):
            module.compute = MethodType(_plain_compute, module)  # type: ignore[method-assign]


class _Loader:
    """Makes patches with Pillow, one after the other, with Gaussian noise."""

    def __init__(self, images: ImageSet, patch_size: int, batch_size: int, sigma: float) -> None:
        self._pictures = [Image.fromarray(image[:, :, 0]) for image in images.images]
        self._patch_size, self._batch_size, self._sigma = patch_size, batch_size, sigma

    def batch(self) -> tuple[Tensor, Tensor]:
        patches = []
        for _ in range(self._batch_size):
            picture = random.choice(self._pictures)
            left = random.randint(0, picture.width - self._patch_size)
            top = random.randint(0, picture.height - self._patch_size)
            patch = picture.crop((left, top, left + self._patch_size, top + self._patch_size))
            if random.random() < 0.5:
                patch = patch.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
            patch = patch.rotate(90 * random.randrange(4))
            patches.append(torch.from_numpy(np.array(patch, np.float32) / 255)[None])
        clean = torch.stack(patches)
        return clean + torch.randn_like(clean) * self._sigma / 255, clean


class ReferenceSearch:
    """A step is :meth:`weights`, and after the warm-up also :meth:`architecture`."""

    def __init__(
        self, space: SearchSpace, images: ImageSet, patch_size: int, batch_size: int, sigma: float
    ) -> None:
        self._supernet = SuperNet(space).train()
        _make_plain(self._supernet)
        self._parameters = list(self._supernet.weight_parameters())
        self._optimizer = torch.optim.Adam(self._parameters, lr=3e-3)
        self._alpha_optimizer = torch.optim.Adam([self._supernet.alpha], lr=5e-3)
        self._loader = _Loader(images, patch_size, batch_size, sigma)

    def _loss(self) -> Tensor:
        degraded, clean = self._loader.batch()
        return F.mse_loss(self._supernet(degraded, self._supernet.op_weights()), clean)

    def weights(self) -> None:
        """Update the weights with one batch."""
        self._optimizer.zero_grad()
        loss = self._loss()
        loss.backward()
        nn.utils.clip_grad_norm_(self._parameters, 5.0)
        self._optimizer.step()
        loss.item()

    def architecture(self) -> None:
        """Update the architecture parameters with one batch."""
        self._alpha_optimizer.zero_grad()
        loss = self._loss() + 0.01 * architecture_loss(self._supernet.alpha)
        loss.backward()
        self._alpha_optimizer.step()
        loss.item()

    def both(self) -> None:
        """One iteration after the warm-up."""
        self.weights()
        self.architecture()


class ReferenceTraining:
    """Training of a frozen network."""

    def __init__(
        self,
        architecture: Architecture,
        images: ImageSet,
        patch_size: int,
        batch_size: int,
        sigma: float,
    ) -> None:
        self.network = RestorationNet(architecture).train()
        _make_plain(self.network)
        self._optimizer = torch.optim.Adam(self.network.parameters(), lr=3e-3)
        self._loader = _Loader(images, patch_size, batch_size, sigma)

    def set_rate(self, learning_rate: float) -> None:
        """Use this learning rate from the next step on."""
        set_learning_rate(self._optimizer, learning_rate)

    def step(self) -> None:
        """Update the weights with one batch."""
        degraded, clean = self._loader.batch()
        self._optimizer.zero_grad()
        loss = F.mse_loss(self.network(degraded), clean)
        loss.backward()
        self._optimizer.step()
        loss.item()
