"""The page gives networks of other programs the same input as the commands do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from clearer.bench.runners import OnnxRunner
from clearer.data.splits import PHOTOGRAPHS
from clearer.demo import site
from clearer.export.image_io import with_image_io
from clearer.export.page_model import read_page_model
from clearer.networks.level_map import with_level
from clearer.pictures.images import read_image
from clearer.restoring.noise_level import estimate_level
from tests.bench import tiny_onnx
from tests.examples.conftest import Denoiser

DRIVER = Path(__file__).with_name("drive_worker.mjs")
WORKER = Path(site.__file__).parent / "page" / "worker.js"
EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "node"


@pytest.fixture(scope="module")
def packages(npm_install: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("node")
    for name in ("package.json", "package-lock.json", ".npmrc"):
        (folder / name).write_bytes((EXAMPLE / name).read_bytes())
    npm_install(folder)
    return folder


def in_the_order_bgr(path: Path) -> Path:
    return tiny_onnx.tinted(path, "BGR", {"range": "0..255", "color_order": "BGR"})


def of_0_to_255(path: Path) -> Path:
    return tiny_onnx.blur(path, 255.0, 3)


def of_multiples_of_8(path: Path) -> Path:
    return tiny_onnx.pooled(path, 8)


def with_channels_last(path: Path) -> Path:
    return tiny_onnx.convolution(path, 3, ["b", "h", "w", 3], is_nhwc=True)


@pytest.mark.parametrize(
    "make", [in_the_order_bgr, of_0_to_255, of_multiples_of_8, with_channels_last]
)
def test_a_picture_goes_in_as_by_the_commands(
    make: Callable[[Path], Path], packages: Path, tmp_path: Path
) -> None:
    check(make(tmp_path / "m.onnx"), packages, tolerance=1e-5)


def test_8_bit_pictures_go_in(
    denoisers: Callable[[str], Denoiser], packages: Path, tmp_path: Path
) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(with_image_io(denoisers("rgb").path.read_bytes()))
    check(path, packages, tolerance=1.01 / 255)


def test_a_network_is_told_the_noise_level(
    levelled: Denoiser, packages: Path, tmp_path: Path
) -> None:
    check(levelled.path, packages, tolerance=1e-5)


LEVEL = WORKER.with_name("level.js")
ESTIMATE = f"""
import {{ estimateLevel }} from "{LEVEL.as_uri()}";
import {{ readFileSync }} from "node:fs";
const {{ width, height, planes }} = JSON.parse(readFileSync(0));
console.log(estimateLevel(width, height, planes.length, (x, y, c) => planes[c][y * width + x]));
"""


@pytest.mark.parametrize("sigma", [5, 25, 50])
@pytest.mark.parametrize("name", ["camera", "astronaut"])
def test_the_page_finds_the_noise_level_as_restore_does(
    name: str, sigma: float, tmp_path: Path
) -> None:
    if shutil.which("node") is None:
        pytest.skip("node is not installed")
    clean = read_image(PHOTOGRAPHS / f"{name}.png", "rgb" if name == "astronaut" else "gray")
    clean = clean[:256, -320:]  # more would be a long text for Node
    noise = np.random.default_rng(0).normal(scale=sigma, size=clean.shape)
    pixels = (clean + noise).round().clip(0, 255).astype(np.uint8)
    height, width, channels = pixels.shape
    planes = (pixels.astype(np.float32) / 255).transpose(2, 0, 1).reshape(channels, -1)
    script = tmp_path / "estimate.mjs"
    script.write_text(ESTIMATE)
    given = json.dumps({"width": width, "height": height, "planes": planes.tolist()})
    done = subprocess.run(["node", script], input=given, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) == pytest.approx(sigma, rel=0.1)
    assert float(done.stdout) == pytest.approx(255 * estimate_level(pixels), rel=0.06)


def check(path: Path, packages: Path, tolerance: float) -> None:
    about = read_page_model(path).about
    channels, height, width = about["channels"], 21, 13
    levels = np.random.default_rng(0).integers(256, size=(channels, height, width))
    planes = levels.astype(np.float32) / np.float32(255)
    given = {
        "about": about,
        "planes": planes.reshape(channels, -1).tolist(),
        "width": width,
        "height": height,
        "level": 30,
    }
    words: list[str | Path] = ["node", DRIVER, packages, WORKER, path]
    done = subprocess.run(words, input=json.dumps(given), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    restored = np.array(json.loads(done.stdout)).reshape(planes.shape)
    batch = with_level(planes[None], 30 / 255) if about["takesLevel"] else planes[None]
    expected = OnnxRunner("m", path, channels)(batch)[0]
    np.testing.assert_allclose(restored, expected, atol=tolerance)
