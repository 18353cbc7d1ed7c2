from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from clearer.data import dead_leaves
from clearer.data.drawn_pictures import drawn_pictures

COLORS = np.random.default_rng(0).integers(0, 256, (50, 3), dtype=np.uint8)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("platformdirs.user_cache_dir", lambda _: str(tmp_path / "cache"))
    monkeypatch.setattr("clearer.data.drawn_pictures._COUNT", 2)
    monkeypatch.setattr("clearer.data.drawn_pictures._SIZE", 24)
    return tmp_path / "cache"


def test_they_are_drawn_once(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = drawn_pictures(COLORS)
    assert drawn.shape == (2, 24, 24, 3)
    with monkeypatch.context() as patch:
        patch.delattr(dead_leaves, "dead_leaves")
        np.testing.assert_array_equal(drawn_pictures(COLORS), drawn)
    assert (drawn_pictures(COLORS[:40]) != drawn).any()
    assert len([*(cache / "pictures").iterdir()]) == 2


@pytest.mark.parametrize("damage", ["shorter", "a bit", "nothing"])
def test_a_damaged_file_is_drawn_again(cache: Path, damage: str) -> None:
    drawn = drawn_pictures(COLORS)
    (path,) = (cache / "pictures").iterdir()
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes({"shorter": data[:-1], "a bit": data, "nothing": b""}[damage]))
    np.testing.assert_array_equal(drawn_pictures(COLORS), drawn)
    np.testing.assert_array_equal(drawn_pictures(COLORS), drawn)


def test_without_a_place_to_keep_them_they_are_drawn(cache: Path) -> None:
    cache.write_text("no folder")
    np.testing.assert_array_equal(drawn_pictures(COLORS), drawn_pictures(COLORS))
