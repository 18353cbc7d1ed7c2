"""The example in C++: the library is that of the Python package, the headers are the system's."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import onnxruntime
import pytest
from PIL import Image

from tests.examples.conftest import Denoiser, Pair, read

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "cpp"
HEADERS = (os.environ.get("ORT_INCLUDE", ""), "/usr/include/onnxruntime", "/usr/local/include")


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled example."""
    if not (shutil.which("cmake") and shutil.which("c++")):
        pytest.skip("cmake or a C++ compiler is not installed")
    found = [p for p in map(Path, HEADERS) if (p / "onnxruntime_cxx_api.h").is_file()]
    if not found:
        pytest.skip("no headers of ONNX Runtime: set ORT_INCLUDE to their folder")
    libraries = sorted((Path(onnxruntime.__file__).parent / "capi").glob("libonnxruntime.so.*"))
    if not libraries:
        pytest.skip("this onnxruntime package has no library of its own")
    root, build = tmp_path_factory.mktemp("ort"), tmp_path_factory.mktemp("build")
    (root / "lib").mkdir()
    (root / "include").symlink_to(found[0].resolve())
    for name in ("libonnxruntime.so", "libonnxruntime.so.1"):
        (root / "lib" / name).symlink_to(libraries[0])
    for words in (f"-S {EXAMPLE} -B {build} -DORT_ROOT={root}", f"--build {build}"):
        done = subprocess.run(["cmake", *words.split()], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "warning" not in done.stderr
    return build / "restore"


def check(program: Path, denoiser: Denoiser, pair: Pair, folder: Path) -> None:
    suffix = "pgm" if pair.noisy.ndim == 2 else "ppm"
    source, target = folder / f"noisy.{suffix}", folder / f"restored.{suffix}"
    Image.fromarray(pair.noisy).save(source)
    command: list[str | Path] = [program, denoiser.path, source, target, *denoiser.words]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    pair.check(read(target), denoiser)


def test_a_picture_is_restored(
    program: Path, denoiser: Denoiser, pair: Pair, tmp_path: Path
) -> None:
    check(program, denoiser, pair, tmp_path)


def test_a_network_is_told_the_noise_level(
    program: Path, levelled: Denoiser, pair: Pair, tmp_path: Path
) -> None:
    check(program, levelled, pair, tmp_path)


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
