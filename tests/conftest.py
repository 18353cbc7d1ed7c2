from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, settings
from PIL import Image

from clearer.data.datasets import data_collection

# The networks of the tests are tiny: a second thread gains nothing, and costs much on a busy
# machine. Commands that tests start as processes read this too, and so do the workers of the tests;
# where one asks for two threads, they do not spin while the other core is busy.
os.environ["OMP_NUM_THREADS"] = "1"
os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
torch.set_num_threads(1)

# A shell starts background jobs with Ctrl-C ignored; tests send it.
signal.signal(signal.SIGINT, signal.default_int_handler)

pytest_plugins = ["tests.browser", "tests.cpp", "tests.npm"]

settings.register_profile(
    "clearer", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("clearer")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep cached measurements out of the user's cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture
def make_images(tmp_path: Path) -> Callable[..., Path]:
    """Make a folder of random pictures."""

    def make(folder: str, count: int, size: tuple[int, int] = (48, 40), mode: str = "L") -> Path:
        path = tmp_path / folder
        path.mkdir(parents=True, exist_ok=True)
        rng = np.random.default_rng(len(folder))
        shape = size if mode == "L" else (*size, 3)
        for index in range(count):
            pixels = rng.integers(256, size=shape, dtype=np.uint8)
            Image.fromarray(pixels).save(path / f"picture{index}.png")
        return path

    return make


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real data sets that ``CLEARER_DATA`` names."""
    folder = data_collection()
    if folder is None:
        pytest.skip("needs real images: set CLEARER_DATA to a folder of sets")
    if not (folder / "bsds500").is_dir():
        pytest.skip(f"no real images at {folder}, which CLEARER_DATA names")
    return folder
