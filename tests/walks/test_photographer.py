"""A photographer: a folder of JPEGs from a camera, restored by the command and on the page."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageOps

from clearer.data.splits import PHOTOGRAPHS
from clearer.tasks.base import Span
from clearer.tasks.photo import Photo
from tests.visitor import Visitor
from tests.walks.conftest import Clearer

Pixels = NDArray[np.uint8]
_ORIENTATION, _CAMERA = 0x0112, 0x0110


def upright(path: Path) -> Pixels:
    """The picture as a person sees it."""
    with Image.open(path) as file:
        return np.asarray(ImageOps.exif_transpose(file).convert("RGB"))


def psnr(pixels: Pixels, clean: Pixels) -> float:
    return float(-10 * np.log10(np.mean((pixels / 255.0 - clean / 255.0) ** 2)))


def photograph(name: str, left: int) -> Pixels:
    """The scene in front of the camera, at half size, so that its own noise averages out."""
    with Image.open(PHOTOGRAPHS / name) as file:
        return np.asarray(file.convert("RGB").reduce(2))[20:164, left : left + 192]


@pytest.fixture
def scenes(folder: Path) -> dict[str, Pixels]:
    """Write a camera's memory card; return the scenes by the paths of their files."""
    clean = {
        "DCIM/100/IMG_0001.JPG": photograph("coffee.png", 40),
        "DCIM/100/IMG_0002.JPG": photograph("astronaut.png", 30),
        "DCIM/101/IMG_0003.JPG": photograph("motorcycle_left.png", 60),
    }
    camera, rng = Photo(shot=Span(0.004, 0.008)), np.random.default_rng(0)
    for turn, (name, scene) in enumerate(clean.items()):
        noisy = camera.degrade_picture((scene / np.float32(255)).astype(np.float32), rng)
        taken = Image.fromarray(np.rint(noisy.clip(0, 1) * 255).astype(np.uint8))
        exif = Image.Exif()
        exif[_CAMERA] = "A camera"
        if turn == 1:  # it was held upright: the file lies on its side
            exif[_ORIENTATION], taken = 6, taken.transpose(Image.Transpose.ROTATE_90)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        taken.save(folder / name, quality=95, subsampling="4:2:2", exif=exif)
    (folder / "DCIM/100/._IMG_0001.JPG").write_bytes(b"of another system")
    (folder / "DCIM/101/IMG_0004.JPG").write_bytes(b"\xff\xd8\xff\xe0 the battery was empty")
    (folder / "DCIM/101/MOVIE.MP4").write_bytes(b"no picture")
    return clean


def test_a_card_is_restored_by_one_command(
    folder: Path, scenes: dict[str, Pixels], clearer_command: Clearer
) -> None:
    before = {path: path.read_bytes() for path in (folder / "DCIM").rglob("*.*")}
    records = json.loads(clearer_command("restore", "DCIM", "--json", exit_code=1))
    status = {Path(record["input"]).name: record["status"] for record in records}
    restored = dict.fromkeys((Path(name).name for name in scenes), "restored")
    assert status == restored | {"IMG_0004.JPG": "failed"}
    for name, scene in scenes.items():
        result = folder / "restored" / Path(name).relative_to("DCIM")
        assert psnr(upright(result), scene) > psnr(upright(folder / name), scene) + 1
        with Image.open(result) as file:
            assert (file.format, file.getexif()[_CAMERA]) == ("JPEG", "A camera")
    assert {path: path.read_bytes() for path in (folder / "DCIM").rglob("*.*")} == before
    # The battery is charged, and the picture taken again: only that one is left to do.
    (folder / "DCIM/101/IMG_0004.JPG").write_bytes((folder / next(iter(scenes))).read_bytes())
    again = json.loads(clearer_command("restore", "DCIM", "--json"))
    assert [r["input"] for r in again if r["status"] == "restored"] == ["DCIM/101/IMG_0004.JPG"]


def test_the_same_card_on_the_page(
    folder: Path,
    scenes: dict[str, Pixels],
    ort_web: dict[str, Path],
    visit: Callable[[str], Visitor],
) -> None:
    words = [sys.executable, "-m", "clearer", "demo", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            visitor = visit(json.loads(server.stdout.readline())["url"])
            visitor.drop(*sorted((folder / "DCIM").rglob("IMG*.JPG")))
            visitor.select("#format", "image/jpeg")
            saved = visitor.save(folder, "#save-all")
        finally:
            server.send_signal(signal.SIGINT)
    assert server.returncode == 0
    assert visitor.status == "Saved 3 of 3 in one file."
    with zipfile.ZipFile(saved) as archive:
        archive.extractall(folder / "saved")
    for name, scene in scenes.items():
        result = upright(folder / "saved" / f"{Path(name).stem}-restored.jpg")
        assert psnr(result, scene) > psnr(upright(folder / name), scene) + 1
