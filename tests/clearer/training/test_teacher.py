"""Who can teach whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from clearer.errors import InputError
from clearer.space.space import SearchSpace
from clearer.training.teacher import check_teacher, check_weights


def test_what_cannot_be_taught_is_said() -> None:
    gray, rgb = SearchSpace(width=4), SearchSpace(width=4, channels=3)
    told = SearchSpace(width=4, level_map=True)
    check_teacher("known", gray, told)
    with pytest.raises(InputError, match="known restores pictures of 3 channels"):
        check_teacher("known", rgb, gray)
    with pytest.raises(InputError, match="known is told the noise level"):
        check_teacher("known", told, gray)


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    with pytest.raises(InputError, match=r"teacher\.safetensors is missing or changed: start from"):
        check_weights(path, "0" * 64, "known")
