"""The example in Node."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.examples.conftest import Denoiser, Pair, read


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_a_picture_is_restored(
    node_example: Path, denoiser: Denoiser, pair: Pair, tmp_path: Path, takes_bytes: bool
) -> None:
    target = tmp_path / "restored.png"
    model = denoiser.of_pictures if takes_bytes else denoiser.path
    words: list[str | Path] = ["node", "restore.mjs", model, pair.path, target]
    done = subprocess.run(words, cwd=node_example, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pair.check(read(target), denoiser, is_clipped=takes_bytes)


def test_a_network_is_told_the_noise_level(
    node_example: Path, levelled: Denoiser, pair: Pair, tmp_path: Path
) -> None:
    target = tmp_path / "restored.png"
    words: list[str | Path] = [
        "node",
        "restore.mjs",
        levelled.path,
        pair.path,
        target,
        *levelled.words,
    ]
    done = subprocess.run(words, cwd=node_example, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pair.check(read(target), levelled)
