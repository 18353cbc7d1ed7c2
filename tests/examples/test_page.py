"""The demonstration page in a real browser: one picture."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.demo.site import PageNetwork
from clearer.export.page_model import read_page_model
from clearer.pictures.images import Color
from tests.examples.conftest import SIGMA_255, Denoiser, Pixels, make_pair, psnr, read
from tests.patience import PATIENCE_S
from tests.visitor import Visitor

Open = Callable[..., Visitor]


def decibels(text: str) -> float:
    return float(text.removesuffix(" dB"))


def test_a_noisy_picture_is_dropped_and_comes_back_restored(
    visit: Callable[[str], Visitor],
    denoisers: Callable[[Color], Denoiser],
    ort_web: dict[str, Path],
    tmp_path: Path,
) -> None:
    """With the command itself, in a separate process; the picture is larger than a tile."""
    denoiser = denoisers("gray")
    pair = make_pair(tmp_path, is_gray=True, size=(203, 512 + 61))
    words: list[str | Path] = [sys.executable, "-m", "clearer.cli", "demo", denoiser.path, "--json"]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, stdout=pipe, stderr=pipe, text=True) as server:
        assert server.stdout is not None
        try:
            visitor = visit(json.loads(server.stdout.readline())["url"])
            assert "thread" in visitor.status
            visitor.drop(pair.path)
            saved = visitor.save(tmp_path)
        finally:
            server.send_signal(signal.SIGINT)
            _, notes = server.communicate(timeout=PATIENCE_S)
    assert server.returncode == 0
    assert "Traceback" not in notes
    assert visitor.status == "Restored in 2 tiles."
    assert visitor.text("#size") == "573\u202f×\u202f203"
    assert re.fullmatch(r"\d+ ms|[\d.]+ s", visitor.text("#time"))
    assert saved.name == "noisy-restored.png"
    restored = read(saved)
    assert restored.shape == (*pair.clean.shape, 4)
    assert (restored[..., 3] == 255).all()
    pair.check(restored[..., 0], denoiser)


def test_a_picture_of_a_camera_in_an_empty_folder(
    visit: Callable[[str], Visitor],
    ort_web: dict[str, Path],
    real_data: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With the shipped networks; compared with the mean of many shots of the scene."""
    noisy = min((real_data / "polyu" / "noisy").glob("*.jpg"), default=None)
    if noisy is None:
        pytest.skip(f"no polyu/ at {real_data}")
    monkeypatch.chdir(tmp_path)
    part, size = tmp_path / "part.jpg", 256
    with Image.open(noisy) as photograph:
        photograph.crop((0, 0, size, size)).save(part, quality=100, subsampling=0)
    words = [sys.executable, "-m", "clearer.cli", "demo", "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            visitor = visit(json.loads(server.stdout.readline())["url"])
            visitor.drop(part)
            saved = visitor.save(tmp_path)
            given = visitor.blend(0)
        finally:
            server.send_signal(signal.SIGINT)
    assert visitor.status == "Restored."
    assert saved.name == "part-restored.png"
    clean = read(noisy.parents[1] / "clean" / noisy.name)[:size, :size]
    assert psnr(read(saved)[..., :3], clean) > psnr(given[..., :3], clean) + 0.1


@pytest.mark.parametrize("color", ["gray", "rgb"])
def test_a_colour_picture(
    open_page: Open, denoisers: Callable[[Color], Denoiser], color: Color, tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    visitor = open_page(color)
    assert not visitor.page.is_visible("#network")
    visitor.choose(pair.path)
    pair.check(read(visitor.save(tmp_path))[..., :3], denoisers(color))


def test_a_network_is_told_the_noise_level(
    visit: Callable[[str], Visitor],
    serve: Callable[..., str],
    levelled: Denoiser,
    tmp_path: Path,
) -> None:
    """The level that the page finds in the picture."""
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    network = read_page_model(levelled.path)
    visitor = visit(serve(PageNetwork("levelled", network.data, network.about)))
    visitor.drop(pair.path)
    restored = read(visitor.save(tmp_path))[..., :3]
    expected = levelled.restore(pair.noisy, is_clipped=False)
    assert np.abs(restored.astype(int) - expected).mean() < 2
    assert psnr(restored, pair.clean) > psnr(pair.noisy, pair.clean) + 4


def test_another_network_is_chosen(
    open_page: Open, denoisers: Callable[[Color], Denoiser], tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    visitor = open_page("rgb", "gray")
    visitor.choose(pair.path)
    by_rgb = read(visitor.save(tmp_path))[..., :3]
    pair.check(by_rgb, denoisers("rgb"))
    visitor.page.select_option("#network", label="gray.onnx")
    visitor.wait()
    assert visitor.text("#about").startswith("gray.onnx · denoise")
    assert visitor.rows == ["restored by gray.onnx"]
    by_gray = read(visitor.save(tmp_path))[..., :3]
    pair.check(by_gray, denoisers("gray"))
    assert np.abs(by_gray.astype(int) - by_rgb).max() > 2


def test_a_network_that_does_not_start(
    visit: Callable[[str], Visitor],
    serve: Callable[..., str],
    denoisers: Callable[[Color], Denoiser],
    tmp_path: Path,
) -> None:
    """The one before stays in use."""
    pair = make_pair(tmp_path, is_gray=True, size=(151, 203))
    network = read_page_model(denoisers("gray").path)
    good = PageNetwork("good", network.data, network.about)
    visitor = visit(serve(good, replace(good, name="bad", model=network.data[:-1000])))
    visitor.drop(pair.path)
    visitor.page.select_option("#network", label="bad")
    visitor.wait()
    assert visitor.status.startswith("bad: the runtime does not start")
    assert visitor.text("#about").startswith("good ·")
    assert visitor.page.locator("#network option:checked").text_content() == "good"
    pair.check(read(visitor.save(tmp_path))[..., 0], denoisers("gray"))
    visitor.drop(pair.path)
    assert visitor.status == "Restored."


def test_strength_blends_at_once(open_page: Open, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    visitor = open_page("rgb")
    visitor.choose(pair.path)
    noisy, restored = pair.noisy.astype(float), read(visitor.save(tmp_path))[..., :3].astype(float)
    assert (visitor.blend(100)[..., :3] == restored).all()
    for percent in (0, 35, 150):
        expected = (noisy + percent / 100 * (restored - noisy)).clip(0, 255)
        blended = visitor.blend(percent)[..., :3]
        assert np.abs(blended - expected).max() <= 0.5 + 1e-9
        assert (read(visitor.save(tmp_path))[..., :3] == blended).all()
        if percent == 0:
            assert (blended == pair.noisy).all()
    assert visitor.text("#percent") == "150\u00a0%"
    visitor.page.focus("#strength")
    visitor.page.keyboard.press("Home")
    assert visitor.text("#percent") == "0\u00a0%"
    assert (read(visitor.save(tmp_path))[..., :3] == pair.noisy).all()


def test_what_can_be_seen_follows_the_slider(open_page: Open, tmp_path: Path) -> None:
    """Right of the line while the slider is held; the rest once it is released."""
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    visitor = open_page("rgb")
    visitor.choose(pair.path)
    restored = visitor.blend(100)
    held = visitor.hold(0)
    assert (held[:, 102:, :3] == pair.noisy[:, 102:]).all()
    assert (held[:, :101] == restored[:, :101]).all()
    visitor.page.set_viewport_size({"width": 900, "height": 500})
    visitor.click("text=4:1")
    restored = visitor.blend(100)
    held = visitor.hold(0)
    assert (held[76:80, 102:110, :3] == pair.noisy[76:80, 102:110]).all()
    assert (held[0] == restored[0]).all()  # out of sight
    assert (visitor.blend(0)[..., :3] == pair.noisy).all()


def test_noise_is_added_and_removed_and_the_view_is_moved(open_page: Open, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, is_gray=True, size=(151, 203))
    clean = tmp_path / "clean.png"
    Image.fromarray(pair.clean).save(clean)
    visitor = open_page("gray")
    assert not visitor.page.is_visible("#noise")
    visitor.choose(clean)
    assert visitor.text("#psnr-before") == "–"
    visitor.click("text=Try it on a clean picture")
    visitor.set("#noise", SIGMA_255)
    before, after = (decibels(visitor.text(f"#psnr-{word}")) for word in ("before", "after"))
    assert before == pytest.approx(16.09, abs=0.1)  # -20 log10(40 / 255)
    assert after > before + 5
    assert visitor.text("#before-name") == "noise added"
    assert psnr(visitor.blend(0)[..., 0], pair.clean) == pytest.approx(before, abs=1)  # clipped
    visitor.click("text=4:1")
    visitor.page.press("#knob", "ArrowLeft")
    assert visitor.page.get_attribute("#knob", "aria-valuenow") == "48"
    visitor.set("#noise", 0)
    assert (visitor.blend(0)[..., 0] == pair.clean).all()


def test_what_cannot_be_restored_is_named(open_page: Open, tmp_path: Path) -> None:
    text, huge = tmp_path / "text.png", tmp_path / "huge.png"
    text.write_text("no picture")
    Image.new("1", (4097, 4097)).save(huge)
    visitor = open_page("gray")
    visitor.drop(text)
    assert visitor.status == "text.png: not a picture that this browser can read."
    assert not visitor.page.is_visible("#after-name")
    visitor.choose(huge)
    assert visitor.status == "huge.png: 16.8 megapixels; the limit here is 16.8."
    visitor.click("#sample")
    assert visitor.text("#size") == "600\u202f×\u202f400"
    before, after = (decibels(visitor.text(f"#psnr-{word}")) for word in ("before", "after"))
    assert after > before + 5


def make_cut_out(path: Path) -> Pixels:
    """A picture whose left half is transparent."""
    pixels = np.random.default_rng(0).integers(256, size=(40, 60, 4), dtype=np.uint8)
    pixels[..., 3] = 255
    pixels[:, :30] = 0
    Image.fromarray(pixels).save(path)
    return pixels


def test_files_are_what_their_names_say(open_page: Open, tmp_path: Path) -> None:
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    visitor = open_page("rgb")
    visitor.drop(pair.path)
    png = read(visitor.save(tmp_path))
    visitor.select("#format", "image/tiff")
    tiff = visitor.save(tmp_path)
    assert tiff.name == "noisy-restored.tif"
    with Image.open(tiff) as file:
        assert (file.format, file.mode) == ("TIFF", "RGB")
    assert (read(tiff) == png[..., :3]).all()
    visitor.select("#format", "image/jpeg")
    sizes = []
    for quality in (95, 40):
        visitor.set("#quality", quality)
        jpeg = visitor.save(tmp_path)
        assert jpeg.name == "noisy-restored.jpg"
        with Image.open(jpeg) as file:
            assert (file.format, file.size) == ("JPEG", (203, 151))
        assert psnr(read(jpeg), png[..., :3]) > 25
        sizes.append(jpeg.stat().st_size)
    assert sizes[0] > 1.5 * sizes[1]


def test_transparency_is_kept_where_a_format_knows_it(open_page: Open, tmp_path: Path) -> None:
    pixels = make_cut_out(tmp_path / "cut-out.png")
    visitor = open_page("rgb")
    visitor.drop(tmp_path / "cut-out.png")
    png = read(visitor.save(tmp_path))
    assert (png[..., 3] == pixels[..., 3]).all()
    visitor.select("#format", "image/tiff")
    tiff = read(visitor.save(tmp_path))
    assert (tiff[..., 3] == pixels[..., 3]).all()
    assert (tiff[:, 30:] == png[:, 30:]).all()
    visitor.select("#format", "image/jpeg")
    jpeg = read(visitor.save(tmp_path))
    assert jpeg[:, :24].min() > 245  # white is behind it
