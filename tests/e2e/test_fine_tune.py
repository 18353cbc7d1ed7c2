"""Trained weights that are trained further: for another noise level, other pictures, or longer."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from clearer.data.splits import load_splits
from clearer.networks.network import load_network
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.runs.run import Run
from clearer.runs.settings import RunSettings
from clearer.space.space import Architecture
from clearer.support.files import read_json, read_jsonl, write_json
from clearer.tasks.base import Span
from clearer.tasks.denoise import Denoise
from clearer.training.processes import Processes
from clearer.training.training_step import training_sampler
from clearer.zoo import catalogue
from tests.command import clearer, searched
from tests.forked import SignalIn, run_forked
from tests.tiny_zoo import add_network

TINY = ["--width", "4", "--search-iterations", "6", "--iterations", "20", "--batch-size", "2"]
TINY += ["--patch-size", "32", "--precision", "fp32", "--columns", "1,1"]
SHORT = ["--iterations", "8", "--batch-size", "2", "--patch-size", "32", "--validate-every", "4"]


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched(tmp_path_factory.mktemp("runs") / "source", photos, *TINY)


@pytest.fixture(scope="module")
def tuned(trained: Path) -> Path:
    run = trained.with_name("tuned")
    result = clearer("train", trained, "--fine-tune", "--sigma", 50, *SHORT, "--out", run)
    assert result.exit_code == 0, result.output
    return run


@pytest.fixture
def tiny_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two networks instead of those of the package, and an empty folder to work in."""
    folder, empty = tmp_path / "zoo", tmp_path / "empty"
    folder.mkdir()
    empty.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", folder)
    monkeypatch.setenv("CLEARER_DATA", str(empty))
    monkeypatch.chdir(empty)
    for name, channels in (("some-gray", 1), ("some-rgb", 3)):
        add_network(folder, name, channels)
    return folder


def records(run: Path) -> list[dict[str, Any]]:
    """The log of the training, without its speed."""
    return [
        {name: value for name, value in record.items() if name != "iterations_per_s"}
        for record in read_jsonl(run / "train.jsonl")
    ]


def psnr_db(weights: Path, photos: Path, sigma: float) -> float:
    task = Denoise(sigma=Span(sigma, sigma))
    images = load_splits(photos, "gray", 0, task).val
    return evaluate(torch_restorer(load_network(weights)[0]), images, task, VALIDATION_SEED).psnr_db


def same_weights(one: Path, other: Path) -> bool:
    states = [load_network(path)[0].state_dict().values() for path in (one, other)]
    return all(map(torch.equal, *states))


def test_it_starts_from_the_weights_at_another_level(
    trained: Path, tuned: Path, photos: Path
) -> None:
    first = records(tuned)[0]
    source = trained / "weights.safetensors"
    assert first["iteration"] == 0
    assert first["val_psnr_db"] == psnr_db(source, photos, 50)
    old, new = Run(trained).settings(), Run(tuned).settings()
    assert new.task == Denoise(sigma=Span(50, 50)) != old.task
    assert (new.data, new.seed, new.space) == (old.data, old.seed, old.space)
    assert new.train.learning_rate == old.train.learning_rate / 4
    assert new.train.batch_statistics_share == 0
    digest = hashlib.sha256(source.read_bytes()).hexdigest()
    assert new.fine_tuned_from is not None
    assert (new.fine_tuned_from.name, new.fine_tuned_from.sha256) == ("source", digest)
    _, info = load_network(tuned / "weights.safetensors")
    assert info["fine_tuned_from"] == {"name": "source", "sha256": digest}
    assert info["val_psnr_db"] == psnr_db(tuned / "weights.safetensors", photos, 50)
    assert info["val_psnr_db"] == max(r.get("val_psnr_db", 0) for r in records(tuned))


def test_it_learns_and_says_what_it_gained(trained: Path, photos: Path, tmp_path: Path) -> None:
    words = ["--sigma", 50, "--iterations", 60, "--batch-size", 4, "--out", tmp_path / "run"]
    result = clearer("train", trained, "--fine-tune", *words, "--json")
    assert result.exit_code == 0, result.output
    rows = json.loads(result.stdout)["validation"]
    before = rows["before fine-tuning"]["psnr_db"]
    assert before == psnr_db(trained / "weights.safetensors", photos, 50)
    assert rows["this network"]["psnr_db"] > before + 0.1


def test_it_never_ends_worse_than_it_starts(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = clearer(
        "train", trained, "--fine-tune", *SHORT, "--learning-rate", 0.5, "--out", run, "--json"
    )
    assert result.exit_code == 0, result.output
    info = json.loads(result.stdout)["info"]
    validations = [r["val_psnr_db"] for r in records(run) if "val_psnr_db" in r]
    assert validations[0] == info["val_psnr_db"] > max(validations[1:])
    assert info["iteration"] == 0
    assert same_weights(run / "weights.safetensors", trained / "weights.safetensors")
    assert not same_weights(run / "last.safetensors", trained / "weights.safetensors")


def test_the_statistics_stay_those_of_the_weights(trained: Path, tuned: Path) -> None:
    before, after = (
        load_network(run / "last.safetensors" if run == tuned else run / "weights.safetensors")[0]
        for run in (trained, tuned)
    )
    changed = dict(after.named_buffers())
    assert changed
    for name, buffer in before.named_buffers():
        assert torch.equal(buffer, changed[name]), name


def test_it_sees_other_batches_than_made_the_weights(tuned: Path, photos: Path) -> None:
    settings = Run(tuned).settings()
    images = load_splits(photos, "gray", 0, settings.task).train

    def first_batch(settings: RunSettings) -> torch.Tensor:
        return training_sampler(settings, images, 3, Processes()).batch(0).degraded

    own = first_batch(settings)
    assert torch.equal(own, first_batch(settings))
    assert not torch.equal(own, first_batch(replace(settings, fine_tuned_from=None)))


def test_all_commands_read_a_fine_tuned_run(tuned: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "copy"
    shutil.copytree(tuned, run)
    assert clearer("show", run).exit_code == 0
    assert clearer("export", run).exit_code == 0
    result = clearer("bench", run, "--runs", 3, "--size", "32x32", "--no-classical", "--json")
    assert result.exit_code == 0, result.output
    words = ["--data", photos, "--out", tmp_path, "--json"]
    report = json.loads(clearer("eval", run, *words).stdout)
    assert report["task"]["sigma"] == "50"
    assert clearer("train", "--resume", run).exit_code == 0


@pytest.mark.parametrize(
    ("patched", "calls", "number"),
    [
        ("save_checkpoint", 1, signal.SIGKILL),  # before there is any checkpoint
        ("save_network", 1, signal.SIGKILL),  # in the first validation
        ("training_rate", 1, signal.SIGKILL),  # after it
        ("training_rate", 6, signal.SIGKILL),
        ("validate", 1, signal.SIGINT),
        ("training_rate", 6, signal.SIGINT),
    ],
)
def test_an_interrupt_changes_nothing(
    trained: Path, tuned: Path, tmp_path: Path, patched: str, calls: int, number: int
) -> None:
    run = tmp_path / "run"
    words = ["train", trained, "--fine-tune", "--sigma", 50, *SHORT, "--out", run]
    end = SignalIn(f"clearer.training.train.{patched}", calls, number)
    ended = run_forked(*words, "--checkpoint-seconds", 0, prepare=end)
    assert ended.exit_code == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    result = clearer("train", "--resume", run)
    assert result.exit_code == 0, result.output
    for name in ("weights.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (tuned / name).read_bytes(), name
    assert records(run) == records(tuned)


@pytest.mark.usefixtures("tiny_zoo")
def test_a_network_that_comes_with_clearer(photos: Path, tmp_path: Path) -> None:
    words = ["--fine-tune", "--data", photos, *SHORT]
    result = clearer("train", "some-gray", *words, "--sigma", 25, "--out", tmp_path / "mine")
    assert result.exit_code == 0, result.output
    weights = catalogue.zoo_network("some-gray").weights
    assert records(tmp_path / "mine")[0]["val_psnr_db"] == psnr_db(weights, photos, 25)
    settings, card = Run(tmp_path / "mine").settings(), catalogue.zoo_network("some-gray").card
    assert settings.data == photos.absolute()
    assert settings.fine_tuned_from is not None
    assert settings.fine_tuned_from.name == "some-gray"
    assert settings.fine_tuned_from.sha256 == card["weights_sha256"]
    old = catalogue.zoo_network("some-gray").settings.train
    share = settings.train.warmup_iterations / settings.train.iterations
    assert share <= old.warmup_iterations / old.iterations
    # By default in a new folder, for the network's own task.
    assert clearer("train", "some-gray", *words).exit_code == 0
    newest = Run.open(None)
    assert newest.path.parent == Path("runs")
    assert newest.settings().task == catalogue.zoo_network("some-gray").task
    # A folder of that name takes precedence.
    shutil.copytree(tmp_path / "mine", "some-gray")
    result = clearer("train", "some-gray", *words, "--out", tmp_path / "third")
    assert result.exit_code == 0, result.output
    assert Run(tmp_path / "third").settings().task == settings.task


@pytest.mark.usefixtures("tiny_zoo")
@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["some-gray"], "fine-tune it with --fine-tune"),
        (["grey", "--fine-tune"], "some-gray, some-rgb"),
        (["some-gray", "--fine-tune"], "clearer data get bsds500"),
        (["some-gray", "--fine-tune", "--resume"], "--resume continues with the settings"),
        (["some-rgb", "--fine-tune", "--data", "PHOTOS"], "is gray, and RGB images are needed"),
        (["SOURCE", "--fine-tune", "--data", "nowhere"], "is not a folder"),
        (["SOURCE", "--fine-tune", "--quality", "10"], "task denoise has no --quality"),
        (["SOURCE", "--fine-tune", "--task", "paired"], "degraded"),
        (["SOURCE", "--fine-tune", "--sigma", "0"], "sigma must lie in"),
        (["SOURCE", "--fine-tune", "--resume"], "--resume continues with the settings"),
        (["SOURCE", "--fine-tune", "--patch-size", "128"], "smaller than"),
        (["SOURCE", "--fine-tune", "--out", "SOURCE"], "choose another --out"),
        (["SOURCE", "--resume", "--sigma", "50"], "--resume continues with the settings"),
        (["SOURCE", "--sigma", "50"], "add --fine-tune, --warm-start or --out"),
        (["SOURCE", "--data", "PHOTOS"], "add --fine-tune, --warm-start or --out"),
        (["TUNED", "--out", "new"], "give --preset to train its architecture from scratch"),
    ],
)
def test_bad_use_is_one_line_and_makes_no_run(
    words: list[str], message: str, trained: Path, tuned: Path, photos: Path
) -> None:
    places = {"SOURCE": trained, "TUNED": tuned, "PHOTOS": photos}
    result = clearer("train", *(places.get(word, word) for word in words))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    errors = [line for line in result.stderr.splitlines() if not line.startswith("images,")]
    assert len(errors) == 1, result.stderr
    assert not list(Path().iterdir())


def test_weights_that_are_missing_damaged_or_changed(
    trained: Path, tuned: Path, tmp_path: Path
) -> None:
    run, out = tmp_path / "run", tmp_path / "out"
    shutil.copytree(trained, run)
    (run / "weights.safetensors").write_bytes(b"cut")
    result = clearer("train", run, "--fine-tune", "--out", out)
    assert result.exit_code == 2
    assert "does not hold the weights" in result.stderr
    (run / "weights.safetensors").unlink()
    result = clearer("train", run, "--fine-tune", "--out", out)
    assert result.exit_code == 2
    assert "no weights at" in result.stderr
    assert not out.exists()
    for name in (
        "config.json",
        "pictures.json",
        "architecture.json",
    ):  # as right after it was created
        out.mkdir(exist_ok=True)
        shutil.copy(tuned / name, out / name)
    shutil.copy(tuned / "weights.safetensors", out / "start.safetensors")
    result = clearer("train", "--resume", out)
    assert result.exit_code == 2
    assert "start.safetensors is missing or changed: start from source again" in result.stderr


def test_start_weights_of_another_architecture(trained: Path, tuned: Path, tmp_path: Path) -> None:
    """Only a warm start begins with the weights of another one."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "pictures.json", "start.safetensors"):
        shutil.copy(tuned / name, run / name)
    source = Run(trained).read_architecture()
    doubled = "-".join(cell * 2 for cell in source.text.split("-"))
    larger = Architecture.from_text(doubled, replace(source.space, columns=(2, 2)))
    decision = read_json(trained / "architecture.json")
    write_json(run / "architecture.json", {**decision, **larger.to_dict()})
    result = clearer("train", "--resume", run)
    assert result.exit_code == 2, result.output
    assert "does not fit the architecture in architecture.json beside it" in result.stderr


def test_from_scratch_its_settings_are_no_longer_those_of_a_fine_tuning(
    trained: Path, tuned: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["--preset", "quick", *SHORT, "--out", tmp_path / "scratch"]
    assert clearer("train", tuned, *words).exit_code == 0
    settings = Run(tmp_path / "scratch").settings()
    assert settings.fine_tuned_from is None
    assert settings.train.batch_statistics_share > 0
    assert "fine_tuned_from" not in load_network(tmp_path / "scratch" / "weights.safetensors")[1]
    words = ["--from", tuned, "--budget-mb", 1, "--out", tmp_path / "frozen"]
    result = clearer("search", *words)
    assert result.exit_code == 2
    assert "give --from the run that was searched" in result.stderr


def test_another_task_from_scratch(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = [*SHORT, "--task", "dejpeg", "--quality", "20", "--out", run]
    assert clearer("train", trained, *words).exit_code == 0
    assert read_json(run / "config.json")["settings"]["task"]["name"] == "dejpeg"
    assert [r["iteration"] for r in records(run) if "val_psnr_db" in r] == [4, 8]


def test_it_learns_to_be_told_the_level(trained: Path, photos: Path, tmp_path: Path) -> None:
    run, source = tmp_path / "run", trained / "weights.safetensors"
    words = ["--fine-tune", "--level-map", *SHORT, "--out", run]
    assert clearer("train", trained, *words, "--sigma", "25").exit_code == 0
    # At the level of its source, it starts from what the source restores.
    assert records(run)[0]["val_psnr_db"] == pytest.approx(psnr_db(source, photos, 25), abs=1e-4)
    settings, architecture = Run(run).settings(), Run(run).read_architecture()
    assert (
        settings.space
        == architecture.space
        == replace(Run(trained).settings().space, level_map=True)
    )
    assert settings.train.batch_statistics_share > 0
    network, info = load_network(run / "weights.safetensors")
    assert network.architecture == architecture
    assert info["fine_tuned_from"]["sha256"] == hashlib.sha256(source.read_bytes()).hexdigest()
    result = clearer(
        "restore", photos / "val", "--model", run, "--sigma", 25, "--out", tmp_path / "x"
    )
    assert result.exit_code == 0, result.output
    assert clearer("show", run).exit_code == 0
    again = clearer("train", run, "--fine-tune", "--level-map", *SHORT, "--out", tmp_path / "again")
    assert again.exit_code == 0, again.output  # it already has one: an ordinary fine-tuning
    assert Run(tmp_path / "again").settings().train.batch_statistics_share == 0


@pytest.mark.usefixtures("tiny_zoo")
def test_a_blind_network_starts_as_it_was_at_all_levels(photos: Path, tmp_path: Path) -> None:
    words = ["train", "some-gray", "--fine-tune", "--data", photos, *SHORT, "--sigma", "0:75"]
    assert clearer(*words, "--level-map", "--out", tmp_path / "told").exit_code == 0
    assert clearer(*words, "--out", tmp_path / "blind").exit_code == 0
    told, blind = (records(tmp_path / name)[0]["val_psnr_db"] for name in ("told", "blind"))
    assert told == pytest.approx(blind, abs=1e-4)
    assert not Run(tmp_path / "told").read_architecture().space.level_units


def test_a_level_map_is_for_weights_and_white_noise(trained: Path) -> None:
    result = clearer("train", trained, "--level-map", "--out", "out")
    assert result.exit_code == 2
    assert "add --fine-tune, or search with it" in result.stderr
    words = ["--fine-tune", "--level-map", "--task", "dejpeg", "--out", "out"]
    result = clearer("train", trained, *words)
    assert result.exit_code == 2
    assert "a level map needs white noise" in result.stderr


def test_as_long_as_fits(trained: Path, tmp_path: Path) -> None:
    refused = clearer("train", trained, "--fine-tune", "--minutes", 1e-4, "--out", tmp_path / "no")
    assert refused.exit_code == 2
    advice = re.search(r"is too short: give at least (\S+)", refused.stderr)
    assert advice is not None, refused.stderr
    minutes = 5 * float(advice[1])  # a busy machine needs more
    words = ["--fine-tune", "--minutes", minutes, "--out", tmp_path / "run"]
    result = clearer("train", trained, *words)
    assert result.exit_code == 0, result.output
    settings = Run(tmp_path / "run").settings()
    assert settings.fine_tuned_from is not None
    assert records(tmp_path / "run")[-1]["iteration"] == settings.train.iterations
