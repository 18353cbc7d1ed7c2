from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.pictures.jpeg_quality import jpeg_quality
from clearer.pictures.reading import read_picture

_PHOTOSHOP_LIKE = {0: [12] * 64, 1: [20] * 64}


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [1, 10, 37, 60, 61, 75, 98, 100])
def test_the_quality_of_a_file_is_read_from_its_tables(
    tmp_path: Path, quality: int, mode: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels).convert(mode).save(path, quality=quality)
    assert read_picture(path).jpeg_quality == quality


def test_tables_of_other_programs_are_as_a_quality_of_like_steps() -> None:
    assert 88 <= jpeg_quality(_PHOTOSHOP_LIKE) <= 92
    assert jpeg_quality({0: [1] * 64}) == 100
    assert jpeg_quality({0: [255] * 64}) == 1


def test_other_files_have_no_quality(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    assert read_picture(path).jpeg_quality is None
