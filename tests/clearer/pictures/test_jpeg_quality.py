from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.pictures.jpeg_quality import quality_of_table
from clearer.pictures.reading import read_picture


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("quality", [1, 10, 37, 60, 61, 75, 98, 100])
def test_the_quality_of_a_file_is_read_from_its_tables(
    tmp_path: Path, quality: int, mode: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16, 3), np.uint8)
    path = tmp_path / "a.jpg"
    Image.fromarray(pixels).convert(mode).save(path, quality=quality)
    assert read_picture(path).jpeg_quality == quality


def test_the_table_for_brightness_may_have_any_number(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    pixels = np.random.default_rng(0).integers(0, 255, (16, 16), np.uint8)
    Image.fromarray(pixels).save(path, quality=37)
    data = bytearray(path.read_bytes())
    data[data.index(b"\xff\xdb") + 4] = 3  # number of the table
    data[data.index(b"\xff\xc0") + 12] = 3  # number of the one that the component uses
    path.write_bytes(data)
    assert read_picture(path).jpeg_quality == 37


def test_tables_of_other_programs_are_as_a_quality_of_like_steps() -> None:
    assert 88 <= quality_of_table([12] * 64) <= 92
    assert quality_of_table([1] * 64) == 100
    assert quality_of_table([255] * 64) == 1


def test_other_files_have_no_quality(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.new("RGB", (8, 8)).save(path)
    assert read_picture(path).jpeg_quality is None
