"""Who can teach whom."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from clearer.errors import InputError
from clearer.tasks.base import Span, Task
from clearer.tasks.denoise import Denoise
from clearer.tasks.paired import Derain, Paired
from clearer.training.teacher import check_teacher, check_weights
from tests.clearer.training.test_loops import tiny_settings


def test_what_cannot_be_taught_is_said() -> None:
    gray = tiny_settings(task=Denoise(sigma=Span(0, 75)))
    rgb = replace(gray, space=replace(gray.space, channels=3))
    told = replace(gray, space=replace(gray.space, level_map=True))
    check_teacher("known", gray, told)
    with pytest.raises(InputError, match="known restores pictures of 3 channels"):
        check_teacher("known", rgb, gray)
    with pytest.raises(InputError, match="known is told the noise level"):
        check_teacher("known", told, gray)


@pytest.mark.parametrize(
    ("teacher", "student", "can_teach"),
    [
        (Denoise(sigma=Span(0, 75)), Denoise(sigma=Span(25, 25)), True),
        (Denoise(sigma=Span(5, 50)), Denoise(sigma=Span(0, 75)), False),
        (Denoise(sigma=Span(0, 75)), Derain(), False),
        (Derain(), Paired(), False),
        (Derain(), Derain(layout="folders"), True),
    ],
)
def test_a_teacher_has_to_know_the_task(teacher: Task, student: Task, can_teach: bool) -> None:
    base = tiny_settings()
    known, wanted = (replace(base, task=task) for task in (teacher, student))
    if can_teach:
        check_teacher("known", known, wanted)
        return
    with pytest.raises(InputError, match="known does not know what .* trained for .*, and this"):
        check_teacher("known", known, wanted)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(InputError, match=r"teacher\.safetensors is missing or changed: start from"):
        check_weights(path, "0" * 64, "known")
