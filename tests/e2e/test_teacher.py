"""Training that aims at what a trained network makes of the training pictures."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest

from clearer import teacher, train
from clearer.data import load_splits
from clearer.engine import Engine
from clearer.evaluate import torch_restorer
from clearer.network import load_network
from clearer.patches import PatchSampler, to_unit
from clearer.run import Run
from clearer.self_ensemble import self_ensemble
from clearer.teacher import TEACHER_SHARE, taught_pairs
from tests.e2e.small_run import SHORT, clearer, die, records


@pytest.fixture(scope="module")
def taught(trained: Path) -> Path:
    run = trained.with_name("taught")
    words = ["--fine-tune", "--teacher", trained, *SHORT, "--out", run]
    result = clearer("train", trained, *words)
    assert result.exit_code == 0, result.output
    return run


def test_the_aim_is_mostly_what_the_teacher_makes_of_eight_turns(
    trained: Path, taught: Path, photos: Path, tmp_path: Path
) -> None:
    run = Run(tmp_path)
    shutil.copy(taught / "teacher.safetensors", run.teacher_weights)
    settings = Run(taught).settings()
    assert settings.teacher is not None
    images = load_splits(photos, "gray", 0, settings.task).train
    pairs = taught_pairs(run, settings, settings.teacher, images, lambda _: None, Engine())
    ask = self_ensemble(torch_restorer(load_network(trained / "weights.safetensors")[0]))
    assert len(pairs) == len(images) == 3
    for pair, image in zip(pairs, images.images, strict=True):
        aim, degraded = pair[..., :1], pair[..., 1:]
        answer = ask(degraded.transpose(2, 0, 1)[None])[0].transpose(1, 2, 0)
        clean = to_unit(image)
        np.testing.assert_allclose(
            aim, TEACHER_SHARE * answer + (1 - TEACHER_SHARE) * clean, atol=1e-6
        )
        # White noise of sigma 25, which is no multiple of 1/255.
        assert abs((degraded - clean).std() * 255 - 25) < 2
    noises = [
        pair[..., 1] - to_unit(im)[..., 0] for pair, im in zip(pairs, images.images, strict=True)
    ]
    assert abs(np.corrcoef(noises[0].ravel(), noises[1].ravel())[0, 1]) < 0.1


def test_batches_are_cut_from_such_pairs_as_from_pictures(taught: Path, photos: Path) -> None:
    task = Run(taught).settings().task
    images = load_splits(photos, "gray", 0, task).train
    rng = np.random.default_rng(0)
    # What is aimed at is the picture itself, and the other picture is that plus one half.
    pairs = tuple(
        np.concatenate([to_unit(image), to_unit(image) + np.float32(0.5)], axis=2)
        for image in images.images
    )
    seed = [int(rng.integers(1000))]
    plain = PatchSampler(images, task, patch_size=32, batch_size=4, seed=seed)
    paired = PatchSampler(images, task, patch_size=32, batch_size=4, seed=seed, pairs=pairs)
    for index in range(3):
        degraded, aim = paired.batch(index)
        assert np.array_equal(aim, plain.batch(index)[1])
        np.testing.assert_allclose(degraded, aim + 0.5, atol=1e-6)


def test_the_run_remembers_its_teacher_and_forgets_the_answers(trained: Path, taught: Path) -> None:
    settings = Run(taught).settings()
    assert settings.teacher is not None
    assert settings.teacher.name == "source"
    source = (trained / "weights.safetensors").read_bytes()
    assert (taught / "teacher.safetensors").read_bytes() == source
    _, info = load_network(taught / "weights.safetensors")
    assert info["teacher"] == {"name": "source", "sha256": settings.teacher.sha256}
    assert not (taught / "checkpoint" / "teacher").exists()
    # A training that is done asks for nothing.
    assert clearer("train", "--resume", taught).exit_code == 0
    assert not (taught / "checkpoint" / "teacher").exists()


def test_what_it_learns_differs_from_what_the_pictures_teach(trained: Path, taught: Path) -> None:
    plain = trained.with_name("plain")
    result = clearer("train", trained, "--fine-tune", *SHORT, "--out", plain)
    assert result.exit_code == 0, result.output
    losses = [[r["loss"] for r in records(run) if "loss" in r] for run in (plain, taught)]
    # The teacher is the network as it was, averaged: at first there is little left to learn.
    assert losses[1][0] < 0.7 * losses[0][0]


@pytest.mark.parametrize("calls", [1, 2])
def test_an_interrupt_keeps_the_answers(
    trained: Path, taught: Path, tmp_path: Path, calls: int
) -> None:
    run = tmp_path / "run"
    words = ["--fine-tune", "--teacher", trained, *SHORT, "--out", run]
    status = die(["train", trained, *words], teacher, "write_atomic", calls, signal.SIGINT)
    assert os.waitstatus_to_exitcode(status) == 130
    answers = sorted((run / "checkpoint" / "teacher").iterdir())
    assert len(answers) == calls
    before = answers[0].stat().st_mtime_ns
    answers[0].with_name("000002.npy").write_bytes(b"cut")
    result = clearer("train", "--resume", run)
    assert result.exit_code == 2
    assert "000002.npy is damaged: delete it, and go on by --resume" in result.stderr
    assert answers[0].stat().st_mtime_ns == before
    answers[0].with_name("000002.npy").unlink()
    result = clearer("train", "--resume", run)
    assert result.exit_code == 0, result.output
    for name in ("weights.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (taught / name).read_bytes(), name
    assert records(run) == records(taught)


def test_a_training_that_was_stopped_goes_on_with_the_same_answers(
    trained: Path, taught: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["--fine-tune", "--teacher", trained, *SHORT, "--out", run]
    status = die(["train", trained, *words], train, "training_step", 5, signal.SIGINT)
    assert os.waitstatus_to_exitcode(status) == 130
    assert len(list((run / "checkpoint" / "teacher").iterdir())) == 3
    assert clearer("train", "--resume", run).exit_code == 0
    assert (run / "last.safetensors").read_bytes() == (taught / "last.safetensors").read_bytes()
    assert records(run) == records(taught)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fine-tune", "--teacher", "nowhere"], "nowhere does not exist here"),
        (["--fine-tune", "--teacher", "rgb-blind"], "the teacher restores rgb pictures"),
        (["--resume", "--teacher", "gray-blind"], "--resume goes on with the settings"),
    ],
)
def test_a_teacher_that_cannot_be_is_one_line(
    words: list[str], message: str, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = clearer("train", trained, *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not list(Path().iterdir())


def test_weights_of_a_teacher_that_changed(taught: Path, tmp_path: Path) -> None:
    for name in ("config.json", "architecture.json", "start.safetensors"):  # right after it began
        shutil.copy(taught / name, tmp_path / name)
    (tmp_path / "teacher.safetensors").write_bytes(b"other")
    result = clearer("train", "--resume", tmp_path)
    assert result.exit_code == 2
    assert "teacher.safetensors is missing or changed: train with source anew" in result.stderr


def test_a_new_training_of_the_run_has_no_teacher(taught: Path, tmp_path: Path) -> None:
    out = tmp_path / "scratch"
    assert clearer("train", taught, "--preset", "quick", *SHORT, "--out", out).exit_code == 0
    assert Run(out).settings().teacher is None
