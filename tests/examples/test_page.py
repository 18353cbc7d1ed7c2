"""The demonstration page in a real browser, served by the real command."""

from __future__ import annotations

import json
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from PIL import Image

from clearer.demo_server import make_server
from clearer.demo_site import make_site
from clearer.export.page_model import read_page_model
from clearer.images import Color
from tests.examples.conftest import SIGMA_255, Denoiser, make_pair, read

PLAYWRIGHT = "playwright-core@1.65.1"
DRIVER = Path(__file__).parent / "drive_page.mjs"
Drive = Callable[..., dict[str, Any]]


@pytest.fixture(scope="module")
def drive(npm_install: Callable[..., None], tmp_path_factory: pytest.TempPathFactory) -> Drive:
    """Have a browser open a page and take some steps; returns what it saw."""
    names = ("chromium", "chromium-browser", "google-chrome")
    browser = next((path for path in map(shutil.which, names) if path), None)
    if browser is None:
        pytest.skip("chromium is not installed")
    packages = tmp_path_factory.mktemp("driver")
    npm_install(packages, PLAYWRIGHT)

    def run(url: str, *steps: dict[str, Any]) -> dict[str, Any]:
        path = packages / "steps.json"
        path.write_text(json.dumps(steps))
        words: list[str | Path] = ["node", DRIVER, packages, browser, url, path]
        done = subprocess.run(words, capture_output=True, text=True, timeout=400)
        assert done.returncode == 0, done.stderr
        seen: dict[str, Any] = json.loads(done.stdout)
        assert seen["errors"] == []
        on_the_net = [r for r in seen["requests"] if not r.startswith("blob:")]
        assert {urlsplit(request).netloc for request in on_the_net} == {urlsplit(url).netloc}
        return seen

    return run


def decibels(text: str) -> float:
    return float(text.removesuffix(" dB"))


@pytest.fixture
def served(
    request: pytest.FixtureRequest,
    denoisers: Callable[[Color], Denoiser],
    ort_web: dict[str, Path],
) -> Iterator[tuple[str, Denoiser]]:
    denoiser = denoisers(request.param)
    network = read_page_model(denoiser.path)
    site = make_site(network.data, network.about, "a network", ort_web)
    with make_server(site, 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_address[1]}/", denoiser
        server.shutdown()


def test_a_noisy_picture_is_dropped_and_comes_back_restored(
    drive: Drive,
    denoisers: Callable[[Color], Denoiser],
    ort_web: dict[str, Path],
    tmp_path: Path,
) -> None:
    """By the command itself, in a process of its own; the picture is larger than a tile."""
    denoiser = denoisers("gray")
    pair = make_pair(tmp_path, is_gray=True, size=(203, 512 + 61))
    words: list[str | Path] = [sys.executable, "-m", "clearer.cli", "demo", denoiser.path, "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        url = json.loads(server.stdout.readline())["url"]
        target = tmp_path / "restored.png"
        try:
            seen = drive(
                url,
                {"action": "drop", "path": str(pair.path)},
                {"action": "download", "path": str(target)},
            )
        finally:
            server.send_signal(signal.SIGINT)
            _, notes = server.communicate(timeout=60)
    assert server.returncode == 0
    assert "Traceback" not in notes
    assert "thread" in seen["ready"]["status"]
    dropped, downloaded = seen["steps"]
    assert dropped["status"] == "Restored in 2 tiles."
    assert dropped["size"].split()[::2] == [str(side) for side in pair.clean.shape[::-1]]
    assert re.fullmatch(r"\d+ ms|[\d.]+ s", dropped["time"])
    assert downloaded["name"] == "noisy-restored.png"
    restored = read(target)
    assert restored.shape == (*pair.clean.shape, 4)
    assert (restored[..., 3] == 255).all()
    pair.check(restored[..., 0], denoiser)


@pytest.mark.parametrize("served", ["gray", "rgb"], indirect=True)
def test_a_colour_picture(drive: Drive, served: tuple[str, Denoiser], tmp_path: Path) -> None:
    url, denoiser = served
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    target = tmp_path / "restored.png"
    drive(
        url,
        {"action": "choose", "path": str(pair.path)},
        {"action": "download", "path": str(target)},
    )
    pair.check(read(target)[..., :3], denoiser)


@pytest.mark.parametrize("served", ["gray"], indirect=True)
def test_noise_is_added_and_removed_and_the_view_is_moved(
    drive: Drive, served: tuple[str, Denoiser], tmp_path: Path
) -> None:
    url, _ = served
    pair = make_pair(tmp_path, is_gray=True, size=(151, 203))
    clean = tmp_path / "clean.png"
    Image.fromarray(pair.clean).save(clean)
    seen = drive(
        url,
        {"action": "choose", "path": str(clean)},
        {"action": "noise", "sigma": SIGMA_255},
        {"action": "click", "on": "text=4:1"},
        {"action": "press", "on": "#knob", "key": "ArrowLeft"},
    )
    plain, noisy, *_ = seen["steps"]
    assert not plain["before"].endswith("dB")
    assert decibels(noisy["before"]) == pytest.approx(16.09, abs=0.1)  # -20 log10(40 / 255)
    assert decibels(noisy["after"]) > decibels(noisy["before"]) + 5
    assert seen["knob"] == "48"


@pytest.mark.parametrize("served", ["gray"], indirect=True)
def test_what_cannot_be_restored_is_named(
    drive: Drive, served: tuple[str, Denoiser], tmp_path: Path
) -> None:
    url, _ = served
    text, huge = tmp_path / "text.png", tmp_path / "huge.png"
    text.write_text("no picture")
    Image.new("1", (4097, 4097)).save(huge)
    seen = drive(
        url,
        {"action": "drop", "path": str(text)},
        {"action": "choose", "path": str(huge)},
        {"action": "click", "on": "#sample"},
    )
    not_read, too_large, sample = seen["steps"]
    assert "text.png is not a picture" in not_read["status"]
    assert "16.8 megapixels; the limit here is 16.8" in too_large["status"]
    assert sample["size"].split()[::2] == ["600", "400"]
    assert decibels(sample["after"]) > decibels(sample["before"]) + 5
