"""A training that learns what a better network restores."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest
import torch

from clearer.networks.network import RestorationNet, load_network, save_network
from clearer.pictures.images import read_image
from clearer.runs.run import Run
from clearer.support.files import read_jsonl
from tests.command import clearer, searched

WEIGHTS = "weights.safetensors"
TINY = ["--search-iterations", "2", "--batch-size", "2", "--patch-size", "32", "--sigma", "40"]
TINY += ["--precision", "fp32", "--strategy", "random", "--columns", "1,1", "--stem", "conv"]
SHORT = ["--iterations", "40", "--batch-size", "4", "--patch-size", "32", "--validate-every", "20"]


@pytest.fixture(scope="module")
def small(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    words = [*TINY, "--width", "4", "--iterations", "20"]
    return searched(tmp_path_factory.mktemp("runs") / "small", photos, *words)


@pytest.fixture(scope="module")
def teacher(photos: Path, small: Path) -> Path:
    words = [*TINY, "--width", "8", "--iterations", "80"]
    return searched(small.with_name("teacher"), photos, *words)


@pytest.fixture(scope="module")
def taught(photos: Path, small: Path, teacher: Path) -> Path:
    out = small.with_name("taught")
    result = clearer(
        "train", small, "--fine-tune", "--teacher", teacher, "--data", photos, *SHORT, "--out", out
    )
    assert result.exit_code == 0, result.output
    return out


def test_the_teacher_is_followed_and_not_the_clean_picture(
    small: Path, photos: Path, tmp_path: Path
) -> None:
    """A teacher that changes nothing teaches to change nothing."""
    idle, out = tmp_path / "idle", tmp_path / "out"
    shutil.copytree(small, idle)
    architecture, info = Run(small).read_architecture(), load_network(small / WEIGHTS)[1]
    untrained = RestorationNet(architecture).state_dict()  # residual: it returns its input
    save_network(idle / WEIGHTS, architecture, untrained, info)
    words = ["train", small, "--fine-tune", "--teacher", idle, "--data", photos, *SHORT]
    assert clearer(*words, "--out", out).exit_code == 0
    clean = torch.from_numpy(read_image(photos / "val" / "camera.png", "gray")[None, None, ..., 0])
    noise = torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    noisy = (clean + 40 * noise) / 255
    changes = []
    for path in (small / WEIGHTS, out / "last.safetensors"):
        with torch.inference_mode():
            changes.append(float((load_network(path)[0](noisy) - noisy).square().mean()))
    assert changes[1] < 0.5 * changes[0]


def test_the_run_says_who_taught_it(teacher: Path, taught: Path) -> None:
    digest = hashlib.sha256((teacher / WEIGHTS).read_bytes()).hexdigest()
    known = Run(taught).settings().teacher
    assert known is not None
    assert (known.name, known.sha256) == ("teacher", digest)
    assert load_network(taught / WEIGHTS)[1]["teacher"] == {
        "name": "teacher",
        "sha256": digest,
    }


def test_stopped_and_resumed_it_is_the_same(
    small: Path, teacher: Path, taught: Path, photos: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["train", small, "--fine-tune", "--teacher", teacher, "--data", photos, *SHORT]
    result = clearer(*words, "--out", run, "--minutes-now", "0.0001")
    assert result.exit_code == 0, result.output
    assert clearer("train", "--resume", run).exit_code == 0
    assert (run / WEIGHTS).read_bytes() == (taught / WEIGHTS).read_bytes()


def test_the_log_still_measures_against_clean_pictures(taught: Path, photos: Path) -> None:
    """The loss is that of a training without a teacher, so that PSNR follows from it."""
    first = next(line for line in read_jsonl(taught / "train.jsonl") if "loss" in line)
    assert Run(taught).settings().train.psnr_db(first["loss"]) < 30


def test_what_is_trained_again_has_no_teacher(taught: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "again"
    words = ["train", taught, "--fine-tune", "--data", photos, *SHORT, "--out", out]
    assert clearer(*words).exit_code == 0
    assert Run(out).settings().teacher is None
    assert not (out / "teacher.safetensors").exists()


def test_a_lost_teacher_is_named(taught: Path, small: Path, photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    words = ["train", small, "--fine-tune", "--teacher", taught, "--data", photos, *SHORT]
    assert clearer(*words, "--out", run, "--minutes-now", "0.0001").exit_code == 0
    (run / "teacher.safetensors").write_bytes(b"other")
    result = clearer("train", "--resume", run)
    assert result.exit_code == 2, result.output
    assert "teacher.safetensors is missing or changed: start from taught again" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["SMALL", "--teacher", "TEACHER"], "or a teacher are for a new run: add --fine-tune"),
        (["SMALL", "--fine-tune", "--teacher", "rgb"], "rgb restores pictures of 3 channels"),
        (["SMALL", "--fine-tune", "--teacher", "gray"], "gray is told the noise level, which"),
        (["SMALL", "--fine-tune", "--teacher", "nowhere"], "nowhere"),
        (["SMALL", "--teacher", "TEACHER", "--resume"], "--resume continues with the settings"),
    ],
)
def test_bad_use_is_one_line(
    words: list[str],
    message: str,
    small: Path,
    teacher: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    places = {"SMALL": small, "TEACHER": teacher}
    result = clearer("train", *(places.get(word, word) for word in words))
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert len(result.stderr.splitlines()) == 1, result.stderr
    assert not list(tmp_path.iterdir())
