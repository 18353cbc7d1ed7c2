"""Checks that an exported file restores as the torch network does."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from clearer.data.splits import load_validation
from clearer.errors import ClearerError
from clearer.export.artefact import Artefact, Kind, Restore, Shape
from clearer.export.export_record import CheckRecord, DifferenceRecord
from clearer.export.metadata import Io
from clearer.export.pictures import available_pictures
from clearer.networks.level_map import at_level
from clearer.networks.network import RestorationNet
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import (
    VALIDATION_SEED,
    check_evaluation_size,
    evaluation_pairs,
    torch_restorer,
)
from clearer.restoring.metrics import psnr_db
from clearer.runs.settings import RunSettings
from clearer.tasks.base import Task

__all__ = [
    "LIMITS",
    "Check",
    "Limit",
    "Reference",
    "check_artefact",
    "make_reference",
    "to_pixels",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Limit:
    """Largest difference of a file from torch in fp32."""

    max_abs: float | None
    """Largest difference of a value, on the scale 0 to 1; None: no limit. Files with 8-bit output
    may differ by one more level, where rounding goes different ways."""
    psnr_drop_db: float
    """Largest loss of PSNR on the validation pictures."""


LIMITS: Final[Mapping[Kind, Limit]] = {
    # Sums in another order differ by about 1e-6; a wrong pad, crop or weight by more than 1e-2.
    # Tables show two decimals of PSNR, which must not change.
    "fp32": Limit(max_abs=1e-4, psnr_drop_db=0.001),
    # fp16 has 11 bits: features have a relative error of 5e-4. On trained networks single pixels
    # differed by 0.001 to 0.007, and by 0.08 in a picture in which the network itself fails with
    # large features; PSNR by 0.003 dB, and by 0.008 there. An overflow gives more, or NaN.
    "fp16": Limit(max_abs=0.1, psnr_drop_db=0.02),
    # Weights have relative errors of up to 1/2048: up to 2.7e-4 in a trained network's output.
    "fp32, fp16 weights": Limit(max_abs=0.01, psnr_drop_db=0.01),
    # With 8 bits per feature, single pixels may be far off where a feature leaves its range, so
    # the mean decides. The next better network of a search gains about 0.1 dB.
    "int8": Limit(max_abs=None, psnr_drop_db=0.1),
}
_SHAPES: Final[tuple[Shape, ...]] = ((1, 17, 19), (1, 61, 77), (1, 321, 481), (3, 61, 77))
"""Small, odd, usual, a batch; all but the third with sides that need padding."""
Planes = NDArray[np.float32]
"""``(C, H, W)``, or ``(N, C, H, W)``."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """How an artefact compares with torch."""

    rows: tuple[DifferenceRecord, ...]
    """Per input: ``shape`` (N, C, H, W), ``max_abs`` and ``mean_abs`` difference."""
    psnr_torch_db: float
    psnr_file_db: float
    num_images: int
    limit: Limit
    failure: str | None
    """What is wrong, in one line; None if all limits hold."""

    def to_dict(self) -> CheckRecord:
        """Plain data for ``export.json``."""
        return {
            "passed": self.failure is None,
            "failure": self.failure,
            "limit_max_abs": self.limit.max_abs,
            "limit_psnr_drop_db": self.limit.psnr_drop_db,
            "inputs": list(self.rows),
            "max_abs": max(row["max_abs"] for row in self.rows),
            "mean_abs": float(np.mean([row["mean_abs"] for row in self.rows])),
            "psnr_torch_db": self.psnr_torch_db,
            "psnr_file_db": self.psnr_file_db,
            "psnr_change_db": self.psnr_file_db - self.psnr_torch_db,
            "num_images": self.num_images,
        }


class Reference:
    """The torch network in fp32, and the pictures that files are compared on.

    Args:
        network: The network in evaluation mode, on the CPU.
        images: Pictures, at least one.
        task: What degrades them; the noise is that of every validation.
        source: Name of the pictures, for reports.
        sigma: Level that is fixed in the files of a network with a level map, scale 0 to 255.
    """

    def __init__(
        self,
        network: RestorationNet,
        images: ImageSet,
        task: Task,
        source: str,
        sigma: float | None = None,
    ) -> None:
        self.source = source
        self._restore = torch_restorer(network)
        self.takes_level = network.architecture.space.level_map and sigma is None
        """Whether the files take the noise level."""
        if sigma is not None:
            self._restore = at_level(self._restore, sigma / 255)
        self._images = images
        self._task = task
        self._psnrs: dict[tuple[Io, Shape | None], float] = {}

    def __len__(self) -> int:
        return len(self._images)

    def of_middles(self, side: int) -> Reference:
        """The same network on centre crops of the pictures, with sides of at most ``side``."""
        twin = copy.copy(self)
        twin._images, twin._psnrs = self._images.middles(side), {}
        return twin

    def pairs(self, shape: Shape | None) -> Iterator[tuple[Planes, Planes]]:
        """(degraded, clean) batches: the pictures as they are, or cropped and padded to a shape."""
        pairs = evaluation_pairs(
            self._images, self._task, VALIDATION_SEED, level_map=self.takes_level
        )
        if shape is None:
            yield from pairs
            return
        batch, height, width = shape
        group: list[tuple[Planes, Planes]] = []
        for degraded, clean in pairs:
            fitted = tuple(_fit(picture[0], height, width) for picture in (degraded, clean))
            group.append((fitted[0], fitted[1]))
            if len(group) == batch:
                yield _stack(group)
                group = []
        if group:  # fill the last batch by repeating its pictures
            yield _stack([group[index % len(group)] for index in range(batch)])

    def inputs(self, shape: Shape | None) -> Iterator[Planes]:
        """Degraded pictures: whole, crops of odd sizes, a batch; or of the given shape."""
        for wanted in (None, *_SHAPES) if shape is None else (shape,):
            yield next(self.pairs(wanted))[0]

    def restore(self, given: NDArray[Any], io: Io) -> NDArray[Any]:
        """What a correct file would give."""
        if io == "tensor":
            return self._restore(given)
        planes = given.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return to_pixels(self._restore(planes))

    def psnr_db(self, io: Io, shape: Shape | None) -> float:
        """PSNR of torch itself in dB, on the inputs of such a file."""
        if (io, shape) not in self._psnrs:
            self._psnrs[io, shape] = self.mean_psnr_db(io, shape, lambda x: self.restore(x, io))
        return self._psnrs[io, shape]

    def mean_psnr_db(self, io: Io, shape: Shape | None, restore: Restore) -> float:
        """Mean PSNR in dB over the validation pictures, clipped to [0, 1]."""
        figures = []
        for degraded, clean in self.pairs(shape):
            restored = to_planes(restore(to_input(degraded, io)), io).clip(0, 1)
            figures += [psnr_db(*pair) for pair in zip(restored, clean, strict=True)]
        return math.fsum(figures) / len(figures)


def to_pixels(planes: Planes) -> NDArray[np.uint8]:
    """``(N, C, H, W)`` in [0, 1] to 8 bits, ``(N, H, W, C)``: clipped, rounded half to even."""
    levels = np.rint(planes.clip(0, 1) * np.float32(255)).astype(np.uint8)
    return np.ascontiguousarray(levels.transpose(0, 2, 3, 1))


def to_input(degraded: Planes, io: Io) -> NDArray[Any]:
    """The input of a file: the degraded picture, or the same in 8 bits."""
    return degraded if io == "tensor" else to_pixels(degraded)


def to_planes(restored: NDArray[Any], io: Io) -> Planes:
    """The output of a file, as ``(N, C, H, W)`` on the scale 0 to 1."""
    if io == "tensor":
        return restored
    return restored.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


def make_reference(
    network: RestorationNet, settings: RunSettings, sigma: float | None = None
) -> Reference:
    """Reference on the validation pictures of a run, or built-in ones if its folder is gone.

    Args:
        network: The network of the run.
        settings: Settings of the run.
        sigma: As for :class:`Reference`.

    Raises:
        InputError: If a picture cannot be used.
    """
    folder, task = available_pictures(settings)
    images, source = load_validation(folder, settings.color, settings.seed, task)
    check_evaluation_size(images, task)
    if folder == settings.data:
        return Reference(network, images, task, f"{source}, validation", sigma)
    gone = f"{source}, {task.text} (the run's own are not at {settings.data})"
    return Reference(network, images, task, gone, sigma)


def check_artefact(artefact: Artefact, reference: Reference) -> Check:
    """Run an artefact and torch on the same pictures, and compare.

    Raises:
        ClearerError: If the runtime is missing, or cannot run the file at all.
    """
    io, shape, limit = artefact.io, artefact.shape, LIMITS[artefact.precision]
    rows = []
    try:
        restore = artefact.load(artefact.files)
        for degraded in reference.inputs(shape):
            given = to_input(degraded, io)
            rows.append(_compare(restore(given), reference.restore(given, io), io))
        psnr_file_db = reference.mean_psnr_db(io, shape, restore)
    except ClearerError:
        raise
    except Exception as error:  # each runtime has its own types
        reason = (str(error).splitlines() or [""])[0]
        raise ClearerError(
            f"{artefact.name} cannot be run: {reason}; it was not written"
        ) from error
    psnr_torch_db = reference.psnr_db(io, shape)
    return Check(
        rows=tuple(rows),
        psnr_torch_db=psnr_torch_db,
        psnr_file_db=psnr_file_db,
        num_images=len(reference),
        limit=limit,
        failure=_failure(rows, psnr_torch_db - psnr_file_db, limit, io),
    )


def _compare(restored: NDArray[Any], expected: NDArray[Any], io: Io) -> DifferenceRecord:
    if restored.shape != expected.shape or restored.dtype != expected.dtype:
        raise ClearerError(
            f"the file gives {restored.dtype} of shape {restored.shape}, torch {expected.dtype} "
            f"of {expected.shape}: it was not written"
        )
    difference = np.abs(to_planes(restored, io) - to_planes(expected, io))
    return {
        "shape": list(difference.shape),
        "max_abs": float(difference.max()),
        "mean_abs": float(difference.mean()),
    }


def _failure(rows: list[DifferenceRecord], drop_db: float, limit: Limit, io: Io) -> str | None:
    # Written so that NaN fails.
    if not all(math.isfinite(row["mean_abs"]) for row in rows):
        return "it gives values that are not finite"
    if limit.max_abs is not None:
        allowed = limit.max_abs + (1 / 255 if io == "image" else 0)
        worst = max(rows, key=lambda row: row["max_abs"])
        if not worst["max_abs"] <= allowed + 1e-7:
            shape = "x".join(map(str, worst["shape"]))
            return f"it differs from torch by {worst['max_abs']:.2e} at {shape}, over {allowed:.2e}"
    if not drop_db <= limit.psnr_drop_db:
        return f"it loses {drop_db:.3f} dB of PSNR against torch, over {limit.psnr_drop_db:g} dB"
    return None


def _fit(picture: Planes, height: int, width: int) -> Planes:
    """The middle of a picture; symmetric padding fills it up."""
    pads = [(0, 0)] + [
        (0, max(0, wanted - side))
        for wanted, side in zip((height, width), picture.shape[1:], strict=True)
    ]
    padded = np.pad(picture, pads, mode="symmetric") if np.any(pads) else picture
    top, left = (padded.shape[1] - height) // 2, (padded.shape[2] - width) // 2
    return padded[:, top : top + height, left : left + width]


def _stack(group: list[tuple[Planes, Planes]]) -> tuple[Planes, Planes]:
    degraded, clean = (
        np.ascontiguousarray(np.stack(planes)) for planes in zip(*group, strict=True)
    )
    return degraded, clean
