"""Whether an exported file restores what the torch network restores."""

from __future__ import annotations

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
    """How far a file may be from torch in fp32."""

    max_abs: float | None
    """Largest difference of a value, on the scale 0 to 1; None: no limit. Files that give 8 bits
    may differ by one level more, where both sides of a half are rounded apart."""
    psnr_drop_db: float
    """Loss of PSNR on the validation pictures."""


LIMITS: Final[Mapping[Kind, Limit]] = {
    # Sums in another order differ by about 1e-6, and a wrong pad, crop or weight by more than 1e-2.
    # Tables show two digits of PSNR: none may change.
    "fp32": Limit(max_abs=1e-4, psnr_drop_db=0.001),
    # Halves have 11 bits: a feature is off by 5e-4 of itself. On trained networks single pixels
    # differed by 0.001 to 0.007, and by 0.08 in a picture that the network itself gets wrong by
    # large features; PSNR by 0.003 dB, and by 0.008 there. An overflow gives more, or no number.
    "fp16": Limit(max_abs=0.1, psnr_drop_db=0.02),
    # A weight is off by up to a 2048th of itself: up to 2.7e-4 in the output of a trained network.
    "fp32, fp16 weights": Limit(max_abs=0.01, psnr_drop_db=0.01),
    # With 8 bits per feature, single pixels may be far off where a feature leaves its range, so
    # the mean decides. A tenth of a decibel is what the next better network of a search gains.
    "int8": Limit(max_abs=None, psnr_drop_db=0.1),
}
_SHAPES: Final[tuple[Shape, ...]] = ((1, 17, 19), (1, 61, 77), (1, 321, 481), (3, 61, 77))
"""Smaller than the padding multiple allows, odd, usual, a batch."""
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
    """What is wrong, in a line; None where all limits hold."""

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
        network: In evaluation mode, on the CPU.
        images: At least one.
        task: What degrades them; the noise is that of every validation.
        source: What the pictures are, for reports.
        sigma: The level that the files have for all pictures, of a network with a level map.
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
        """Whether the files take the level of the noise."""
        if sigma is not None:
            self._restore = at_level(self._restore, sigma / 255)
        self._images = images
        self._task = task
        self._psnrs: dict[tuple[Io, Shape | None], float] = {}

    def __len__(self) -> int:
        return len(self._images)

    def pairs(self, shape: Shape | None) -> Iterator[tuple[Planes, Planes]]:
        """(degraded, clean) batches: the pictures as they are, or brought to a shape."""
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
        if group:  # the last batch is filled up with what it holds
            yield _stack([group[index % len(group)] for index in range(batch)])

    def inputs(self, shape: Shape | None) -> Iterator[Planes]:
        """Degraded pictures: whole, pieces of odd sizes, a batch; or of the one shape given."""
        for wanted in (None, *_SHAPES) if shape is None else (shape,):
            yield next(self.pairs(wanted))[0]

    def restore(self, given: NDArray[Any], io: Io) -> NDArray[Any]:
        """What a faithful file gives."""
        if io == "tensor":
            return self._restore(given)
        planes = given.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)
        return to_pixels(self._restore(planes))

    def psnr_db(self, io: Io, shape: Shape | None) -> float:
        """Of torch itself, on what a file of this kind is given."""
        if (io, shape) not in self._psnrs:
            self._psnrs[io, shape] = self.mean_psnr_db(io, shape, lambda x: self.restore(x, io))
        return self._psnrs[io, shape]

    def mean_psnr_db(self, io: Io, shape: Shape | None, restore: Restore) -> float:
        """Mean over the validation pictures, clipped to [0, 1]."""
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
    """What a file is given: the degraded picture, or its 8 bits."""
    return degraded if io == "tensor" else to_pixels(degraded)


def to_planes(restored: NDArray[Any], io: Io) -> Planes:
    """What a file gives, as ``(N, C, H, W)`` on the scale 0 to 1."""
    if io == "tensor":
        return restored
    return restored.transpose(0, 3, 1, 2).astype(np.float32) / np.float32(255)


def make_reference(
    network: RestorationNet, settings: RunSettings, sigma: float | None = None
) -> Reference:
    """The validation pictures of a run; built-in ones, where its folder is no longer there.

    Args:
        network: Of the run.
        settings: Likewise.
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
    except Exception as error:  # each runtime has types of its own
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
    # Written so that what is not a number fails.
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
    """The middle of a picture; what is missing is reflect padding."""
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
