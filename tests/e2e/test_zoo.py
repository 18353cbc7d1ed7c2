"""Networks that come with the package, used by name as a user types them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clearer.data.splits import PHOTOGRAPHS
from clearer.pictures.reading import read_picture
from clearer.zoo import catalogue
from clearer.zoo.card_times import main_time
from clearer.zoo.catalogue import default_network, zoo_names
from tests.bench.tiny_onnx import identity
from tests.command import clearer
from tests.tiny_zoo import add_deblocker, add_derainer, add_network, add_photo_network


def error_db(one: Path, other: np.ndarray[Any, Any]) -> float:
    difference = read_picture(one).pixels[..., 0].astype(float) - other
    return float(10 * np.log10(255**2 / np.square(difference).mean()))


@pytest.fixture
def empty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def tiny(tmp_path: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A gray and an RGB network instead of those of the package, and two pictures."""
    folder = tmp_path / "zoo"
    folder.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    for name, channels in (("some-gray", 1), ("some-rgb", 3)):
        add_network(folder, name, channels)
    with Image.open(PHOTOGRAPHS / "coffee.png") as picture:
        small = picture.convert("RGB").resize((60, 50))
    small.save(empty / "color.png")
    small.convert("L").save(empty / "gray.png")
    return folder


def test_the_first_minute(empty: Path) -> None:
    """Noise is removed in a folder that holds nothing but a picture."""
    with Image.open(PHOTOGRAPHS / "camera.png") as picture:
        clean = np.asarray(picture.convert("L"))[150:278, 150:278].astype(float)
    noisy = clean + np.random.default_rng(0).normal(0, 25, clean.shape)
    Image.fromarray(np.rint(noisy.clip(0, 255)).astype(np.uint8)).save(empty / "photo.png")
    result = clearer("restore", "photo.png")
    assert result.exit_code == 0, result.output
    assert f"{default_network(1).name} " in result.stderr
    assert "which comes with clearer" in result.stderr
    assert error_db(Path("restored/photo.png"), clean) > error_db(Path("photo.png"), clean) + 5
    assert {path.name for path in empty.iterdir()} == {"photo.png", "restored"}


def test_zoo_lists_all() -> None:
    cards = json.loads(clearer("zoo", "--json").stdout)
    assert tuple(card["name"] for card in cards) == zoo_names()
    result = clearer("zoo")
    assert result.exit_code == 0
    assert cards[0]["name"] in result.stdout
    assert f"{cards[0]['figures']['rows'][0]['psnr_db']:.2f}" in result.stdout
    assert cards[0]["times"]["device"] in result.stderr


@pytest.mark.usefixtures("tiny")
def test_each_picture_gets_the_network_of_its_kind() -> None:
    result = clearer("restore", "color.png", "gray.png")
    assert result.exit_code == 0, result.output
    assert "some-gray P-F, gray, which comes with clearer" in result.stderr
    assert "some-rgb P-F, RGB, which comes with clearer" in result.stderr
    assert "each channel by itself" not in result.stderr
    for name, model in (("color", "some-rgb"), ("gray", "some-gray")):
        words = [f"{name}.png", "--model", model, "--out", "named"]
        assert clearer("restore", *words).exit_code == 0
        default, named = (read_picture(Path(f) / f"{name}.png") for f in ("restored", "named"))
        assert (default.pixels == named.pixels).all()


def test_a_level_that_a_network_would_not_heed_fails_its_picture_alone(tiny: Path) -> None:
    add_network(tiny, "told-gray", 1, gain_db=1, level_map=True)
    result = clearer("restore", ".", "--sigma", 20)
    assert result.exit_code == 1
    assert "some-rgb takes no noise level" in result.stderr.replace("\n", " ")
    assert [path.name for path in Path("restored").iterdir()] == ["gray.png"]


def test_without_an_rgb_network_each_channel_is_restored(tiny: Path) -> None:
    (tiny / "some-rgb.safetensors").unlink()
    result = clearer("restore", "color.png")
    assert result.exit_code == 0, result.output
    assert "each channel by itself" in result.stderr
    assert "some-gray P-F, gray, which comes with clearer" in result.stderr


@pytest.mark.parametrize("columns", [80, 120])
def test_zoo_shows_networks_of_all_kinds(
    tiny: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    add_network(tiny, "one-level", 1, "50")
    add_derainer(tiny, "rain")
    monkeypatch.setenv("COLUMNS", str(columns))
    result = clearer("zoo")
    assert result.exit_code == 0, result.output
    lines = result.stdout.splitlines()
    assert max(len(line) for line in lines) <= columns
    rows = {words[0]: words for line in lines if len(words := line.split()) >= 5}
    for name, start in (("one-level", ["bsd68", "50"]), ("rain", ["rain800", "–"])):
        card = catalogue.zoo_network(name).card
        psnr_db, time = card["figures"]["rows"][0]["psnr_db"], main_time(card)
        assert time is not None
        assert rows[name][3:] == [*start, f"{psnr_db:.2f}", f"{time['median_ms']:.1f}"]
    assert {"some-gray", "some-rgb"} <= set(rows)
    assert len(result.stderr.splitlines()) == 2  # all were timed and trained alike
    assert "one-level, rain, some-gray, some-rgb; ms: ONNX Runtime fp32" in result.stderr


def test_no_network_for_one_level_or_rain_is_taken_unasked(tiny: Path) -> None:
    add_derainer(tiny, "a-rain")
    add_network(tiny, "z-one-level", 1, "50", gain_db=9)
    add_network(tiny, "z-one-level-rgb", 3, "25", gain_db=9)
    result = clearer("restore", "color.png", "gray.png")
    assert result.exit_code == 0, result.output
    assert "some-gray P-F, gray, which comes with clearer" in result.stderr
    assert "some-rgb P-F, RGB, which comes with clearer" in result.stderr


@pytest.fixture
def photographs(tiny: Path, empty: Path) -> Path:
    """A network for photographs; pictures with the noise of a camera, and with white noise."""
    with Image.open(PHOTOGRAPHS / "coffee.png") as picture:
        clean = np.asarray(picture.convert("RGB").resize((160, 120)), np.float32)
    noise = np.random.default_rng(0).normal(0, 12, clean.shape)
    noisy = Image.fromarray(np.rint((clean + noise).clip(0, 255)).astype(np.uint8))
    noisy.save(empty / "white.png")
    noisy.save(empty / "camera.jpg", quality=90, subsampling="4:2:0")
    noisy.convert("L").save(empty / "white-gray.png")
    noisy.convert("L").save(empty / "camera-gray.jpg", quality=75)
    return add_photo_network(tiny, "some-photo")


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_photographs_are_for_the_network_for_them(photographs: Path, backend: str) -> None:
    found = {
        "camera.jpg": ("some-photo", "no white noise"),
        "camera-gray.jpg": ("some-photo", "no white noise"),
        "white.png": ("some-rgb", "white noise"),
        "white-gray.png": ("some-gray", "white noise"),
    }
    result = clearer("restore", *found, "--backend", backend, "--format", "png")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert said.count("some-photo P-F, RGB, which comes with clearer") == 1
    for name, (model, why) in found.items():
        assert f"{Path(name).stem}.png: 160x120, 8 bits, by {model} ({why}), " in said
    for name, (model, _) in found.items():
        words = [name, "--model", model, "--backend", backend, "--format", "png", "--out", "named"]
        result = clearer("restore", *words, "--json")
        assert result.exit_code == 0, result.output
        (record,) = json.loads(result.stdout)
        assert (record["network"], record["why"]) == (model, None)
        stem = f"{Path(name).stem}.png"
        default, named = (read_picture(Path(f) / stem).pixels for f in ("restored", "named"))
        assert (default == named).all()


def test_three_equal_channels_are_a_gray_picture(tiny: Path, photographs: Path) -> None:
    with Image.open("white-gray.png") as picture:
        picture.convert("RGB").save("equal.png")
    result = clearer("restore", "white-gray.png", "equal.png", "--json")
    assert result.exit_code == 0, result.output
    assert [record["network"] for record in json.loads(result.stdout)] == ["some-gray"] * 2
    gray, equal = (read_picture(Path("restored") / f"{n}.png") for n in ("white-gray", "equal"))
    assert (equal.pixels == gray.pixels).all()
    assert equal.pixels.shape[2] == 3


def test_no_network_is_loaded_that_no_picture_needs(photographs: Path, tiny: Path) -> None:
    for name in ("some-photo", "some-gray"):
        (tiny / f"{name}.safetensors").write_bytes(b"damaged")
    result = clearer("restore", "white.png")
    assert result.exit_code == 0, result.output
    assert "some-rgb P-F, RGB" in result.stderr
    assert "some-gray" not in result.stderr
    result = clearer("restore", "camera.jpg", "--json")
    assert result.exit_code == 1
    (record,) = json.loads(result.stdout)
    assert "some-photo.safetensors is damaged" in record["reason"]
    assert not Path("restored/camera.jpg").exists()


def test_jpeg_of_low_quality_is_for_the_network_for_it(photographs: Path, tiny: Path) -> None:
    with Image.open("white.png") as picture:
        picture.save("low.jpg", quality=60)
        picture.convert("L").save("low-gray.jpg", quality=20)
        picture.save("higher.jpg", quality=61)
    names = ["low.jpg", "low-gray.jpg", "higher.jpg", "white.png"]

    def networks() -> list[str]:
        result = clearer("restore", *names, "--overwrite", "--json")
        assert result.exit_code == 0, result.output
        return [record["network"] for record in json.loads(result.stdout)]

    assert networks() == ["some-photo", "some-photo", "some-photo", "some-rgb"]
    add_deblocker(tiny, "some-jpeg")
    assert networks() == ["some-jpeg", "some-jpeg", "some-photo", "some-rgb"]
    result = clearer("restore", "low.jpg", "--overwrite")
    assert "by some-jpeg (JPEG of quality 60)" in " ".join(result.stderr.split())


def test_a_level_that_is_given_is_that_of_white_noise(photographs: Path, tiny: Path) -> None:
    add_network(tiny, "some-levelled", 3, "5:60", level_map=True)
    add_deblocker(tiny, "some-jpeg")
    result = clearer("restore", "camera.jpg", "--sigma", "12", "--json")
    assert result.exit_code == 0, result.output
    (record,) = json.loads(result.stdout)
    assert (record["network"], record["sigma"]) == ("some-levelled", 12)
    result = clearer("restore", "camera.jpg", "--overwrite", "--json")
    assert json.loads(result.stdout)[0]["network"] == "some-photo"


@pytest.mark.parametrize("backend", ["torch", "onnxruntime"])
def test_rain_goes_from_colour_pictures_alone(tiny: Path, backend: str) -> None:
    add_derainer(tiny, "rain")
    words = ["--model", "rain", "--backend", backend]
    result = clearer("restore", "color.png", *words)
    assert result.exit_code == 0, result.output
    restored, given = (read_picture(Path(f)).pixels for f in ("restored/color.png", "color.png"))
    assert restored.shape == given.shape
    assert (restored != given).any()
    result = clearer("restore", "gray.png", *words, "--json")
    assert result.exit_code == 1
    (record,) = json.loads(result.stdout)
    assert record["reason"] == (
        "gray.png is gray, and the network was made for pairs of RGB pictures: restore it "
        "with another --model"
    )
    assert sum("gray.png is gray" in line for line in result.stderr.splitlines()) == 1
    assert not Path("restored/gray.png").exists()


def test_figures_of_rain_by_name(tiny: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", lambda spec: None)
    add_derainer(tiny, "rain")
    with Image.open("color.png") as picture:
        clean = np.asarray(picture)
    rainy = np.maximum(clean, np.random.default_rng(0).random(clean.shape[:2])[..., None] * 255)
    (empty / "pairs" / "test").mkdir(parents=True)
    both = np.concatenate([clean, rainy.astype(np.uint8)], axis=1)
    Image.fromarray(both).save("pairs/test/1.png")
    result = clearer("eval", "rain", "--data", "pairs", "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["protocol"], report["data"]) == ("pairs", "pairs, test")
    other = identity(empty / "same.onnx", 3)
    words = ["--data", "pairs", "--against", other, "--size", "32x32", "--runs", 3, "--batch", 0]
    result = clearer("bench", "rain", *words, "--backend", "onnxruntime", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert [row["name"] for row in rows] == ["rain", "same"]
    assert rows[0]["psnr_db"] == pytest.approx(report["mean"]["psnr_db"], abs=1e-3)
    assert rows[1]["psnr_db"] == pytest.approx(report["mean"]["input_psnr_db"], abs=1e-3)


@pytest.mark.usefixtures("tiny")
def test_a_run_or_a_folder_of_the_same_name_goes_first() -> None:
    assert clearer("export", "some-rgb", "--out", "some-gray").exit_code == 0
    result = clearer("restore", "gray.png", "--model", "some-gray")
    assert "some-gray P-F, RGB; ONNX Runtime" in result.stderr
    shutil.copytree("some-gray", "runs/newest")
    result = clearer("restore", "gray.png", "--out", "other")
    assert "newest P-F, RGB; ONNX Runtime" in result.stderr


@pytest.mark.usefixtures("tiny")
def test_a_network_is_shown_by_name() -> None:
    assert "architecture P-F" in clearer("show", "some-gray").stderr
    shown = json.loads(clearer("show", "some-gray", "--json").stdout)
    assert (shown["choices"], shown["schema_version"]) == ("P-F", 2)
    assert clearer("show", "some-gray", "--front").exit_code == 2


@pytest.mark.usefixtures("tiny")
def test_files_for_other_runtimes_are_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openvino", reason="the extra openvino is not installed")
    result = clearer("export", "some-gray", "--io", "image", "--json")
    assert result.exit_code == 0, result.output
    assert [row["file"] for row in json.loads(result.stdout)["files"]] == [
        "model.onnx",
        "model.image.onnx",
    ]
    assert clearer("show", "some-gray/model.onnx").exit_code == 0
    shutil.move("some-gray", tmp_path / "moved")
    words = ["restore", "gray.png", "--model", "some-gray", "--backend", "openvino"]
    result = clearer(*words)
    assert result.exit_code == 0, result.output
    assert "some-gray, gray, which comes with clearer; OpenVINO" in result.stderr

    def refuse(*arguments: object) -> None:
        raise AssertionError("it is in the cache")

    monkeypatch.setattr("clearer.export.zoo.export_run", refuse)
    assert clearer(*words, "--overwrite").exit_code == 0


@pytest.mark.usefixtures("tiny")
def test_figures_by_name(empty: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", lambda spec: None)
    result = clearer("eval", "some-gray", "--data", ".", "--sigma", 15, "--json")
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["model"]["name"], report["task"]["sigma"]) == ("some-gray P-F", "15")
    words = ["--data", ".", "--sigma", 15, "--size", "32x32", "--runs", 3, "--batch", 0]
    words += ["--backend", "torch", "--backend", "onnxruntime", "--no-classical"]
    result = clearer("bench", "some-gray", *words, "--report", "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    assert {row["name"] for row in rows} == {"some-gray"}
    assert [row["backend"] for row in rows] == ["torch eager", "ONNX Runtime"]
    assert [row["psnr_db"] for row in rows] == pytest.approx([report["mean"]["psnr_db"]] * 2)
    assert (empty / "bench" / "report.html").is_file()


@pytest.mark.usefixtures("tiny")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["restore", "gray.png", "--model", "grey"], "grey does not exist here"),
        (["eval", "grey", "--data", "."], "some-gray, some-rgb"),
        (["bench", "grey", "--data", "."], "some-gray, some-rgb"),
        (["export", "grey"], "some-gray, some-rgb"),
        (["demo", "grey"], "some-gray, some-rgb"),
        (["export", "--out", "x"], "--out is for a network of clearer zoo"),
        (["bench", "some-gray"], "give a folder of clean images"),
    ],
)
def test_bad_use_is_one_line(words: list[str], message: str) -> None:
    result = clearer(*words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert not Path("grey").exists()


@pytest.mark.parametrize("environment", [{"COLUMNS": "40"}, {"PYTHONIOENCODING": "latin-1"}])
def test_figures_are_shown_in_any_terminal(environment: dict[str, str]) -> None:
    words = [sys.executable, "-m", "clearer", "zoo"]
    done = subprocess.run(words, env={**os.environ, **environment}, capture_output=True)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.decode("latin-1")
    for row in catalogue.zoo_network("gray-50").card["figures"]["rows"]:
        assert f"{row['psnr_db']:.2f}" in shown
    assert "awgn" in shown
