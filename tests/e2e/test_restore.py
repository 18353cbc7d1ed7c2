"""``clearer restore`` as a user types it, on scikit-image's pictures."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from clearer.cli import app
from clearer.data.splits import PHOTOGRAPHS
from clearer.export.metadata import model_metadata
from clearer.export.to_onnx import to_onnx
from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.pictures.reading import read_picture
from clearer.space.space import Architecture, SearchSpace
from tests.command import SHORT
from tests.patience import PATIENCE_S


def clearer(*words: object) -> Result:
    return CliRunner().invoke(app, ["restore", *(str(word) for word in words)])


def make_network(channels: int, unshuffle: int = 2) -> RestorationNet:
    """A small network that removes something random, visible in every pixel."""
    torch.manual_seed(channels)
    space = SearchSpace(
        channels=channels, width=2, columns=(1, 1), unshuffle=unshuffle, residual=True
    )
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    torch.nn.init.normal_(network.output.head.weight, std=0.03)
    return network


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name, channels in (("gray", 1), ("rgb", 3)):
        network = make_network(channels)
        state = network.state_dict()
        save_network(folder / f"{name}.safetensors", network.architecture, state, {})
    network = make_network(1)
    (folder / "gray.onnx").write_bytes(to_onnx(network, model_metadata(network.architecture, {})))
    foreign = onnx.load(folder / "gray.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, folder / "foreign.onnx")
    return folder


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """A folder of pictures of many kinds, with a bad one among them."""
    folder = tmp_path / "scans"
    (folder / "a" / "b").mkdir(parents=True)
    with Image.open(PHOTOGRAPHS / "astronaut.png") as picture:
        color = picture.convert("RGB").resize((150, 100))
    deep = np.asarray(color).astype(np.uint16) * 257
    color.save(folder / "color.jpg", quality=95)
    color.convert("RGBA").save(folder / "a" / "alpha.png")
    (folder / "a" / "b" / "deep.png").write_bytes(imagecodecs.png_encode(deep))
    with Image.open(PHOTOGRAPHS / "camera.png") as picture:
        picture.convert("L").resize((90, 130)).save(folder / "a" / "gray.bmp")
    (folder / "bad.png").write_bytes(b"no picture at all")
    (folder / "notes.txt").write_text("no picture either")
    (folder / ".hidden.png").write_bytes(b"")
    return folder


def records(result: Result) -> dict[str, dict[str, Any]]:
    return {Path(record["input"]).name: record for record in json.loads(result.stdout)}


def test_a_folder_with_a_bad_file(models: Path, scans: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [scans, "--model", models / "gray.safetensors", "--out", out]
    result = clearer(*words, "--json")
    assert result.exit_code == 1
    assert "1 of 5 pictures failed" in result.stderr
    assert "bad.png cannot be read as an image" in result.stderr
    found = records(result)
    assert found["bad.png"]["status"] == "failed"
    written = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert written == {"color.jpg", "a/alpha.png", "a/b/deep.png", "a/gray.png"}
    assert found["deep.png"]["bits"] == read_picture(out / "a" / "b" / "deep.png").bits == 16
    assert (found["gray.bmp"]["width"], found["gray.bmp"]["height"]) == (90, 130)
    assert read_picture(out / "a" / "alpha.png").alpha is not None

    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    result = clearer(*words)
    assert result.exit_code == 1
    assert "4 skipped, 1 failed" in result.stdout
    assert before == {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    (scans / "bad.png").unlink()
    result = clearer(*words, "--overwrite")
    assert result.exit_code == 0, result.output
    assert "4 restored" in result.stdout
    assert all(path.stat().st_mtime_ns > then for path, then in before.items())


def test_what_a_folder_holds_fails_alone(models: Path, scans: Path, tmp_path: Path) -> None:
    (scans / "gone.png").symlink_to(scans / "nowhere.png")
    os.mkfifo(scans / "pipe.png")
    words = [scans, "--model", models / "gray.safetensors", "--out", tmp_path / "out"]
    result = clearer(*words, "--json")
    assert result.exit_code == 1
    found = records(result)
    assert {name for name in found if found[name]["status"] == "failed"} == {"bad.png", "gone.png"}
    assert "pipe.png" not in found
    (tmp_path / "file").write_bytes(b"")
    result = clearer(*words[:-1], tmp_path / "file" / "below")
    assert result.exit_code == 1
    assert "Not a directory" in result.stderr
    assert not result.stdout


def test_self_ensemble_restores_a_turned_picture_alike(
    models: Path, scans: Path, tmp_path: Path
) -> None:
    """With four rotations, the result of a rotated picture is the rotated result."""
    source, turned = scans / "a" / "gray.bmp", tmp_path / "turned.png"
    with Image.open(source) as picture:
        picture.transpose(Image.Transpose.ROTATE_90).save(turned)
    words = [source, turned, "--model", models / "gray.safetensors", "--out", tmp_path / "out"]
    results = {}
    for views in ("1", "4"):
        done = clearer(*words, "--overwrite", "--self-ensemble", views, "--tile", 96)
        assert done.exit_code == 0, done.output
        given, back = (
            read_picture(tmp_path / "out" / name).pixels for name in ("gray.png", "turned.png")
        )
        results[views] = np.abs(np.rot90(given.astype(int)) - back).max()
    assert results["1"] > 1
    assert results["4"] <= 1


def test_pixels_are_those_of_the_network(models: Path, scans: Path, tmp_path: Path) -> None:
    """A gray network restores each channel of a colour picture, in its 16 bits."""
    source = scans / "a" / "b" / "deep.png"
    words = [source, "--model", models / "gray.safetensors", "--out", tmp_path / "out"]
    assert clearer(*words).exit_code == 0
    network, _ = load_network(models / "gray.safetensors")
    pixels = read_picture(source).pixels
    with torch.inference_mode():
        planes = torch.from_numpy(pixels.astype(np.float32) / 65535).permute(2, 0, 1)[:, None]
        expected = network(planes).clamp(0, 1)[:, 0].permute(1, 2, 0).numpy() * 65535
    restored = read_picture(tmp_path / "out" / "deep.png").pixels
    assert np.abs(restored - expected).max() <= 1
    assert np.abs(restored - pixels.astype(float)).max() > 257  # it does something


@pytest.mark.parametrize(
    ("backend", "file"),
    [
        ("torch", "gray.safetensors"),
        ("onnxruntime", "gray.onnx"),
        ("openvino", "gray.onnx"),
        ("openvino", "gray.safetensors"),
    ],
)
def test_backends_and_tiles_agree(
    backend: str, file: str, models: Path, scans: Path, tmp_path: Path
) -> None:
    source, model = scans / "a" / "b" / "deep.png", models / file
    results = []
    for index, words in enumerate([["--tile", 96, "--overlap", 1000], ["--tile", 1000]]):
        out = tmp_path / str(index)
        options = ["--model", model, "--backend", backend, "--out", out, "--json", *words]
        result = clearer(source, *options)
        assert result.exit_code == 0, result.output
        results.append((read_picture(out / "deep.png").pixels, records(result)["deep.png"]))
    assert results[0][1]["tiles"] > results[1][1]["tiles"] == 1
    assert np.abs(results[0][0].astype(int) - results[1][0]).max() <= 2
    torch_out = tmp_path / "torch"
    clearer(source, "--model", models / "gray.safetensors", "--out", torch_out)
    other = read_picture(torch_out / "deep.png").pixels
    assert np.abs(results[1][0].astype(int) - other).max() <= 2


def test_luma_keeps_colours_and_rgb_networks_take_gray(
    models: Path, scans: Path, tmp_path: Path
) -> None:
    words = ["--model", models / "gray.onnx", "--color", "luma", "--out", tmp_path / "luma"]
    source = scans / "a" / "b" / "deep.png"
    assert clearer(source, *words).exit_code == 0
    before = read_picture(source).pixels.astype(int)
    after = read_picture(tmp_path / "luma" / "deep.png").pixels.astype(int)
    inside = ((after > 0) & (after < 65535)).all(axis=2)
    change = (after - before)[inside]
    assert np.ptp(change, axis=1).max() <= 1
    assert np.abs(change).max() > 257
    words = ["--model", models / "rgb.safetensors", "--out", tmp_path / "rgb"]
    assert clearer(scans / "a" / "gray.bmp", *words).exit_code == 0
    assert read_picture(tmp_path / "rgb" / "gray.png").pixels.shape == (130, 90, 1)


def test_a_foreign_network_says_its_overlap(models: Path, scans: Path, tmp_path: Path) -> None:
    words = [scans / "color.jpg", "--model", models / "foreign.onnx", "--out", tmp_path / "out"]
    result = clearer(*words, "--format", "png")
    assert result.exit_code == 0
    assert "overlap 64 (architecture unknown: see --overlap)" in result.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["color.png"]


def test_the_default_folder_inside_an_input_is_no_input(
    models: Path, scans: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(scans)
    (scans / "bad.png").unlink()
    for counted in ("4 restored", "4 skipped"):
        result = clearer(".", "--model", models / "gray.safetensors")
        assert result.exit_code == 0, result.output
        assert result.stdout.strip() == f"restored: {counted}"


def test_bad_use_is_one_line_and_nothing_is_written(
    models: Path, scans: Path, tmp_path: Path
) -> None:
    out, model = tmp_path / "out", ["--model", models / "gray.safetensors"]
    color, other = scans / "color.jpg", scans / "a" / "color.jpg"
    other.write_bytes(color.read_bytes())
    (tmp_path / "empty").mkdir()
    cases: list[tuple[list[object], str]] = [
        ([color, other, *model, "--out", out], "two pictures would become one file"),
        ([scans, *model, "--out", scans], "would overwrite an input"),
        ([scans / "none.png", *model], "none.png does not exist"),
        ([tmp_path / "empty", *model], "holds no picture"),
        ([color, *model, "--out", color], "is a file: give --out a folder"),
        ([color, *model, "--out", out, "--tile", 8], "--tile 8 is too small"),
        ([color, "--model", tmp_path / "none.onnx"], "none.onnx does not exist"),
        ([color, "--model", color], "is not a run folder"),
        ([color, "--model", models / "gray.onnx", "--backend", "torch"], "is an ONNX file"),
    ]
    for words, message in cases:
        result = clearer(*words)
        assert result.exit_code == 2, result.output
        assert message in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
    assert not out.exists()


def test_a_newest_run_without_training_is_named(
    make_images: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = make_images("photos", 4)
    monkeypatch.chdir(tmp_path)
    words = ["search", "--strategy", "random", "--width", "4", "--columns", "1,1", *SHORT]
    searched = CliRunner().invoke(app, [*words, "--data", str(photos), "--no-train"])
    assert "next: clearer train runs/" in searched.stdout
    result = clearer(photos / "picture0.png")
    assert result.exit_code == 2
    assert "is not trained: train it with clearer train runs/" in " ".join(result.stderr.split())
    assert "--model" in result.stderr
    named = clearer(photos / "picture0.png", "--model", "gray-small")
    assert named.exit_code == 0, named.output


def test_transparency_as_jpeg_fails_by_name(models: Path, scans: Path, tmp_path: Path) -> None:
    words = ["--model", models / "gray.safetensors", "--out", tmp_path / "out", "--format", "jpeg"]
    result = clearer(scans / "a" / "alpha.png", *words)
    assert result.exit_code == 1
    assert "alpha.png: JPEG holds no transparency: use --format png" in result.stderr


def process(models: Path, *words: object, **options: Any) -> subprocess.Popen[str]:
    words = ("restore", *words, "--model", models / "gray.safetensors")
    command = [sys.executable, "-m", "clearer.cli", *(str(word) for word in words)]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True, **options)


def test_a_full_disk_is_one_line(models: Path, scans: Path, tmp_path: Path) -> None:
    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

    out = tmp_path / "out"
    running = process(models, scans / "color.jpg", "--out", out, preexec_fn=limit)
    _, errors = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 1
    assert "color.jpg cannot be written" in errors.replace("\n", " ")
    assert "Traceback" not in errors
    assert list(out.iterdir()) == []


def test_ctrl_c_leaves_whole_files(models: Path, tmp_path: Path) -> None:
    folder, out = tmp_path / "many", tmp_path / "out"
    folder.mkdir()
    for index in range(3):
        Image.new("L", (60, 60), index).save(folder / f"{index}.png")
    # Seconds of work: a signal sent once the small ones are done arrives in the middle of it.
    Image.new("L", (6000, 6000)).save(folder / "large.png")

    def hear() -> None:
        # If a shell starts the tests in the background, they and their children ignore it.
        signal.signal(signal.SIGINT, signal.SIG_DFL)

    running = process(models, folder, "--out", out, preexec_fn=hear)
    deadline = time.monotonic() + PATIENCE_S
    while not out.exists() or len(list(out.glob("*.png"))) < 3:
        assert running.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.01)
    os.kill(running.pid, signal.SIGINT)
    _, errors = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 130
    assert "3 of 4 pictures are done" in errors.replace("\n", " ")
    assert sorted(path.name for path in out.iterdir()) == ["0.png", "1.png", "2.png"]
    assert all(read_picture(path).pixels.shape == (60, 60, 1) for path in out.iterdir())
