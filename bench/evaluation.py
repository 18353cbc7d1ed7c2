"""PSNR and SSIM of one model, picture by picture, with the confidence interval of the mean."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, cast

import numpy as np
from numpy.typing import NDArray

from clearer import __version__
from clearer.bench.evaluation_record import (
    EvaluationAbout,
    EvaluationRecord,
    EvaluationReport,
    FiguresRecord,
    PictureRecord,
)
from clearer.bench.plots import Example, plot_crops, plot_example, require_matplotlib
from clearer.bench.restorers import LoadedModel, find_restorer
from clearer.bench.runners import Bm3dRunner, NonLocalMeansRunner, Runner
from clearer.data.pairs import holds_pictures, list_pictures, read_pictures
from clearer.errors import InputError
from clearer.pictures.images import Color, ImageSet
from clearer.restoring.evaluate import (
    VALIDATION_SEED,
    check_evaluation_size,
    evaluation_pairs,
)
from clearer.restoring.metrics import luma_y, psnr_db, ssim
from clearer.restoring.self_ensemble import self_ensemble
from clearer.support.device import device_name
from clearer.support.files import as_path, check_writable, write_json
from clearer.tasks.base import Task
from clearer.tasks.paired import Derain
from clearer.tasks.registry import task_to_dict

__all__ = [
    "CLASSICAL",
    "PATCH",
    "Classical",
    "Evaluated",
    "EvaluationSettings",
    "bootstrap_interval",
    "evaluate_model",
    "evaluation_images",
    "find_evaluated",
    "luma_figures",
]

CLASSICAL: Final = ("nlm", "bm3d")
"""Classical methods known by name."""
PATCH: Final = 64
"""Side of the patches of ``--patches``, as in the paper's tables."""
_SCHEMA_VERSION: Final = 1
_RESAMPLINGS: Final = 10_000
_NUM_CROPS: Final = 4
Array = NDArray[np.float32]
Listener = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True, slots=True)
class EvaluationSettings:
    """How a model is evaluated."""

    self_ensemble: bool = False
    """Average over the eight flips and rotations of the input."""
    patches: bool = False
    """Restore and measure patches of 64x64 separately."""
    save_images: bool = False
    with_luma: bool = False
    """Also figures of the luma; for rain they are always included."""


@dataclass(frozen=True, slots=True)
class Classical:
    """A method without a network, one of :data:`CLASSICAL`."""

    label: str
    color: Color
    """The pictures that it is to restore: it takes both kinds."""
    task: ClassVar[Task | None] = None
    notes: ClassVar[tuple[str, ...]] = ()

    def runner_for(self, task: Task) -> Runner:
        """A runner for the noise of a task.

        Raises:
            InputError: If the task is not noise.
            ClearerError: If a package is missing.
        """
        if not task.is_noise:
            raise InputError(
                f"classical methods here remove noise: they are not for task {task.name}"
            )
        return (NonLocalMeansRunner if self.label == "nlm" else Bm3dRunner)(task.sigma_255)


Evaluated = LoadedModel | Classical
"""What can be evaluated."""


def find_evaluated(text: str | None, color: Color) -> Evaluated:
    """Load a model, or choose a classical method.

    Args:
        text: As for :func:`clearer.bench.restorers.find_restorer`, ``nlm`` or ``bm3d``.
        color: For classical methods, which take both.

    Raises:
        InputError: If there is no such model, or it cannot be loaded.
    """
    return Classical(text, color) if text in CLASSICAL else find_restorer(as_path(text), None)


def evaluation_images(folder: Path, task: Task, color: Color) -> tuple[ImageSet, str]:
    """The pictures of ``test/``, else ``val/``, else of the folder itself, and their name.

    Subfolders of ``test/`` belong to it; those of the folder itself if it holds no pictures.

    Raises:
        InputError: If the folder or a picture cannot be used.
    """
    found = [split for split in ("test", "val") if (folder / split).is_dir()]
    part, name = (
        (folder / found[0], f"{folder.name}, {found[0]}") if found else (folder, folder.name)
    )
    # Training pictures are in subfolders, too, and must not be tested on.
    is_plain = not found and not (folder / "train").is_dir() and folder.is_dir()
    nested = found[:1] == ["test"] or (is_plain and not holds_pictures(folder, task))
    return read_pictures(list_pictures(part, task, nested=nested), color), name


def bootstrap_interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """95 % interval of the mean, by bootstrap over pictures."""
    rng = np.random.default_rng(0)
    means = values[rng.integers(len(values), size=(_RESAMPLINGS, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def evaluate_model(
    model: Evaluated,
    task: Task,
    images: ImageSet,
    data_name: str,
    settings: EvaluationSettings,
    out: Path,
    listener: Listener,
) -> EvaluationReport:
    """Restore every picture, and write the report and, if asked for, pictures.

    Args:
        model: The model or method.
        task: What degrades; the noise of a picture is the same for every model.
        images: Pictures, or pairs.
        data_name: Name of the data, for the report.
        settings: How to evaluate.
        out: Folder for the report, named after model, data, protocol and level, and for pictures.
        listener: Called with (done, total).

    Returns:
        The content of the report, and where it was written.

    Raises:
        InputError: If a picture is too small, the model gives wrong sizes or values that are not
            finite, or luma is asked for with gray pictures.
        ClearerError: If a package is missing.
    """
    if settings.with_luma and model.color != "rgb":
        raise InputError("--channel y is the luma of RGB pictures, and this model is for gray ones")
    check_evaluation_size(images, task)
    if settings.save_images:
        require_matplotlib()
    check_writable(out)
    runner = model.runner_for(task)
    restore = self_ensemble(runner, upright=task.is_upright) if settings.self_ensemble else runner
    stem = out / _file_stem(model, task, data_name, settings)
    with_luma = settings.with_luma or (isinstance(task, Derain) and model.color == "rgb")
    rows: list[PictureRecord] = []
    kept: list[NDArray[np.float16]] = []
    for index, (degraded, clean) in enumerate(evaluation_pairs(images, task, VALIDATION_SEED)):
        listener(index, len(images))
        name = images.names[index]
        pieces = list(_patches(degraded, clean)) if settings.patches else [(degraded, clean)]
        if not pieces:
            raise InputError(f"{name} is smaller than a patch of {PATCH}x{PATCH}: remove it")
        restored = [restore(piece).clip(0, 1) for piece, _ in pieces]
        if not all(np.isfinite(array).all() for array in restored):
            raise InputError(f"{model.label} gives NaN or infinite values for {name}")
        rows.append({"image": name, **_figures(pieces, restored, with_luma=with_luma)})
        if settings.save_images and not settings.patches:
            kept.append(restored[0][0].astype(np.float16))
    listener(len(images), len(images))
    report: EvaluationRecord = {
        **_about(model, runner, task, data_name, settings),
        "channels": ["rgb" if model.color == "rgb" else "gray", *(["y"] if with_luma else [])],
        "num_images": len(images),
        "mean": _mean(rows),
        "psnr_db_interval_95": bootstrap_interval(np.array([row["psnr_db"] for row in rows])),
        "rows": rows,
    }
    file = stem.parent / f"{stem.name}.json"
    write_json(file, report)  # before the pictures, for which the disk may be too small
    if kept:
        _write_pictures(stem, images, task, kept, f"{model.label}; {task.text}; {data_name}")
    return {**report, "file": str(file)}


def _write_pictures(
    folder: Path, images: ImageSet, task: Task, restored: list[NDArray[np.float16]], title: str
) -> None:
    """Degraded, restored and clean of each picture, and crops of the last ones."""
    labels = [Path(name).stem for name in images.names]
    examples: list[Example] = []
    for index, (degraded, clean) in enumerate(evaluation_pairs(images, task, VALIDATION_SEED)):
        name = images.names[index]
        example = Example(name, degraded[0], restored[index].astype(np.float32), clean[0])
        is_alone = labels.count(labels[index]) == 1  # 1.png and 1.bmp are two pictures
        label = labels[index] if is_alone else name.replace("/", "-")
        plot_example(folder / f"{label}.png", example, task.text)
        examples = [*examples, example][-_NUM_CROPS:]
    plot_crops(folder / "crops.png", examples, title)


def _file_stem(model: Evaluated, task: Task, data_name: str, settings: EvaluationSettings) -> str:
    mode = ("-x8" if settings.self_ensemble else "") + ("-patches" if settings.patches else "")
    words = [
        model.label.replace(",", "").replace(" ", "-"),
        data_name.replace(", ", "-"),
        task.protocol,
    ]
    # Results at one level are kept when another is measured.
    options = task_to_dict(task)
    if options.get("noise") == "gaussian":
        del options["shot"]
    words += [f"{name}{options[name]}" for name in _LEVELS if name in options]
    return ("-".join(words) + mode).replace("/", "-").replace(":", "-")


def _about(
    model: Evaluated, runner: Runner, task: Task, data_name: str, settings: EvaluationSettings
) -> EvaluationAbout:
    """The conditions under which the figures of a report were measured."""
    return {
        "schema_version": _SCHEMA_VERSION,
        "clearer": __version__,
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": device_name("cpu"),
        "model": {**runner.info.to_dict(), "name": model.label},
        "task": task_to_dict(task),
        "protocol": task.protocol,
        "data": data_name,
        "color": model.color,
        "notes": list(model.notes),
        "noise_seed": VALIDATION_SEED,
        "self_ensemble": settings.self_ensemble,
        "patches": settings.patches,
        "save_images": settings.save_images,
        "with_luma": settings.with_luma,
    }


_LEVELS: Final = ("sigma", "shot", "quality")
"""Options of tasks that say how strong the degradation is."""


def _patches(degraded: Array, clean: Array) -> Iterator[tuple[Array, Array]]:
    """All whole patches on a grid from the top left."""
    height, width = clean.shape[2:]
    for y in range(0, height - PATCH + 1, PATCH):
        for x in range(0, width - PATCH + 1, PATCH):
            window = (slice(None), slice(None), slice(y, y + PATCH), slice(x, x + PATCH))
            yield np.ascontiguousarray(degraded[window]), np.ascontiguousarray(clean[window])


def _figures(
    pieces: list[tuple[Array, Array]], restored: list[Array], *, with_luma: bool
) -> FiguresRecord:
    """Means over the patches of one picture, for all channels and, if wanted, the luma."""
    figures: list[dict[str, float]] = [
        {
            **_pair_figures(r[0], d[0], c[0]),
            **(luma_figures(r[0], d[0], c[0]) if with_luma else {}),
        }
        for (d, c), r in zip(pieces, restored, strict=True)
    ]
    return _mean(figures)


def _mean(rows: Sequence[Mapping[str, Any]]) -> FiguresRecord:
    """Means of the figures of pictures, or of pieces of one."""
    names = [name for name in rows[0] if name != "image"]
    return cast(FiguresRecord, {n: float(np.mean([row[n] for row in rows])) for n in names})


def _pair_figures(restored: Array, degraded: Array, clean: Array) -> dict[str, float]:
    return {
        "psnr_db": psnr_db(restored, clean),
        "ssim": ssim(restored, clean),
        "input_psnr_db": psnr_db(degraded, clean),
        "input_ssim": ssim(degraded, clean),
    }


def luma_figures(restored: Array, degraded: Array, clean: Array) -> dict[str, float]:
    """PSNR and SSIM of the luma of RGB pictures ``(3, H, W)``; the names begin with ``y_``."""
    lumas = (luma_y(array) for array in (restored, degraded, clean))
    return {f"y_{key}": value for key, value in _pair_figures(*lumas).items()}
