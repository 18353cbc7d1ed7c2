"""The figures of a card: PSNR and SSIM on test sets, and on photographs that every machine has."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
from PIL import Image

from clearer.bench.accuracy import Accuracy, input_accuracy, measure_accuracy
from clearer.bench.evaluation import evaluation_images, luma_figures
from clearer.bench.level_runner import at_level
from clearer.bench.runners import Runner
from clearer.data.datasets import DATA_SETS, find_data_set
from clearer.data.pairs import PictureFile, list_pictures, read_pictures
from clearer.data.splits import load_validation
from clearer.errors import InputError
from clearer.pictures.images import Color, ImageSet
from clearer.restoring.evaluate import VALIDATION_SEED, evaluation_pairs
from clearer.restoring.metrics import psnr_b_db, ssim
from clearer.support.device import device_name
from clearer.tasks.base import Span, Task
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.paired import Derain, Paired
from clearer.tasks.photo import Photo
from clearer.zoo.card import UNCHANGED_DB

SIGMAS: Final = (15, 25, 50)
SETS: Final[dict[Color, tuple[str, str]]] = {
    "gray": ("bsd68", "set12"),
    "rgb": ("cbsd68", "kodak24"),
}
QUALITIES: Final = (10, 20, 30, 40)
"""JPEG qualities, as in deblocking tables."""
RAIN: Final = "rain800"
MAX_MEGAPIXELS: Final = 2.0
"""Largest picture of a pair: two test pairs of Rain800 have 3.8 and 8.6, the others 0.3 or less."""
PHOTOS, CLEAN = "polyu", "kodak24"
NUM_TUNED: Final = 50
"""Pairs of PolyU, the first by name, that may be used for tuning and so give no figures."""
PROBE_SIDE, PROBE_SIGMA = 128, 25


def check_task(task: Task, color: Color) -> None:
    """Refuse a task that there are no figures for.

    Raises:
        InputError: If a task is neither white Gaussian noise nor, in RGB, rain, photographs or
            JPEG.
    """
    if isinstance(task, Photo | DeJpeg) and color == "rgb":
        return
    if isinstance(task, Derain) and color == "rgb" and task.layout == "clean-left":
        return
    if not isinstance(task, Denoise) or task.noise != "gaussian" or task.protocol != "awgn":
        raise InputError(
            "figures are measured for white Gaussian noise, protocol awgn, and in RGB for "
            "photographs, for JPEG and for rain, pairs as in Rain800, alone"
        )


def measure_figures(runner: Runner, color: Color, task: Task, *, has_level: bool) -> dict[str, Any]:
    """PSNR and SSIM, beside those of the input: at the usual levels in its range, or on pairs.

    Args:
        runner: The network.
        color: Color of its pictures.
        task: The task that it was trained for.
        has_level: Whether it is given the noise level.
    """
    info = runner.info
    if isinstance(task, Denoise):
        measured = _noise(runner, color, task, has_level)
    elif isinstance(task, DeJpeg):
        measured = _jpeg(runner, task)
    else:
        measured = _photos(runner) if isinstance(task, Photo) else _rain(runner, task)
    return {
        "measured": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "device": device_name("cpu"),
        "backend": info.backend,
        "version": info.version,
        "precision": info.precision,
        "protocol": task.protocol,
        **measured,
    }


def _noise(runner: Runner, color: Color, task: Denoise, has_level: bool) -> dict[str, Any]:
    levels = [s for s in SIGMAS if task.sigma.low <= s <= task.sigma.high]
    if not levels:
        usual = ", ".join(str(sigma) for sigma in SIGMAS)
        raise InputError(f"sigma {task.sigma} holds none of the usual levels: {usual}")
    rows = []
    for name in SETS[color]:
        images = test_pictures(name, color)
        for sigma in levels:
            print(f"{name}, sigma {sigma}: {len(images)} pictures", file=sys.stderr, flush=True)
            level = Denoise(sigma=Span(sigma, sigma))
            told = at_level(runner, sigma, has_level=has_level)
            found = measure_accuracy(told, images, level)
            rows.append(_row(name, images, level, sigma, found))
    return {"noise_seed": VALIDATION_SEED, "rows": rows}


def _jpeg(runner: Runner, task: DeJpeg) -> dict[str, Any]:
    """Figures of pictures saved by libjpeg; gray ones as three equal channels."""
    qualities = [q for q in QUALITIES if task.quality.low <= q <= task.quality.high]
    if not qualities:
        usual = ", ".join(str(quality) for quality in QUALITIES)
        raise InputError(f"quality {task.quality} holds none of the usual ones: {usual}")
    gray = test_pictures("set12", "gray")
    as_rgb = ImageSet(gray.names, tuple(image.repeat(3, axis=2) for image in gray.images))
    rows = []
    for name, images in (("kodak24", test_pictures("kodak24", "rgb")), ("set12", as_rgb)):
        for quality in qualities:
            print(f"{name}, quality {quality}", file=sys.stderr, flush=True)
            level = DeJpeg(quality=Span(quality, quality))
            every = range(len(images))
            found = measure_accuracy(runner, images, level, keep=every)
            pairs = list(evaluation_pairs(images, level, VALIDATION_SEED))
            rows.append(
                {
                    **_row(name, images, level, None, found),
                    "quality": quality,
                    "input_psnr_b_db": fmean(psnr_b_db(jpeg[0], clean[0]) for jpeg, clean in pairs),
                    "psnr_b_db": fmean(
                        psnr_b_db(found.restored[index], pairs[index][1][0]) for index in every
                    ),
                }
            )
    return {"rows": rows}


def _photos(runner: Runner) -> dict[str, Any]:
    """Real photographs against the mean of many shots; clean pictures against themselves."""
    task = Paired()
    files = list_pictures(_folder(PHOTOS), task)[NUM_TUNED:]
    print(f"{PHOTOS}: {len(files)} pairs; {CLEAN}", file=sys.stderr, flush=True)
    images = read_pictures(files, "rgb")
    found = measure_accuracy(runner, images, task)
    given = [ssim(noisy[0], mean[0]) for noisy, mean in evaluation_pairs(images, task, 0)]
    return {
        "protocol": task.protocol,
        "num_tuned": NUM_TUNED,
        "num_ssim_lost": int((found.ssim < given).sum()),
        "clean": _clean(runner, task),
        "rows": [_row(PHOTOS, images, task, None, found)],
    }


def _clean(runner: Runner, task: Task) -> dict[str, Any]:
    """Figures of clean pictures against what the network makes of them."""
    clean = test_pictures(CLEAN, "rgb")
    kept = measure_accuracy(runner, ImageSet(clean.names, clean.images, clean.images), task)
    kept_db = np.minimum(kept.psnr_db, UNCHANGED_DB)
    return {
        "data": CLEAN,
        "num_images": len(clean),
        "psnr_db": float(kept_db.mean()),
        "least_psnr_db": float(kept_db.min()),
        "ssim": float(kept.ssim.mean()),
    }


def _folder(name: str) -> Path:
    """The folder of a set.

    Raises:
        InputError: If it is not here.
    """
    folder = find_data_set(name)
    if folder is None:
        raise InputError(f"the set {name} is not here: clearer data get {name}, or give --data")
    return folder


def _rain(runner: Runner, task: Task) -> dict[str, Any]:
    files = list_pictures(_folder(RAIN) / "test", task)
    kept = [file for file in files if _megapixels(file) <= MAX_MEGAPIXELS]
    print(f"{RAIN}: {len(kept)} pairs; {CLEAN}", file=sys.stderr, flush=True)
    images = read_pictures(kept, "rgb")
    found = measure_accuracy(runner, images, task, keep=range(len(images)))
    return {
        "max_megapixels": MAX_MEGAPIXELS,
        "left_out": [f"test/{file.name}" for file in files if file not in kept],
        "clean": _clean(runner, task),
        "rows": [{**_row(RAIN, images, task, None, found), **_luma(found, images, task)}],
    }


def _luma(found: Accuracy, images: ImageSet, task: Task) -> dict[str, float]:
    """Means over pictures, for luma alone."""
    figures = [
        luma_figures(found.restored[index], rainy[0], clean[0])
        for index, (rainy, clean) in enumerate(evaluation_pairs(images, task, VALIDATION_SEED))
    ]
    return {key: fmean(one[key] for one in figures) for key in figures[0]}


def _megapixels(file: PictureFile) -> float:
    """Megapixels of one picture of a pair in one file."""
    with Image.open(file.clean) as both:
        return both.width * both.height / 2e6


def _row(
    name: str, images: ImageSet, task: Task, sigma: int | None, accuracy: Accuracy
) -> dict[str, Any]:
    given, found = input_accuracy(images, task), accuracy.to_dict()
    return {
        "data": name,
        "num_images": len(images),
        "sigma_255": sigma,
        "input_psnr_db": given["psnr_db"],
        "input_ssim": given["ssim"],
        **{key: found[key] for key in ("psnr_db", "ssim", "psnr_db_interval_95")},
    }


def test_pictures(name: str, color: Color) -> ImageSet:
    """A set of clean pictures by name; CBSD68 lies in BSDS500 too.

    Raises:
        InputError: If it is not here.
    """
    folder = find_data_set(name)
    if folder is not None:
        return evaluation_images(folder, Denoise(), color)[0]
    whole = _folder("bsds500" if name == "cbsd68" else name)
    paths = sorted(DATA_SETS[name].hashes())
    return read_pictures([PictureFile(Path(p).name, whole / p) for p in paths], color)


def measure_probes(runner: Runner, color: Color, task: Task, *, has_level: bool) -> dict[str, Any]:
    """PSNR on centre crops of photographs of scikit-image, which any machine can check.

    Not every machine has pictures with rain or camera noise: for those tasks, it is how little a
    clean picture changes.
    """
    images, _ = load_validation(None, color, 0, Denoise())
    crops, boxes = [], []
    for image in images.images:
        top, left = (max(0, (side - PROBE_SIDE) // 2) for side in image.shape[:2])
        boxes.append([top, left, PROBE_SIDE, PROBE_SIDE])
        crops.append(image[top : top + PROBE_SIDE, left : left + PROBE_SIDE])
    sigma = None
    middles = ImageSet(images.names, tuple(crops), tuple(crops))
    if isinstance(task, Denoise):
        sigma = min(max(PROBE_SIGMA, task.sigma.low), task.sigma.high)
        task = Denoise(sigma=Span(sigma, sigma))
        middles = ImageSet(images.names, tuple(crops))
        runner = at_level(runner, sigma, has_level=has_level)
    found = measure_accuracy(runner, middles, task)
    return {
        "sigma_255": sigma,
        "noise_seed": None if sigma is None else VALIDATION_SEED,
        "rows": [
            {
                "image": name,
                "box": box,
                "psnr_db": min(float(psnr), UNCHANGED_DB),
                "ssim": float(ssim),
            }
            for name, box, psnr, ssim in zip(
                found.names, boxes, found.psnr_db, found.ssim, strict=True
            )
        ],
    }
