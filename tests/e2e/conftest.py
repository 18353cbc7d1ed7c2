"""A small run that several files of tests begin with."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from clearer.data import PHOTOGRAPHS
from tests.e2e.small_run import TINY, clearer


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("photos")
    for split, stems in {"train": ["astronaut", "coins", "brick"], "val": ["camera"]}.items():
        (root / split).mkdir()
        for stem in stems:
            with Image.open(PHOTOGRAPHS / f"{stem}.png") as picture:
                picture.convert("L").resize((72, 64)).save(root / split / f"{stem}.png")
    return root


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("runs") / "source"
    result = clearer("search", *TINY, "--data", photos, "--out", run)
    assert result.exit_code == 0, result.output
    return run
