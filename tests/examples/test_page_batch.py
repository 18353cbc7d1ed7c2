"""The demonstration page in a real browser: several pictures."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from clearer.pictures.images import Color
from tests.examples.conftest import Denoiser, Pair, make_pair, read
from tests.visitor import Visitor

Open = Callable[..., Visitor]
NO_PICTURE = "not a picture that this browser can read"


@pytest.fixture
def three(tmp_path: Path) -> tuple[Pair, Path, Pair]:
    """A gray picture, a file that is not a picture, and a colour picture."""
    pairs = []
    for name, is_gray in (("first", True), ("third", False)):
        (tmp_path / name).mkdir()
        pairs.append(make_pair(tmp_path / name, is_gray=is_gray, size=(151, 203)))
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    return pairs[0], broken, pairs[1]


def test_one_that_is_broken_stops_no_other(
    open_page: Open,
    denoisers: Callable[[Color], Denoiser],
    three: tuple[Pair, Path, Pair],
    tmp_path: Path,
) -> None:
    first, broken, third = three
    visitor = open_page("rgb")
    visitor.drop(first.path, broken, third.path)
    assert visitor.status == f"Restored 2 of 3. broken.jpg: {NO_PICTURE}."
    assert visitor.rows == ["restored", NO_PICTURE, "restored"]
    steps = [(text, badge) for text, badge in visitor.said if text.startswith("Restoring")]
    assert {text for text, _ in steps} == {"Restoring, 1 of 3 …", "Restoring, 3 of 3 …"}
    assert not any(is_restored for _, is_restored in steps)
    assert visitor.page.is_visible("#after-name")
    # The last one is shown; the first can be looked at and saved.
    third.check(read(visitor.save(tmp_path))[..., :3], denoisers("rgb"))
    visitor.click("#pictures button >> nth=0")
    first.check(read(visitor.save(tmp_path))[..., 0], denoisers("rgb"))
    # All in one file, with one click; of two with the same name, the second gets a number.
    saved = visitor.save(tmp_path, "#save-all")
    assert (saved.name, visitor.status) == ("restored.zip", "Saved 2 of 2 in one file.")
    with zipfile.ZipFile(saved) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["noisy-restored.png", "noisy-restored (2).png"]
        archive.extractall(tmp_path / "all")
    first.check(read(tmp_path / "all" / "noisy-restored.png")[..., 0], denoisers("rgb"))
    third.check(read(tmp_path / "all" / "noisy-restored (2).png")[..., :3], denoisers("rgb"))


def test_one_strength_for_all(
    open_page: Open, three: tuple[Pair, Path, Pair], tmp_path: Path
) -> None:
    """At strength 0, pictures come back as they were, including noise that was added."""
    first, _, third = three
    visitor = open_page("gray")
    visitor.choose(first.path)
    visitor.click("text=Try it on a clean picture")
    visitor.set("#noise", 30)
    noisier = visitor.blend(0)
    visitor.choose(third.path)
    assert (visitor.page.input_value("#noise"), visitor.text("#before-name")) == ("0", "before")
    visitor.select("#format", "image/tiff")
    with zipfile.ZipFile(visitor.save(tmp_path, "#save-all")) as archive:
        archive.extractall(tmp_path)
    assert (read(tmp_path / "noisy-restored.tif") == noisier[..., :3]).all()
    assert (read(tmp_path / "noisy-restored (2).tif") == third.noisy).all()
    assert np.abs(noisier[..., 0].astype(int) - first.noisy).mean() > 10
    visitor.click("#pictures button >> nth=0")
    assert (visitor.page.input_value("#noise"), visitor.text("#before-name")) == (
        "30",
        "noise added",
    )


def test_stop_and_go_on(open_page: Open, tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(256, size=(1200, 1200, 3), dtype=np.uint8)
    files = {"first": pixels[:50, :50], "large": pixels, "last": pixels[:60, :60]}
    for name, content in files.items():
        Image.fromarray(content).save(tmp_path / f"{name}.png", compress_level=0)
    visitor = open_page("rgb")
    visitor.page.set_input_files("#file", [str(tmp_path / f"{name}.png") for name in files])
    visitor.page.wait_for_function("() => /tile [2-9]/.test(window.said.at(-1)?.[0])")
    visitor.click("#stop")
    assert visitor.status == "Stopped. Restored 1 of 3."
    assert visitor.rows == ["restored", "waiting", "waiting"]
    assert visitor.text("#size") == "1200\u202f×\u202f1200"
    assert not visitor.page.is_enabled("#save")
    assert not visitor.page.is_visible("#after-name")
    # What is asked for one picture is done; the others keep waiting.
    visitor.click("#pictures button >> nth=0")
    visitor.click("text=Try it on a clean picture")
    visitor.set("#noise", 20)
    assert (visitor.status, visitor.text("#before-name")) == ("Restored.", "noise added")
    assert visitor.rows == ["restored", "waiting", "waiting"]
    visitor.click("#go-on")
    assert visitor.status == "Restored 2 of 2."
    assert visitor.rows == ["restored"] * 3
    visitor.click("#clear")
    assert visitor.page.is_visible("#empty")
    assert visitor.rows == []


def test_while_others_are_restored_one_can_be_looked_at(
    open_page: Open, denoisers: Callable[[Color], Denoiser], tmp_path: Path
) -> None:
    pair = make_pair(tmp_path, is_gray=False, size=(151, 203))
    large = tmp_path / "large.png"
    Image.fromarray(np.tile(pair.noisy, (7, 5, 1))).save(large, compress_level=0)
    later = tmp_path / "later.png"
    shutil.copy(pair.path, later)
    visitor = open_page("rgb")
    visitor.page.set_input_files("#file", [str(path) for path in (pair.path, large, later)])
    visitor.page.wait_for_function("() => /tile [2-9]/.test(window.said.at(-1)?.[0])")
    visitor.page.click("#pictures button >> nth=0")
    visitor.page.wait_for_selector("#pictures li:first-child [aria-current=true]")
    assert visitor.page.is_visible("#stop")
    with visitor.page.expect_download() as download:
        visitor.page.click("#save")
    download.value.save_as(tmp_path / "saved.png")
    assert visitor.page.is_visible("#stop")
    pair.check(read(tmp_path / "saved.png")[..., :3], denoisers("rgb"))
    visitor.wait()
    assert visitor.rows == ["restored"] * 3
    assert visitor.text("#size") == "203\u202f×\u202f151"  # the view has stayed
    # Two results are only here: the browser asks before it leaves.
    with visitor.page.expect_event("dialog") as dialog:
        visitor.page.close(run_before_unload=True)
    assert dialog.value.type == "beforeunload"
    dialog.value.accept()
