"""A network that is given the noise level: searched, trained, exported, measured, used."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from clearer.data.splits import PHOTOGRAPHS, load_splits
from clearer.export.metadata import metadata_of
from clearer.networks.level_map import at_level, with_level
from clearer.networks.network import load_network
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.runs.run import Run
from clearer.support.files import read_jsonl
from clearer.zoo import catalogue
from tests.command import clearer
from tests.photographs import save_photographs

SHORT = ["--iterations", "30", "--batch-size", "4", "--patch-size", "32", "--precision", "fp32"]
RACE = ["--budget-mb", "0.1", "--contenders", "2", "--search-iterations", "2", *SHORT]
FEW = ["--iterations", "8", "--batch-size", "2", "--patch-size", "32", "--validate-every", "4"]
LEVELS = (3.0, 40.0)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    names = {"train": ["astronaut", "brick", "coins"], "val": ["camera"], "test": ["coffee"]}
    return save_photographs(tmp_path_factory.mktemp("photos"), names, "L", (96, 80))


@pytest.fixture(scope="module")
def run(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    path = tmp_path_factory.mktemp("runs") / "run"
    words = ["--level-map", "--sigma", "0:75", "--data", photos, "--out", path]
    result = clearer("search", *RACE, *words)
    assert result.exit_code == 0, result.output
    return Run.open(path)


@pytest.fixture(scope="module")
def exported(run: Run) -> Run:
    what = ["--fp16", "--int8", "--io", "image", "--torch"]
    for words in ([*what, "--shapes", "2x32x48"], ["--sigma", "25", "--torch", "--fp16"]):
        result = clearer("export", run.path, *words)
        assert result.exit_code == 0, result.output
    return run


def noisy(size: tuple[int, int] = (37, 50), count: int = 1) -> NDArray[np.float32]:
    rng = np.random.default_rng(0)
    return rng.random((count, 1, *size), dtype=np.float32)


def torch_result(run: Run, image: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    network, _ = run.load_network()
    return torch_restorer(network)(with_level(image, sigma / 255))


def file_result(path: Path, image: NDArray[Any], *sigmas: float) -> NDArray[Any]:
    ort = pytest.importorskip("onnxruntime")
    session = ort.InferenceSession(path, providers=["CPUExecutionProvider"])
    feed = {"input": image}
    if sigmas:
        feed["sigma"] = np.array(sigmas, np.float32)
    result: NDArray[Any] = session.run(None, feed)[0]
    return result


def test_the_run_knows_its_level_map(run: Run) -> None:
    assert run.read_architecture().space.level_map
    assert run.settings().space.level_map
    shown = clearer("show", run.path)
    assert shown.exit_code == 0
    assert "noise level" in shown.output


@pytest.mark.parametrize("sigma", LEVELS)
def test_the_file_takes_the_level_as_a_second_input(exported: Run, sigma: float) -> None:
    image = noisy()
    expected = torch_result(exported, image, sigma)
    given = file_result(exported.path / "model.onnx", image, sigma)
    assert np.abs(given - expected).max() < 1e-4
    half = file_result(exported.path / "model.fp16.onnx", image, sigma)
    assert np.abs(half - expected).max() < 0.02


def test_a_batch_has_one_level_or_one_each(exported: Run) -> None:
    image = noisy(count=2)
    path = exported.path / "model.onnx"
    each = file_result(path, image, *LEVELS)
    for index, sigma in enumerate(LEVELS):
        expected = torch_result(exported, image[index : index + 1], sigma)
        assert np.abs(each[index] - expected[0]).max() < 1e-4
    one = file_result(path, image, LEVELS[1])
    assert np.abs(one[1] - each[1]).max() < 1e-6


def test_pictures_of_8_bits_and_fixed_sizes_take_it_too(exported: Run) -> None:
    image = noisy((32, 48), count=2)
    fixed = file_result(exported.path / "model.2x32x48.onnx", image, *LEVELS)
    assert np.abs(fixed - file_result(exported.path / "model.onnx", image, *LEVELS)).max() < 1e-4
    pixels = np.full((1, 20, 30, 1), 128, np.uint8)
    assert file_result(exported.path / "model.image.onnx", pixels, 25.0).dtype == np.uint8


def test_metadata_say_what_to_give(exported: Run) -> None:
    told = metadata_of(onnx.load(exported.path / "model.onnx"))
    assert told["sigma"].startswith("input")
    assert told["sigma_default"] == "25"
    assert metadata_of(onnx.load(exported.path / "model.sigma25.onnx"))["sigma"] == "25"


def test_a_level_can_be_put_into_the_file(exported: Run) -> None:
    image = noisy()
    expected = torch_result(exported, image, 25)
    given = file_result(exported.path / "model.sigma25.onnx", image)
    assert np.abs(given - expected).max() < 1e-4
    program = torch.export.load(exported.path / "model.sigma25.pt2").module()
    assert np.abs(program(torch.from_numpy(image)).detach().numpy() - expected).max() < 1e-4


def test_bench_measures_it_at_the_level_of_the_noise(exported: Run, tmp_path: Path) -> None:
    backends = ["--backend", "torch", "--backend", "onnxruntime", "--no-classical"]
    quick = ["--runs", "3", "--max-seconds", "5", "--size", "64x64"]
    words = ["--sigma", "15", *backends, *quick, "--out", tmp_path, "--json"]
    result = clearer("bench", exported.path, *words)
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["rows"]
    files = {row["source"]: row["psnr_db"] for row in rows}
    assert files["weights.safetensors"] == pytest.approx(files["model.onnx"], abs=0.01)
    assert "model.sigma25.onnx" in files


def test_eval_takes_the_level_or_estimates_it(exported: Run, photos: Path, tmp_path: Path) -> None:
    figures = {}
    for sigma in ("25", "24.9:25.1"):
        words = ["--data", photos, "--sigma", sigma, "--out", tmp_path, "--json"]
        result = clearer("eval", exported.path, *words)
        assert result.exit_code == 0, result.output
        figures[sigma] = json.loads(result.stdout)["mean"]["psnr_db"]
    assert figures["25"] == pytest.approx(figures["24.9:25.1"], abs=0.5)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    with Image.open(PHOTOGRAPHS / "coffee.png") as file:
        clean = np.asarray(file.convert("RGB").resize((96, 80)), np.float32)
    rng = np.random.default_rng(0)
    pixels = (clean + rng.normal(scale=20, size=clean.shape)).clip(0, 255).astype(np.uint8)
    path = tmp_path / "noisy.png"
    Image.fromarray(pixels).save(path)
    return path


def restored(picture: Path, model: Path, out: Path, *words: object) -> NDArray[np.uint8]:
    result = clearer("restore", picture, "--model", model, "--out", out, "--overwrite", *words)
    assert result.exit_code == 0, result.output
    with Image.open(out / picture.name) as file:
        return np.asarray(file)


@pytest.mark.parametrize("file", ["", "model.onnx"])
def test_restore_takes_a_level_and_a_strength(
    exported: Run, picture: Path, tmp_path: Path, file: str
) -> None:
    model = exported.path / file
    with Image.open(picture) as given:
        before = np.asarray(given)
    outs = {
        words: restored(picture, model, tmp_path / "out", *words)
        for words in ((), ("--sigma", 20), ("--sigma", 10), ("--sigma", 20, "--strength", 0.5))
    }
    assert (outs["--sigma", 10] == outs["--sigma", 20, "--strength", 0.5]).all()
    assert (outs["--sigma", 10] != outs["--sigma", 20]).any()
    assert (restored(picture, model, tmp_path / "out", "--strength", 0) == before).all()
    result = clearer("restore", picture, "--model", model, "--out", tmp_path / "j", "--json")
    (record,) = json.loads(result.stdout)
    assert record["sigma"] == pytest.approx(20, rel=0.25)  # estimated, from a small picture


def test_a_network_without_a_level_map_takes_no_level(picture: Path, tmp_path: Path) -> None:
    words = ["--model", "gray-25", "--out", tmp_path / "out"]
    result = clearer("restore", picture, *words, "--sigma", 20)
    assert result.exit_code == 2
    assert "--strength" in result.stderr
    with Image.open(picture) as given:
        before = np.asarray(given).astype(int)
    full, half = (
        restored(picture, Path("gray-25"), tmp_path / "out", "--strength", s) for s in (1, 0.5)
    )
    assert np.abs(half - (before + full.astype(int)) / 2).max() <= 1


def test_for_another_task_it_is_no_longer_told_the_level(photos: Path, tmp_path: Path) -> None:
    words = ["train", "gray-small", "--fine-tune", "--task", "dejpeg", "--quality", "10", *FEW]
    words += ["--data", str(photos), "--out"]
    result = clearer(*words, tmp_path / "run")
    assert result.exit_code == 0, result.output
    said = " ".join(result.stderr.split())
    assert "gray-small is told a noise level, which is not known here" in said
    (sigma,) = re.findall(r"what that restores at sigma (\d+)", said)
    run = Run(tmp_path / "run")
    network, _ = load_network(run.weights)
    assert not network.architecture.space.level_map
    assert run.settings().space == run.read_architecture().space == network.architecture.space
    # It starts from what helps most of what the other one can do.
    told, _ = load_network(catalogue.zoo_network("gray-small").weights)
    task = run.settings().task
    images = load_splits(photos, "gray", 0, task).val
    restore = at_level(torch_restorer(told), int(sigma) / 255)
    expected = evaluate(restore, images, task, VALIDATION_SEED).psnr_db
    # Borders differ a little.
    assert read_jsonl(run.train_log)[0]["val_psnr_db"] == pytest.approx(expected, abs=0.05)
    for other, reason in (
        (["--level-map"], "a level map needs white noise"),
        (["--teacher", "gray"], "does not know what is to be learned"),
    ):
        refused = clearer(*words, tmp_path / "other", *other)
        assert refused.exit_code == 2
        assert reason in " ".join(refused.stderr.split())
        assert not (tmp_path / "other").exists()


def test_contradictions_are_refused(run: Run, photos: Path, tmp_path: Path) -> None:
    out = ["--out", tmp_path / "run"]
    result = clearer("search", *RACE, "--level-map", "--task", "photo", "--color", "rgb", *out)
    assert result.exit_code == 2
    assert "white noise" in result.stderr
    words = ["--fine-tune", "--level-map", "--noise", "poisson-gaussian", "--out"]
    result = clearer("train", run.path, *words, tmp_path / "tuned")
    assert result.exit_code == 2
    assert "white noise" in result.stderr
    assert not (tmp_path / "tuned").exists()
    result = clearer("export", "gray-25", "--sigma", "25", "--out", tmp_path / "zoo")
    assert result.exit_code == 2
    assert "level map" in result.stderr
    result = clearer("export", run.path, "--sigma", "300")
    assert result.exit_code == 2
