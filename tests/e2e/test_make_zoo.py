"""The scripts that make the networks of the package, on tiny sets of pictures."""

from __future__ import annotations

import hashlib
import importlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from typer.testing import CliRunner

from clearer.bench.runners import TorchRunner
from clearer.cli import app
from clearer.data.datasets import DATA_SETS, DataSet
from clearer.data.splits import PHOTOGRAPHS
from clearer.errors import InputError
from clearer.networks.tell_level import tell_level
from clearer.pictures.images import Color
from clearer.restoring.evaluate import VALIDATION_SEED
from clearer.support.files import read_json, write_json
from clearer.tasks.base import Span
from clearer.tasks.dejpeg import DeJpeg
from clearer.tasks.denoise import Denoise
from clearer.tasks.paired import Derain
from clearer.tasks.photo import Photo
from clearer.zoo import catalogue
from clearer.zoo.card import card_markdown, comparison_table
from clearer.zoo.overview import overview_table
from tests.tiny_zoo import add_deblocker, add_derainer, add_network

ROOT = Path(__file__).resolve().parents[2]
TINY = ["--width", "2", "--search-iterations", "2", "--iterations", "4", "--batch-size", "2"]
TINY += ["--patch-size", "16", "--precision", "fp32", "--unshuffle", "2", "--columns", "1,1"]
MARKS = "before\n<!-- written by benchmarks/zoo/{} -->\n<!-- until here -->\nafter\n"
Script = Callable[[str], Any]
Cut = Callable[[int], NDArray[np.uint8]]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """A script of benchmarks/zoo as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "zoo")
    return importlib.import_module


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty zoo."""
    path = tmp_path / "zoo"
    path.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", path)
    return path


@pytest.fixture
def cut() -> Cut:
    """Pieces of a photograph, 48 pixels high and 40 wide."""
    with Image.open(PHOTOGRAPHS / "coffee.png") as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return lambda index: pixels[index * 9 : index * 9 + 48, index * 20 : index * 20 + 40]


def know(monkeypatch: pytest.MonkeyPatch, name: str, folder: Path, scenes: str = "") -> None:
    """Let the registry list the files of a folder instead of the real set."""
    hashes = {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*.png"))
    }
    real = DataSet.hashes
    monkeypatch.setattr(DataSet, "hashes", lambda self: hashes if self.name == name else real(self))
    if scenes:
        monkeypatch.setattr(DataSet, "scenes", lambda self: scenes if self.name == name else None)


def make(script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, words: list[str]) -> Any:
    """Run make.py at a small size, only in ONNX Runtime; return the card."""
    module, readme, networks = script("make"), tmp_path / "README.md", tmp_path / "networks.md"
    for constant, page in (("README", readme), ("NETWORKS", networks)):
        page.write_text(MARKS.format("make.py"))
        monkeypatch.setattr(module, constant, page)
    monkeypatch.setattr(module, "SIZE", (24, 32))
    monkeypatch.setattr(module, "BACKENDS", ("onnxruntime",))
    monkeypatch.setitem(os.environ, "CLEARER_DATA", str(tmp_path))
    words += ["--data", str(tmp_path), "--rounds", "2", "--threads", "1", "--peers", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["make.py", *words])
    module.main()
    name = words[1]
    card: Any = read_json(catalogue.FOLDER / f"{name}.json")
    assert (catalogue.FOLDER / f"{name}.md").read_text() == card_markdown(card)
    assert f"\n{overview_table([card])}\n" in readme.read_text()
    assert f"\n{comparison_table([card])}\n" in networks.read_text()
    assert catalogue.zoo_network(name).load()[0].architecture.text == card["architecture"]
    assert str(tmp_path) not in (catalogue.FOLDER / f"{name}.json").read_text()
    return card


@pytest.mark.usefixtures("folder")
def test_a_network_for_rain(
    script: Script, cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, rng = tmp_path / "rain800", np.random.default_rng(0)
    for part, indices in (("train", range(8)), ("test", range(6, 10))):
        (data / part).mkdir(parents=True)
        for index in indices:
            rain = 255 * (rng.random((48, 40, 1)) < 0.1).astype(np.uint8)
            both = np.concatenate([cut(index), np.maximum(cut(index), rain)], axis=1)
            Image.fromarray(both).save(data / part / f"{index}.png")
    scenes = "train/6.png test/6.png\ntrain/7.png test/7.png\n"
    (data / "repeated_scenes.txt").write_text(scenes)
    monkeypatch.setattr(script("quality"), "MAX_MEGAPIXELS", 48 * 40 / 1e6)
    with Image.open(data / "test" / "9.png") as pair:
        pair.resize((160, 96)).save(data / "test" / "9.png")
    know(monkeypatch, "rain800", data, scenes)
    (tmp_path / "kodak24").mkdir()
    Image.fromarray(cut(8)).save(tmp_path / "kodak24" / "8.png")
    know(monkeypatch, "kodak24", tmp_path / "kodak24")
    words = ["search", "--task", "derain", "--color", "rgb", *TINY]
    words += ["--data", str(data), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    card = make(script, monkeypatch, tmp_path, [str(tmp_path / "run"), "rgb-derain"])
    training, (row,) = card["training"], card["figures"]["rows"]
    assert training["left_out"] == ["train/6.png", "train/7.png"]
    assert [training["iteration"], training["val_psnr_db"]] in training["curve"]
    assert 0 < training["hours"] < 1
    assert training["num_in_test"] == 0
    assert training["num_train"] + training["num_val"] == 6
    assert training["train"] == {"rain800 train": training["num_train"]}
    assert card["figures"]["left_out"] == ["test/9.png"]
    assert (row["data"], row["num_images"], row["sigma_255"]) == ("rain800", 3, None)
    assert row["input_psnr_db"] < 20 < card["probes"]["rows"][0]["psnr_db"]
    assert row["input_psnr_db"] < row["y_input_psnr_db"] < row["input_psnr_db"] + 3
    assert row["y_psnr_db"] != row["psnr_db"]
    assert card["figures"]["clean"]["num_images"] == 1
    assert card["figures"]["clean"]["psnr_db"] > 20
    assert len(card["probes"]["rows"]) == 3
    assert card["purpose"] == "RGB pictures with rain"
    assert "research only" in card["licence"]
    assert [entry["name"][:7] for entry in card["times"]["rows"]] == ["clearer"]
    words = ["--keep-times", "rgb-derain", "--keep-figures"]
    assert make(script, monkeypatch, tmp_path, words) == card


@pytest.mark.usefixtures("folder")
def test_a_network_for_photographs(
    script: Script, cut: Cut, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trained on a mixture of two sets, including one test picture, which the card counts."""
    rng = np.random.default_rng(0)
    places = {"bsds500": "pictures/train", "photos149": "pictures/val"}
    for place, indices in (("pictures/train", range(4)), ("pictures/val", range(4, 6))):
        (tmp_path / place).mkdir(parents=True)
        for index in indices:
            Image.fromarray(cut(index)).save(tmp_path / place / f"{index}.png")
    for place, indices in (("polyu/clean", range(6, 9)), ("kodak24", range(8, 10))):
        (tmp_path / place).mkdir(parents=True)
        for index in indices:
            Image.fromarray(cut(index)).save(tmp_path / place / f"{index}.png")
    (tmp_path / "polyu" / "noisy").mkdir()
    for index in range(6, 9):
        noisy = cut(index) + rng.normal(0, 8, (48, 40, 3))
        pixels = np.rint(noisy.clip(0, 255)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "polyu" / "noisy" / f"{index}.png")
    shutil.copy(tmp_path / "kodak24" / "8.png", tmp_path / "pictures" / "train")
    hashes = {
        name: {
            str(path.relative_to(tmp_path / place)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted((tmp_path / place).rglob("*.png"))
        }
        for name, place in {**places, "polyu": "polyu", "kodak24": "kodak24"}.items()
    }
    monkeypatch.setattr(DataSet, "hashes", lambda self: hashes.get(self.name, {}))
    monkeypatch.setattr(script("quality"), "NUM_TUNED", 1)
    words = ["search", "--task", "photo", "--color", "rgb", *TINY]
    words += ["--data", str(tmp_path / "pictures"), "--out", str(tmp_path / "run")]
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    card = make(script, monkeypatch, tmp_path, [str(tmp_path / "run"), "rgb-photo"])
    (row,), figures, training = card["figures"]["rows"], card["figures"], card["training"]
    assert (row["data"], row["num_images"], row["sigma_255"]) == ("polyu", 2, None)
    assert figures["num_tuned"] == 1
    assert 0 <= figures["num_ssim_lost"] <= 2
    assert figures["clean"]["num_images"] == 2
    assert figures["clean"]["least_psnr_db"] <= figures["clean"]["psnr_db"]
    assert training["train"] == {"bsds500": 5}
    assert training["val"] == {"photos149": 2}
    assert training["num_in_test"] == 1
    assert card["purpose"].startswith("photographs")
    assert len(card["probes"]["rows"]) == 3
    assert card["licence"].endswith(f"bsds500, {DATA_SETS['bsds500'].terms}")


def test_the_licence_names_the_terms_of_each_set(script: Script) -> None:
    text = script("make").licence({"photos149", "bsds500"})
    assert text.startswith("code MIT; weights trained on bsds500, ")
    for name in ("bsds500", "photos149"):
        assert f"{name}, {DATA_SETS[name].terms}" in text


def test_pictures_that_test_are_counted(script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    count = script("training").num_in_test
    assert count(["train/460.jpg", "train/1.jpg", "test/6.jpg"]) == 2
    known = script("training").registry()
    found = [*list(DATA_SETS["cbsd68"].hashes().values())[:2], "0" * 64]
    assert script("training").origins(found, known) == {"bsds500 val": 2, "unknown origin": 1}


@pytest.mark.parametrize(
    ("color", "names"), [("gray", ("bsd68", "set12")), ("rgb", ("cbsd68", "kodak24"))]
)
def test_figures_for_one_level(
    script: Script,
    cut: Cut,
    folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    color: Color,
    names: tuple[str, str],
) -> None:
    for name in names:
        (tmp_path / name).mkdir()
        for index in range(2):
            Image.fromarray(cut(index + len(name))).save(tmp_path / name / f"{index}.png")
        know(monkeypatch, name, tmp_path / name)
    monkeypatch.setenv("CLEARER_DATA", str(tmp_path))
    add_network(folder, "one-level", 3 if color == "rgb" else 1, "50")
    network = catalogue.zoo_network("one-level")
    runner = TorchRunner(network.name, network.load()[0])
    figures = script("quality").measure_figures(runner, color, network.task, has_level=False)
    found = [(row["data"], row["sigma_255"], row["num_images"]) for row in figures["rows"]]
    assert found == [(name, 50, 2) for name in names]
    assert figures["noise_seed"] == VALIDATION_SEED
    assert (
        script("quality").measure_probes(runner, color, network.task, has_level=False)["sigma_255"]
        == 50
    )
    purpose = script("make").purpose(color, network.task, has_level=False)
    assert purpose.endswith("pictures with white Gaussian noise of sigma 50 (of 255)")
    peers = script("make").peer_names(network.task, color)
    assert peers == (("dncnn_s50", "ffdnet_s50") if color == "gray" else ("ffdnet_color_s50",))
    with pytest.raises(InputError, match="holds none of the usual levels: 15, 25, 50"):
        script("quality").measure_figures(
            runner, color, Denoise(sigma=Span(30, 40)), has_level=False
        )


def test_a_network_that_is_told_the_level_is_told_it(
    script: Script, cut: Cut, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("bsd68", "set12"):
        (tmp_path / name).mkdir()
        Image.fromarray(cut(0)).save(tmp_path / name / "0.png")
        know(monkeypatch, name, tmp_path / name)
    monkeypatch.setenv("CLEARER_DATA", str(tmp_path))
    add_network(folder, "one-level", 1, "50")
    network = catalogue.zoo_network("one-level")
    plain, _ = network.load()
    found = []
    for known, has_level in ((plain, False), (tell_level(plain, 50 / 255), True)):
        words = (TorchRunner("any", known), "gray", network.task)
        figures = script("quality").measure_figures(*words, has_level=has_level)
        probes = script("quality").measure_probes(*words, has_level=has_level)
        found.append([row["psnr_db"] for row in figures["rows"] + probes["rows"]])
    assert found[1] == pytest.approx(found[0], abs=1e-3)
    purpose = script("make").purpose("gray", Denoise(sigma=Span(0, 75)), has_level=True)
    assert purpose.endswith("sigma 0 to 75 (of 255), noise level given or estimated")


def test_figures_of_jpeg(
    script: Script, cut: Cut, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Set12 is gray, and the network is not."""
    for name, mode in (("kodak24", "RGB"), ("set12", "L")):
        (tmp_path / name).mkdir()
        for index in range(2):
            Image.fromarray(cut(index)).convert(mode).save(tmp_path / name / f"{index}.png")
        know(monkeypatch, name, tmp_path / name)
    monkeypatch.setenv("CLEARER_DATA", str(tmp_path))
    add_deblocker(folder, "jpeg")
    network = catalogue.zoo_network("jpeg")
    runner = TorchRunner(network.name, network.load()[0])
    figures = script("quality").measure_figures(runner, "rgb", network.task, has_level=False)
    found = [(row["data"], row["quality"]) for row in figures["rows"]]
    assert found == [(name, q) for name in ("kodak24", "set12") for q in (10, 20, 30, 40)]
    for row in figures["rows"]:
        assert row["input_psnr_b_db"] < row["input_psnr_db"]
        assert row["psnr_b_db"] <= row["psnr_db"]
    by_quality = [row["input_psnr_db"] for row in figures["rows"][:4]]
    assert by_quality == sorted(by_quality)
    assert figures["protocol"] == "jpeg"
    purpose = script("make").purpose("rgb", network.task, has_level=False)
    assert purpose == "RGB pictures that were saved as JPEG, quality 10:60"
    with pytest.raises(InputError, match="holds none of the usual ones: 10, 20, 30, 40"):
        script("quality").measure_figures(
            runner, "rgb", DeJpeg(quality=Span(50, 60)), has_level=False
        )


def test_times_are_taken_over_from_the_same_layers_alone(script: Script, folder: Path) -> None:
    add_network(folder, "one", 1)
    add_network(folder, "other", 1, "50")
    one: Any
    other: Any
    one, other = (dict(catalogue.zoo_network(name).card) for name in ("one", "other"))
    one["times"].pop("of", None)
    write_json(folder / "one.json", one)
    times_of = script("make").times_of
    assert times_of("one", one) == one["times"]
    assert times_of("one", other) == {**one["times"], "of": "one"}
    text = card_markdown(other | {"times": times_of("one", other)})
    assert "Measured with `one`, which differs in its weights alone." in text
    with pytest.raises(InputError, match="one has other layers than other"):
        times_of("one", {**other, "architecture": "FFFF-FFFF-FFFF"})


def test_what_has_no_figures_is_refused(script: Script) -> None:
    check = script("quality").check_task
    check(Denoise(), "gray")
    check(Derain(), "rgb")
    check(Photo(), "rgb")
    check(DeJpeg(), "rgb")
    for task, color in (
        (DeJpeg(), "gray"),
        (Derain(), "gray"),
        (Derain(layout="folders"), "rgb"),
        (Photo(), "gray"),
    ):
        with pytest.raises(InputError, match="figures are measured for white Gaussian noise"):
            check(task, color)


def test_the_first_picture_of_the_readme(script: Script, folder: Path, tmp_path: Path) -> None:
    readme = tmp_path / "README.md"
    add_network(folder, "some-gray", 1)
    add_derainer(folder, "rain")
    draw, contents = script("picture").main, {}
    for color in ("gray", "rgb"):
        if color == "rgb":
            add_network(folder, "some-rgb", 3)
        for name in ("one", "again"):
            readme.write_text(MARKS.format("picture.py"))
            draw(tmp_path / f"{name}.png", readme)
        assert (tmp_path / "one.png").read_bytes() == (tmp_path / "again.png").read_bytes()
        with Image.open(tmp_path / "one.png") as picture:
            text = picture.info["Description"]
        assert f"`some-{color}`" in text
        assert f"\n{text}\n" in readme.read_text()
        contents[color] = text
    assert contents["gray"] != contents["rgb"]


def test_the_picture_is_of_the_networks_that_are_there(script: Script, tmp_path: Path) -> None:
    """If it fails, run python benchmarks/zoo/picture.py."""
    with Image.open(ROOT / "docs" / "restored.png") as picture:
        text = picture.info["Description"]
    assert f"\n{text}\n" in (ROOT / "README.md").read_text()
    now = script("picture").draw(tmp_path / "now.png")

    def split(caption: str) -> tuple[list[str], list[float]]:
        words = re.sub("[,;]", "", caption).split()
        is_figure = ["." in w and w.replace(".", "").isdigit() for w in words]
        pairs = list(zip(words, is_figure, strict=True))
        return [w for w, yes in pairs if not yes], [float(w) for w, yes in pairs if yes]

    assert split(now)[0] == split(text)[0]
    assert split(now)[1] == pytest.approx(split(text)[1], abs=0.02)
