"""A training that starts from the weights of a smaller network."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from clearer.data.splits import load_splits
from clearer.networks.network import load_network
from clearer.restoring.evaluate import VALIDATION_SEED, evaluate, torch_restorer
from clearer.runs.run import Run
from clearer.space.space import Architecture
from clearer.support.files import read_json, read_jsonl, write_json
from tests.command import clearer, searched

TINY = ["--width", "4", "--search-iterations", "2", "--batch-size", "2", "--patch-size", "32"]
TINY += ["--precision", "fp32", "--strategy", "random", "--columns", "1,1", "--sigma", "40"]
TINY += ["--stem", "conv", "--seed", "1"]
SHORT = ["--iterations", "12", "--batch-size", "4", "--patch-size", "32", "--validate-every", "4"]


@pytest.fixture(scope="module")
def small(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched(tmp_path_factory.mktemp("runs") / "small", photos, *TINY, "--iterations", "40")


@pytest.fixture(scope="module")
def large(small: Path) -> Path:
    """A run without weights, with each column of the small one twice, on wider scales."""
    source = Run(small).read_architecture()
    doubled = "-".join(cell * 2 for cell in source.text.split("-"))
    space = replace(source.space, width=8, columns=(2, 2))
    path = small.with_name("large")
    path.mkdir()
    config = read_json(small / "config.json")
    config["settings"]["space"] = space.to_dict()
    write_json(path / "config.json", config)
    architecture = Architecture.from_text(doubled, space)
    decision = read_json(small / "architecture.json")
    write_json(path / "architecture.json", {**decision, **architecture.to_dict()})
    return path


def test_it_starts_where_the_small_network_is(
    small: Path, large: Path, photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["train", large, "--warm-start", small, "--data", photos, *SHORT, "--out", run]
    result = clearer(*words)
    assert result.exit_code == 0, result.output
    assert "small, inside" in result.stdout
    assert "before fine-tuning" not in result.stdout
    settings = Run(run).settings()
    images = load_splits(photos, "gray", 0, settings.task).val
    network, _ = load_network(small / "weights.safetensors")
    quality = evaluate(torch_restorer(network), images, settings.task, VALIDATION_SEED)
    log = read_jsonl(run / "train.jsonl")
    assert log[0]["iteration"] == 0
    assert log[0]["val_psnr_db"] == pytest.approx(quality.psnr_db, abs=1e-3)
    # Its weights fit the statistics that they come with.
    whole = Run(small).settings().train
    assert settings.train.batch_statistics_share == 0
    assert settings.train.learning_rate == whole.frozen_norm_rate * whole.learning_rate
    trained, info = load_network(run / "weights.safetensors")
    assert trained.architecture == Run(large).read_architecture()
    digest = hashlib.sha256((small / "weights.safetensors").read_bytes()).hexdigest()
    assert info["fine_tuned_from"] == {"name": "small", "sha256": digest}
    assert not (large / "weights.safetensors").exists()


def test_what_began_warm_can_be_trained_again(
    small: Path, large: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From scratch, it needs the settings for that."""
    monkeypatch.chdir(tmp_path)
    words = ["--data", photos, *SHORT]
    assert clearer("train", large, "--warm-start", small, *words).exit_code == 0
    (run,) = (tmp_path / "runs").iterdir()
    assert run.name.endswith("-warm-0")
    result = clearer("train", run, *words, "--out", tmp_path / "refused")
    assert result.exit_code == 2
    assert "give --preset to train its architecture from scratch" in result.stderr
    ways: dict[bool | None, list[object]] = {
        None: ["--preset", "quick"],
        True: ["--warm-start", small],
        False: ["--fine-tune"],
    }
    for is_warm, more in ways.items():
        out = tmp_path / f"again-{is_warm}"
        result = clearer("train", run, *more, *words, "--out", out)
        assert result.exit_code == 0, result.output
        start = Run(out).settings().fine_tuned_from
        assert (start and start.is_warm) == is_warm


def test_with_other_operations_it_learns_as_from_scratch(
    small: Path, large: Path, photos: Path, tmp_path: Path
) -> None:
    """Weights of another block do not fit its statistics."""
    swish = tmp_path / "swish"
    shutil.copytree(large, swish)
    decision = read_json(swish / "architecture.json")
    parallel = Architecture.from_dict(decision)
    assert "P" in parallel.text
    space = replace(parallel.space, operations=("swish", "fusion"))
    architecture = Architecture.from_text(parallel.text.replace("P", "W"), space)
    write_json(swish / "architecture.json", {**decision, **architecture.to_dict()})
    config = read_json(swish / "config.json")
    config["settings"]["space"] = space.to_dict()
    write_json(swish / "config.json", config)
    words = ["train", swish, "--warm-start", small, "--data", photos, *SHORT]
    result = clearer(*words, "--out", tmp_path / "run")
    assert result.exit_code == 0, result.output
    settings, whole = Run(tmp_path / "run").settings(), Run(small).settings()
    assert settings.train.batch_statistics_share == whole.train.batch_statistics_share > 0
    assert settings.train.learning_rate == whole.train.learning_rate


def test_stopped_and_resumed_it_is_the_same(
    small: Path, large: Path, photos: Path, tmp_path: Path
) -> None:
    words = ["train", large, "--warm-start", small, "--data", photos, *SHORT]
    assert clearer(*words, "--out", tmp_path / "whole").exit_code == 0
    parts = clearer(*words, "--out", tmp_path / "parts", "--minutes-now", "0.0001")
    assert parts.exit_code == 0, parts.output
    assert not read_jsonl(tmp_path / "parts" / "train.jsonl")[1:]
    assert clearer("train", "--resume", tmp_path / "parts").exit_code == 0
    one, other = (
        (tmp_path / name / "weights.safetensors").read_bytes() for name in ("whole", "parts")
    )
    assert one == other


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["LARGE", "--warm-start", "SMALL", "--fine-tune"], "leave out --fine-tune"),
        (["LARGE", "--warm-start", "SMALL", "--level-map"], "a warm start changes no input"),
        (["SMALL", "--warm-start", "LARGE"], "no weights at"),
        (["LARGE", "--warm-start", "gray-25"], "gray-25 is not part of the network to train: its"),
        (["LARGE", "--warm-start", "nowhere"], "nowhere"),
        (["gray-25", "--warm-start", "SMALL"], "fine-tune it with --fine-tune"),
        (["LARGE", "--warm-start", "SMALL", "--resume"], "--resume continues with the settings"),
    ],
)
def test_bad_use_is_one_line(
    words: list[str],
    message: str,
    small: Path,
    large: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"SMALL": small, "LARGE": large}
    result = clearer("train", *(places.get(word, word) for word in words))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert not list(tmp_path.iterdir())
