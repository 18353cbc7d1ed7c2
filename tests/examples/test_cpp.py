"""The example in C++."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.examples.conftest import Denoiser, Pair, read

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cpp"


@pytest.fixture(scope="module")
def program(ort_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example."""
    if shutil.which("cmake") is None:
        pytest.skip("cmake is not installed")
    build = tmp_path_factory.mktemp("build")
    for words in (f"-S {EXAMPLE} -B {build} -DORT_ROOT={ort_root}", f"--build {build}"):
        done = subprocess.run(["cmake", *words.split()], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stderr
    return build / "restore"


def check(
    program: Path, denoiser: Denoiser, pair: Pair, folder: Path, *, takes_bytes: bool
) -> None:
    suffix = "pgm" if pair.noisy.ndim == 2 else "ppm"
    source, target = folder / f"noisy.{suffix}", folder / f"restored.{suffix}"
    Image.fromarray(pair.noisy).save(source)
    model = denoiser.of_pictures if takes_bytes else denoiser.path
    command: list[str | Path] = [program, model, source, target, *denoiser.words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pair.check(read(target), denoiser, is_clipped=takes_bytes)


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_a_picture_is_restored(
    program: Path, denoiser: Denoiser, pair: Pair, tmp_path: Path, takes_bytes: bool
) -> None:
    check(program, denoiser, pair, tmp_path, takes_bytes=takes_bytes)


@pytest.mark.parametrize("takes_bytes", [False, True])
def test_a_network_is_told_the_noise_level(
    program: Path, levelled: Denoiser, pair: Pair, tmp_path: Path, takes_bytes: bool
) -> None:
    check(program, levelled, pair, tmp_path, takes_bytes=takes_bytes)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"\x89PNG\r\n", "not a binary PGM"),
        (b"P5\n4 4\n65535\n" + b"x" * 32, "not of 8 bits"),
        (b"P5\n4 4\n255\nxxx", "cut short"),
        (b"P5\n99999999 4\n255\nxxx", "cannot be read"),
    ],
)
def test_bad_pictures_are_named(
    program: Path, denoiser: Denoiser, tmp_path: Path, content: bytes, reason: str
) -> None:
    source = tmp_path / "bad.pgm"
    source.write_bytes(content)
    words = [program, denoiser.path, source, tmp_path / "out.pgm"]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 1
    assert reason in done.stderr
