from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import skimage.color
from numpy.typing import NDArray
from PIL import Image

from clearer.bench.evaluation import (
    EvaluationSettings,
    bootstrap_interval,
    evaluate_model,
    evaluation_images,
    find_evaluated,
)
from clearer.bench.evaluation_record import EvaluationReport
from clearer.bench.restorers import LoadedModel
from clearer.bench.runners import RunnerInfo
from clearer.errors import InputError
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, evaluation_pairs
from clearer.support.files import read_json
from clearer.tasks.denoise import Denoise
from clearer.tasks.registry import make_task

Array = NDArray[np.float32]
MakeImages = Callable[..., Path]


class Blur:
    """Mean with the pixel to the left: its result depends on how a picture is turned."""

    info = RunnerInfo(name="blur", backend="numpy", version="1", precision="fp32", threads=1)

    def __call__(self, degraded: Array) -> Array:
        return np.float32(0.5) * (degraded + np.roll(degraded, 1, axis=3))


BLUR = LoadedModel("blur", Blur(), channels=1, architecture=None)


def run(folder: Path, out: Path, **changes: bool) -> EvaluationReport:
    task = Denoise()
    images, name = evaluation_images(folder, task, "gray")
    settings = EvaluationSettings(**changes)
    return evaluate_model(BLUR, task, images, name, settings, out, lambda done, total: None)


def test_the_mean_is_that_of_the_library(make_images: MakeImages, tmp_path: Path) -> None:
    folder = make_images("set", 3, size=(64, 130))
    report = run(folder, tmp_path / "out")
    images, _ = evaluation_images(folder, Denoise(), "gray")
    quality = evaluate(Blur(), images, Denoise(), VALIDATION_SEED)
    assert report["mean"]["psnr_db"] == pytest.approx(quality.psnr_db)
    assert report["mean"]["ssim"] == pytest.approx(quality.ssim)
    written = read_json(tmp_path / "out" / "blur-set-awgn-sigma25.json")
    assert [row["image"] for row in written["rows"]] == [f"picture{i}.png" for i in range(3)]
    assert written["protocol"] == "awgn"


def test_patches_are_restored_alone(make_images: MakeImages, tmp_path: Path) -> None:
    """A network that looks left wraps around within each patch, not across the picture."""
    folder = make_images("set", 1, size=(64, 130))
    report = run(folder, tmp_path, patches=True)
    images, _ = evaluation_images(folder, Denoise(), "gray")
    ((degraded, clean),) = evaluation_pairs(images, Denoise(), VALIDATION_SEED)
    errors = []
    for x in (0, 64):
        restored = Blur()(degraded[..., x : x + 64]).clip(0, 1)
        errors.append(float(np.square(restored - clean[..., x : x + 64]).mean()))
    expected = np.mean([-10 * np.log10(error) for error in errors])
    assert report["mean"]["psnr_db"] == pytest.approx(expected, abs=1e-4)


def test_pictures_are_written(make_images: MakeImages, tmp_path: Path) -> None:
    run(make_images("set", 2), tmp_path / "out", save_images=True)
    folder = tmp_path / "out" / "blur-set-awgn-sigma25"
    assert sorted(p.name for p in folder.iterdir()) == ["crops.png", "picture0.png", "picture1.png"]
    with Image.open(folder / "crops.png") as picture:
        assert min(picture.size) > 300


def test_the_interval_covers_the_mean_of_normal_values_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(200):
        low, high = bootstrap_interval(rng.normal(30, 2, size=40))
        hits += low <= 30 <= high
    assert 180 <= hits <= 198


def test_the_protocol_of_the_paper_evaluates_multiples_of_64(make_images: MakeImages) -> None:
    task = make_task("denoise", {"protocol": "paper"})
    images, _ = evaluation_images(make_images("set", 1, size=(130, 200)), task, "gray")
    ((degraded, clean),) = evaluation_pairs(images, task, 0)
    assert degraded.shape == clean.shape == (1, 1, 128, 192)


def test_a_picture_too_small_for_the_protocol_is_named(
    make_images: MakeImages, tmp_path: Path
) -> None:
    task = make_task("denoise", {"protocol": "paper"})
    images, name = evaluation_images(make_images("set", 1), task, "gray")
    with pytest.raises(InputError, match="picture0.png is 40x48.*64x64 are needed"):
        evaluate_model(BLUR, task, images, name, EvaluationSettings(), tmp_path, lambda *_: None)


def test_classical_methods_are_not_for_rain() -> None:
    with pytest.raises(InputError, match="not for task derain"):
        find_evaluated("nlm", "rgb").runner_for(make_task("derain", {}))


def test_bm3d_beats_its_input(make_images: MakeImages, tmp_path: Path) -> None:
    pytest.importorskip("bm3d", reason='not installed: pip install "clearer[bm3d]"')
    ramp = np.linspace(0, 255, 64, dtype=np.uint8)
    folder = tmp_path / "ramp"
    folder.mkdir()
    Image.fromarray(np.tile(ramp, (64, 1))).save(folder / "ramp.png")
    images, name = evaluation_images(folder, Denoise(), "gray")
    report = evaluate_model(
        find_evaluated("bm3d", "gray"),
        Denoise(),
        images,
        name,
        EvaluationSettings(),
        tmp_path,
        lambda *_: None,
    )
    assert report["mean"]["psnr_db"] > report["mean"]["input_psnr_db"] + 8


def evaluate_rgb(
    make_images: MakeImages, out: Path, task: str, **changes: bool
) -> tuple[EvaluationReport, np.ndarray, np.ndarray]:
    """A report on one RGB pair or picture, and the pair itself, in 8 bits."""
    what = make_task(task, {})
    folder = make_images(task, 1, size=(32, 64), mode="RGB")
    images, name = evaluation_images(folder, what, "rgb")
    settings = EvaluationSettings(**changes)
    model = LoadedModel("nothing", Nothing(), channels=3, architecture=None)
    report = evaluate_model(model, what, images, name, settings, out, lambda *_: None)
    return report, images.images[0], images.degraded[0] if images.degraded else images.images[0]


class Nothing(Blur):
    def __call__(self, degraded: np.ndarray) -> np.ndarray:
        return degraded


def test_rain_is_measured_in_rgb_and_in_luma(make_images: MakeImages, tmp_path: Path) -> None:
    """The luma is that of scikit-image, with 255 levels as the range."""
    report, clean, rainy = evaluate_rgb(make_images, tmp_path, "derain")
    assert report["channels"] == ["rgb", "y"]
    lumas = [skimage.color.rgb2ycbcr(picture)[..., 0] for picture in (clean, rainy)]
    expected = 10 * np.log10(255**2 / np.mean((lumas[0] - lumas[1]) ** 2))
    assert report["mean"]["y_psnr_db"] == pytest.approx(expected, abs=1e-4)
    error = np.mean((clean.astype(float) - rainy) ** 2)
    assert report["mean"]["psnr_db"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-4)
    written = read_json(Path(report["file"]))
    assert {"y_psnr_db", "y_ssim", "y_input_psnr_db", "y_input_ssim"} <= set(written["rows"][0])


def test_luma_where_it_is_wanted(make_images: MakeImages, tmp_path: Path) -> None:
    assert "y_psnr_db" not in evaluate_rgb(make_images, tmp_path, "denoise")[0]["mean"]
    report, *_ = evaluate_rgb(make_images, tmp_path, "denoise", with_luma=True)
    # The luma weights say what share of the white noise of three channels it has.
    share = np.sqrt(np.sum(np.square([65.481, 128.553, 24.966]))) / 255
    gain = -20 * np.log10(share)
    assert report["mean"]["y_input_psnr_db"] - report["mean"]["input_psnr_db"] == pytest.approx(
        gain, abs=0.3
    )
    with pytest.raises(InputError, match="--channel y is the luma of RGB"):
        run(make_images("gray", 1), tmp_path, with_luma=True)


def test_a_full_disk_leaves_the_figures(
    make_images: MakeImages, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*words: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("clearer.bench.evaluation.plot_example", full)
    with pytest.raises(OSError, match="No space left"):
        run(make_images("set", 2), tmp_path / "out", save_images=True)
    assert read_json(tmp_path / "out" / "blur-set-awgn-sigma25.json")["num_images"] == 2
