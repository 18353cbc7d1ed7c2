"""A run, a file or a name: every command means the same by it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from clearer.export.onnx_file import onnx_file
from clearer.networks.weights_file import write_weights
from clearer.terminal.completion import complete_networks
from clearer.zoo import catalogue
from clearer.zoo.catalogue import RETIRED, zoo_network
from clearer.zoo.found import WeightsFile, find_model
from tests.command import clearer
from tests.tiny_zoo import add_network

KINDS = {
    "a run": "run",
    "ONNX": "file.onnx",
    "ONNX, in capitals": "SCREAMED.ONNX",
    "weights": "weights.safetensors",
    "weights, in capitals": "SCREAMED.SafeTensors",
    "a name": "some-gray",
}
"""One network, as a user may name it."""
FILES = ("ONNX", "ONNX, in capitals", "weights", "weights, in capitals")
OPTIONS: dict[str, Callable[[object], list[object]]] = {
    "restore": lambda model: ["gray.png", "--model", model],
    "eval": lambda model: [model, "--data", "."],
    "bench": lambda model: [model, "--data", "."],
    "demo": lambda model: [model, "--save", "site"],
    "export": lambda model: [model],
    "show": lambda model: [model],
    "train": lambda model: [model, "--fine-tune"],
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the network in all forms; that with a name is in ``zoo``."""
    folder = tmp_path_factory.mktemp("made")
    (folder / "zoo").mkdir()
    weights = add_network(folder / "zoo", "some-gray", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(catalogue, "FOLDER", folder / "zoo")
        patch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
        run = zoo_network("some-gray").unpack(folder / "run")
        shutil.copy(onnx_file(WeightsFile(weights)), run.onnx)
    for name in ("weights.safetensors", "SCREAMED.SafeTensors"):
        shutil.copy(weights, folder / name)
    for name in ("file.onnx", "SCREAMED.ONNX"):
        shutil.copy(run.onnx, folder / name)
    noise = np.random.default_rng(0).integers(256, size=(40, 48), dtype=np.uint8)
    Image.fromarray(noise).save(folder / "gray.png")
    return folder


@pytest.fixture
def here(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy that a test may write to, and works in."""
    folder = shutil.copytree(made, tmp_path / "here")
    monkeypatch.setattr(catalogue, "FOLDER", folder / "zoo")
    # The file of a name is checked against torch when it is made, which takes long.
    monkeypatch.setenv("XDG_CACHE_HOME", str(made / "cache"))
    monkeypatch.chdir(folder)
    return folder


def answer(*words: object) -> dict[str, Any]:
    result = clearer(*words, "--json")
    assert result.exit_code == 0, result.output
    found: dict[str, Any] = json.loads(result.stdout)
    return found


@pytest.mark.usefixtures("here")
def test_all_restore_a_picture_alike() -> None:
    pictures = []
    for index, model in enumerate(KINDS.values()):
        result = clearer("restore", "gray.png", "--model", model, "--out", f"out{index}")
        assert result.exit_code == 0, result.output
        with Image.open(f"out{index}/gray.png") as picture:
            pictures.append(np.asarray(picture).astype(int))
    assert all(np.abs(picture - pictures[0]).max() <= 1 for picture in pictures)


@pytest.mark.usefixtures("here")
def test_all_have_one_psnr_in_eval_and_bench(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", lambda spec: None)
    words = ["--data", ".", "--sigma", 25]
    db = [answer("eval", model, *words)["mean"]["psnr_db"] for model in KINDS.values()]
    assert db == pytest.approx([db[0]] * len(KINDS), abs=1e-3)
    words += ["--size", "32x32", "--runs", 3, "--batch", 0, "--no-classical", "--out", "figures"]
    words += ["--backend", "torch", "--backend", "onnxruntime"]
    rows = answer("bench", *KINDS.values(), *words)["rows"]
    assert [row["psnr_db"] for row in rows] == pytest.approx([db[0]] * len(rows), abs=1e-3)
    params = {row["source"]: row["num_params"] for row in rows}
    assert params["weights.safetensors"] == params["weights.onnx"] == rows[0]["num_params"]
    backends = [row["backend"] for row in rows]
    # Weights of four, in torch; ONNX files of all.
    assert (backends.count("torch eager"), backends.count("ONNX Runtime")) == (4, 6)
    text = clearer("bench", "weights.safetensors", *words).stdout
    assert "next: clearer restore photo.jpg --model weights.safetensors" in " ".join(text.split())


@pytest.mark.usefixtures("here")
def test_all_can_be_tried_in_a_browser(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clearer.demo.runtime.find_runtime", dict)
    assert clearer("demo", *KINDS.values(), "--save", "site").exit_code == 0
    listed = json.loads(Path("site/networks.json").read_text())
    assert [network.pop("name") for network in listed] == list(KINDS.values())
    assert len({str({**network, "file": ""}) for network in listed}) == 1


@pytest.mark.usefixtures("here")
def test_show_knows_the_architecture_of_all() -> None:
    shown = {kind: answer("show", model) for kind, model in KINDS.items()}
    for kind, found in shown.items():
        architecture = found["architecture"] if kind in FILES else found
        assert architecture["choices"] == "P-F", kind
    onnx, weights = shown["ONNX"], shown["weights"]
    differing = {key for key in onnx if onnx[key] != weights[key]}
    assert differing == {"file", "bytes", "version", "pictures"}
    alike = {**onnx["pictures"], "bytes": 0, "num_params": 0}
    assert alike == {**weights["pictures"], "bytes": 0, "num_params": 0}
    text = " ".join(clearer("show", "weights.safetensors").stdout.split())
    assert "written by clearer" in text
    assert "float32, N x C x H x W" in text
    for model in KINDS.values():
        assert model == "run" or clearer("show", model, "--front").exit_code == 2


@pytest.mark.usefixtures("here")
def test_export_and_train_say_why_a_file_is_not_enough() -> None:
    for kind in FILES:
        model = KINDS[kind]
        for command in ("export", "train"):
            result = clearer(command, *OPTIONS[command](model))
            assert result.exit_code == 2, result.output
            assert len(result.stderr.strip().splitlines()) == 1
            assert f"{model} " in result.stderr
    assert "give the folder of the run" in clearer("export", "weights.safetensors").stderr
    assert "is an ONNX file" in clearer("export", "file.onnx").stderr


@pytest.mark.parametrize(
    ("model", "message"),
    [
        *((old, f"{old} no longer comes with clearer: {new} r") for old, new in RETIRED.items()),
        ("some-grey", "(did you mean some-gray?): some-gray"),
        ("nonsense", "none of the networks that come with clearer: some-gray"),
        ("missing.ONNX", "missing.ONNX does not exist: give a run folder, a .safetensors or"),
        ("runs/missing", "missing does not exist: give a run folder, a .safetensors or"),
        ("gray.png", "gray.png is not a run folder, a .safetensors nor an .onnx file"),
        ("zoo", "zoo is not the folder of a run: it has no config.json"),
    ],
)
def test_all_commands_refuse_alike(here: Path, model: str, message: str) -> None:
    before = sorted(here.rglob("*"))
    said = set()
    for command, options in OPTIONS.items():
        result = clearer(command, *options(model))
        assert result.exit_code == 2, (command, result.output)
        said.add(result.stderr)
    assert len(said) == 1
    assert message in said.pop()
    assert sorted(here.rglob("*")) == before


@pytest.mark.parametrize("kind", ["damaged", "foreign"])
def test_weights_that_cannot_be_used_are_named(here: Path, kind: str) -> None:
    path = here / "bad.safetensors"
    if kind == "damaged":
        path.write_bytes((here / "weights.safetensors").read_bytes()[:-10])
    else:
        saved = zoo_network("some-gray").read_weights()
        write_weights(path, saved.architecture, saved.tensors, {"task": {"name": "unheard-of"}})
    for command in ("restore", "eval", "bench", "demo", "show"):
        result = clearer(command, *OPTIONS[command](path.name))
        assert result.exit_code == 2, (command, result.output)
        said = result.stderr.strip().splitlines()
        assert len(said) == 1
        assert ("bad.safetensors" if kind == "damaged" else "unheard-of") in said[0]


def test_a_run_is_called_by_its_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(here / "run")
    assert find_model(Path()).name == "run"
    result = clearer("restore", here / "gray.png", "--model", ".", "--out", here / "out")
    assert "run P-F, gray" in result.stderr


def test_a_shell_offers_files_in_capitals_too(here: Path) -> None:
    (here / "gray-mine.ONNX").touch()
    offered = [word for word, _ in complete_networks("gray")]
    assert {"gray-mine.ONNX", "gray"} <= {*offered}
    assert "gray.png" not in offered
