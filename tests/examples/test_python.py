"""The example in Python."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.examples.conftest import Denoiser, Pair, read

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "python" / "restore.py"


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_a_picture_is_restored_without_clearer_or_torch(
    denoiser: Denoiser, pair: Pair, tmp_path: Path, takes_bytes: bool
) -> None:
    code = (
        "import sys, runpy; sys.modules['clearer'] = sys.modules['torch'] = None\n"
        "sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    target = tmp_path / "restored.png"
    words: list[str | Path] = [
        sys.executable,
        "-c",
        code,
        EXAMPLE,
        denoiser.of_pictures if takes_bytes else denoiser.path,
        pair.path,
        target,
    ]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pair.check(read(target), denoiser, is_clipped=takes_bytes)


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_a_network_is_told_the_noise_level(
    levelled: Denoiser, pair: Pair, tmp_path: Path, takes_bytes: bool
) -> None:
    target = tmp_path / "restored.png"
    model = levelled.of_pictures if takes_bytes else levelled.path
    for words in (levelled.words, []):  # the file has a default if no level is given
        command: list[str | Path] = [sys.executable, EXAMPLE, model, pair.path, target, *words]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        pair.check(read(target), levelled, is_clipped=takes_bytes)
