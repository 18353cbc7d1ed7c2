"""What several tests of the commands start with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.photographs import save_photographs


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three small gray photographs to train on, and one to validate with."""
    names = {"train": ["astronaut", "coins", "brick"], "val": ["camera"]}
    return save_photographs(tmp_path_factory.mktemp("photos"), names, "L", (72, 64))
