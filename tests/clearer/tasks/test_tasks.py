from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from clearer.errors import InputError
from clearer.tasks import registry
from clearer.tasks.base import Span, Task, option
from clearer.tasks.denoise import Denoise
from clearer.tasks.draws import BatchDraws, Draws, PictureDraws
from clearer.tasks.registry import TASKS, make_task, task_to_dict
from clearer.terminal.task_options import with_task_options

GRAY = np.random.default_rng(0).random((96, 128, 1), dtype=np.float32)
RGB = np.random.default_rng(1).random((64, 72, 3), dtype=np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def test_noise_has_its_level_and_is_neither_clipped_nor_biased() -> None:
    clean = np.ones((256, 256, 1), np.float32)
    noise = make_task("denoise", {"sigma": "50"}).degrade_picture(clean, rng()) - clean
    assert noise.std() == pytest.approx(50 / 255, rel=0.01)
    assert abs(noise.mean()) < 0.003
    assert noise.max() > 0.5
    assert (clean == 1).all()


def test_a_blind_network_sees_all_levels_of_the_range() -> None:
    task = make_task("denoise", {"sigma": "5:50"})
    levels = [255 * float((task.degrade_picture(GRAY, rng(i)) - GRAY).std()) for i in range(200)]
    assert 5 < min(levels) < 8
    assert 47 < max(levels) < 52
    assert np.mean(levels) == pytest.approx(27.5, abs=2.5)
    assert task.sigma_255 is None


def test_the_protocol_of_the_paper_clips_and_truncates_to_8_bits() -> None:
    exact = make_task("denoise", {"sigma": "50"}).degrade_picture(GRAY, rng())
    task = make_task("denoise", {"sigma": "50", "protocol": "paper"})
    stored = task.degrade_picture(GRAY, rng()) * 255
    np.testing.assert_allclose(stored, np.floor(np.clip(exact * 255, 0, 255)), atol=1e-4)
    assert task.crop_multiple == 64


@pytest.mark.parametrize("brightness", [0.1, 0.9])
def test_camera_noise_grows_with_brightness(brightness: float) -> None:
    task = make_task("denoise", {"noise": "poisson-gaussian", "sigma": "5", "shot": "0.02"})
    clean = np.full((256, 256, 1), brightness, np.float32)
    noise = task.degrade_picture(clean, rng()) - clean
    assert noise.var() == pytest.approx(0.02 * brightness + (5 / 255) ** 2, rel=0.03)
    assert abs(noise.mean()) < 0.003


def test_jpeg_of_low_quality_is_worse_and_any_shape_is_kept() -> None:
    for clean in (GRAY, RGB):
        errors = []
        for quality in ("10", "90"):
            degraded = make_task("dejpeg", {"quality": quality}).degrade_picture(clean, rng())
            assert degraded.shape == clean.shape
            assert degraded.dtype == np.float32
            errors.append(float(np.square(degraded - clean).mean()))
        assert errors[0] > 1.5 * errors[1] > 0


def test_the_noise_of_figures_is_made_by_numpy_row_by_row() -> None:
    """So that today's figures can be compared with those of years ago."""
    blind = make_task("denoise", {"sigma": "5:50"}).degrade_picture(RGB, rng(3))
    source = rng(3)
    sigma = np.float32(source.uniform(5, 50) / 255)
    expected = source.standard_normal(RGB.shape, dtype=np.float32) * sigma + RGB
    np.testing.assert_array_equal(blind, expected)
    camera = make_task("denoise", {"noise": "poisson-gaussian", "sigma": "3", "shot": "0.02"})
    source = rng(4)
    electrons = (source.poisson(RGB / 0.02) * 0.02).astype(np.float32)
    noise = source.standard_normal(RGB.shape, dtype=np.float32) * np.float32(3 / 255)
    np.testing.assert_array_equal(camera.degrade_picture(RGB, rng(4)), noise + electrons)


@pytest.mark.parametrize(
    "options",
    [
        {"sigma": "5:50"},
        {"sigma": "30", "protocol": "paper"},
        {"noise": "poisson-gaussian", "sigma": "2:6", "shot": "0.005:0.05"},
    ],
)
def test_a_batch_has_the_noise_of_pictures(options: dict[str, str]) -> None:
    """Mean and deviation over many pictures, each with its own level."""
    task = make_task("denoise", options)
    clean = torch.full((1000, 3, 16, 16), 0.6)
    generator = torch.Generator().manual_seed(0)
    noise = task.degrade(clean, BatchDraws(generator, len(clean))) - clean
    picture = np.full((16, 16, 3), 0.6, np.float32)
    one_by_one = np.stack([task.degrade_picture(picture, rng(i)) - picture for i in range(1000)])
    levels, expected = noise.std((1, 2, 3)).numpy(), one_by_one.std((1, 2, 3))
    assert levels.mean() == pytest.approx(expected.mean(), rel=0.06)
    assert levels.min() == pytest.approx(expected.min(), rel=0.2)
    assert levels.max() == pytest.approx(expected.max(), rel=0.1)
    assert noise.mean().item() == pytest.approx(one_by_one.mean(), abs=2e-3)
    assert noise.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_the_same_after_json(name: str) -> None:
    task = make_task(name, {})
    data = task_to_dict(task)
    assert make_task(data.pop("name"), data) == task


@given(st.floats(0.1, 255), st.floats(0.1, 255))
def test_a_span_is_read_as_it_is_written(a: float, b: float) -> None:
    low, high = sorted((float(f"{a:g}"), float(f"{b:g}")))
    span = Span(low, high)
    assert Span.parse(str(span)) == span
    assert low <= span.draw(PictureDraws(rng())) <= high


@pytest.mark.parametrize("text", ["", "5:", ":5", "50:5", "nan", "1:inf", "a", "1:2:3"])
def test_what_is_no_span_is_named(text: str) -> None:
    with pytest.raises(ValueError, match="is neither a finite number nor a range"):
        Span.parse(text)


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("denoise", {"sigma": "0"}, "sigma must lie in"),
        ("denoise", {"sigma": "256"}, "sigma must lie in"),
        ("denoise", {"sigma": "nan"}, "--sigma nan"),
        ("denoise", {"sigma": "50:5"}, "--sigma 50:5"),
        ("denoise", {"sigma": "much"}, "--sigma much"),
        ("denoise", {"noise": "pink"}, "--noise pink: use one of gaussian"),
        ("denoise", {"noise": "poisson-gaussian", "protocol": "paper"}, "leave out --noise"),
        ("denoise", {"noise": "poisson-gaussian", "shot": "2"}, "--shot must lie"),
        ("dejpeg", {"quality": "0:10"}, "--quality must lie"),
        ("dejpeg", {"sigma": "25"}, "task dejpeg has no --sigma: it takes --quality"),
        ("derain", {"pairs": "above"}, "--pairs above: use one of folders"),
        ("deblur", {}, "unknown task 'deblur': use one of denoise"),
    ],
)
def test_bad_options_are_named(name: str, options: dict[str, str], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make_task(name, options)


def test_tasks_of_pairs_make_none() -> None:
    with pytest.raises(InputError, match="reads degraded pictures from files"):
        make_task("derain", {}).degrade_picture(RGB, rng())


@dataclass(frozen=True, kw_only=True, slots=True)
class Darken(Task):
    """A task as a contributor would add it: one class, one registration."""

    name: ClassVar[str] = "lighten"
    summary: ClassVar[str] = "too little light"

    gain: float = option(0.5, float, "Part of the light that is left.")

    @property
    def protocol(self) -> str:
        return "darkened"

    @property
    def text(self) -> str:
        return f"lighten, gain {self.gain:g}, protocol {self.protocol}"

    def degrade(self, clean: Tensor, draws: Draws) -> Tensor:
        return clean * self.gain


def test_a_new_task_is_one_class_and_one_registration(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.TASKS, "lighten", Darken)
    task = make_task("lighten", {"gain": "0.25"})
    assert task == Darken(gain=0.25)
    assert task_to_dict(task) == {"name": "lighten", "gain": "0.25"}
    np.testing.assert_array_equal(task.degrade_picture(GRAY, rng()), GRAY / 4)
    received = {}

    @with_task_options
    def command(task: str = "denoise", **task_options: str) -> None:
        received.update(task_options)

    parameter = inspect.signature(command).parameters["task_gain"]
    assert "Part of the light" in str(parameter.annotation.__metadata__[0].help)
    command(task="lighten", task_gain="0.25", task_sigma=None)
    assert received == {"gain": "0.25"}


def test_denoise_at_one_level_tells_it() -> None:
    assert Denoise().sigma_255 == 25
