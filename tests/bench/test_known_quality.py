from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from clearer.bench import known_quality as module
from clearer.bench.accuracy import reference_qualities
from clearer.bench.known_quality import known_quality
from clearer.bench.runners import NonLocalMeansRunner
from clearer.pictures.images import ImageSet
from clearer.restoring.evaluate import Quality
from clearer.tasks.base import Task
from clearer.tasks.denoise import Denoise
from clearer.tasks.registry import make_task


def pictures(tone: int = 90, names: tuple[str, ...] = ("a", "b")) -> ImageSet:
    ramp = np.linspace(tone, 2 * tone, 24, dtype=np.uint8)[:, None, None]
    return ImageSet(names, (ramp.repeat(20, 1), ramp.repeat(31, 1)))


def never() -> Quality:
    raise AssertionError("it is known")


def test_the_same_is_measured_once() -> None:
    first = known_quality("one", pictures(), Denoise(), lambda: Quality(31.25, 0.875))
    assert first == Quality(31.25, 0.875)
    assert known_quality("one", pictures(names=("c", "d")), Denoise(), never) == first


@pytest.mark.parametrize(
    "change",
    [
        lambda images, task: ("other", images, task),
        lambda images, task: ("two", pictures(tone=91), task),
        lambda images, task: ("two", images.select([1, 0]), task),
        lambda images, task: ("two", ImageSet(images.names, images.images, images.images), task),
        lambda images, task: ("two", images, make_task("denoise", {"sigma": "30"})),
    ],
)
def test_what_differs_is_measured_again(
    change: Callable[[ImageSet, Task], tuple[str, ImageSet, Task]],
) -> None:
    known_quality("two", pictures(), Denoise(), lambda: Quality(31.25, 0.875))
    again = known_quality(*change(pictures(), Denoise()), lambda: Quality(20.5, 0.25))
    assert again == Quality(20.5, 0.25)


def test_another_version_measures_again(monkeypatch: pytest.MonkeyPatch) -> None:
    known_quality("three", pictures(), Denoise(), lambda: Quality(31.25, 0.875))
    monkeypatch.setattr(module, "__version__", "0.0.1")
    assert known_quality("three", pictures(), Denoise(), lambda: Quality(1.0, 0.5)).psnr_db == 1


@pytest.mark.parametrize("psnr_db", [float("inf"), float("nan")])
def test_what_no_file_can_hold_is_given_all_the_same(psnr_db: float) -> None:
    for _ in range(2):
        found = known_quality("four", pictures(), Denoise(), lambda: Quality(psnr_db, 1.0))
        assert found.psnr_db == pytest.approx(psnr_db, nan_ok=True)


def test_references_are_known_the_second_time(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    first = reference_qualities(pictures(tone=77), Denoise(), said.append)
    assert set(first) == {"input", "non-local means"}
    monkeypatch.setattr(NonLocalMeansRunner, "__init__", lambda *_: pytest.fail("measured again"))
    assert reference_qualities(pictures(tone=77), Denoise(), said.append) == first
    assert not said
