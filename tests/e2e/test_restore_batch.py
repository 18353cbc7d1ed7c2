"""``clearer restore`` of folders with many faults: each fails alone, and is named."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner, Result

from clearer.cli import app
from clearer.errors import how_to_install
from clearer.networks.network import RestorationNet, save_network
from clearer.pictures.reading import read_picture
from clearer.space.space import Architecture, SearchSpace


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(1)
    space = SearchSpace(channels=1, width=2, columns=(1, 1), unshuffle=2, residual=True)
    network = RestorationNet(Architecture.from_text("P-F", space)).eval()
    path = tmp_path_factory.mktemp("model") / "gray.safetensors"
    save_network(path, network.architecture, network.state_dict(), {})
    return path


def clearer(*words: object) -> Result:
    return CliRunner().invoke(app, ["restore", *(str(word) for word in words)])


def save(path: Path, level: int = 100) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        kind = "JPEG" if path.suffix in (".jpg", ".jfif", ".jpe") else "PNG"
        Image.new("L", (20, 16), level).save(file, kind)


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    folder = tmp_path / "scans"
    save(folder / "good.png")
    save(folder / "sub" / "good.jpg")
    return folder


def run(scans: Path, model: Path, *words: object) -> tuple[Result, dict[str, dict[str, Any]]]:
    result = clearer(scans, "--model", model, "--out", scans.parent / "out", "--json", *words)
    records = json.loads(result.stdout)
    return result, {Path(record["input"]).name: record for record in records}


def statuses(records: dict[str, dict[str, Any]], word: str) -> set[str]:
    return {name for name, record in records.items() if record["status"] == word}


def test_what_cannot_be_read_fails_alone(scans: Path, model: Path) -> None:
    (scans / "self.png").symlink_to(scans / "self.png")
    (scans / "nowhere.png").symlink_to(scans / "gone.png")
    os.mkfifo(scans / "pipe")
    (scans / "to-a-pipe.png").symlink_to(scans / "pipe")
    os.mkfifo(scans / "pipe.png")
    # The memory of this process: a regular file that cannot be read from its beginning.
    (scans / "unreadable.png").symlink_to("/proc/self/mem")
    result, records = run(scans, model)
    assert result.exit_code == 1
    bad = {"self.png", "nowhere.png", "to-a-pipe.png", "unreadable.png"}
    assert statuses(records, "failed") == bad
    assert statuses(records, "restored") == {"good.png", "good.jpg"}
    for name in bad:
        assert name in records[name]["reason"]
        assert "cannot be read" in records[name]["reason"]
    assert "pipe.png" in result.stderr
    assert "4 of 6 pictures failed" in result.stderr


@pytest.fixture
def too_deep(scans: Path) -> Iterator[Path]:
    """A folder whose path is longer than the system can open, made step by step."""
    name = "d" * 200
    here = os.open(scans, os.O_RDONLY)
    depth = 25
    for _ in range(depth):
        os.mkdir(name, dir_fd=here)
        inner = os.open(name, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    yield scans
    for _ in range(depth):
        outer = os.open("..", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = outer
        os.rmdir(name, dir_fd=here)
    os.close(here)


def test_a_folder_that_cannot_be_read_fails_alone(too_deep: Path, model: Path) -> None:
    result, records = run(too_deep, model)
    assert result.exit_code == 1
    assert statuses(records, "restored") == {"good.png", "good.jpg"}
    assert len(statuses(records, "failed")) == 1
    assert "cannot be read: File name too long" in result.stderr


def test_what_cannot_be_written_fails_alone(scans: Path, model: Path) -> None:
    out = scans.parent / "out"
    save(scans / "folder.png")
    (out / "folder.png").mkdir(parents=True)
    save(scans / "file" / "below.png")
    (out / "file").write_text("in the way")
    for words in ([], ["--overwrite"]):
        result, records = run(scans, model, *words)
        assert result.exit_code == 1
        assert statuses(records, "failed") == {"folder.png", "below.png"}
        assert "is a folder: rename it" in records["folder.png"]["reason"]
        assert "below.png cannot be written" in records["below.png"]["reason"]
        assert statuses(records, "restored") == {"good.png", "good.jpg"}
        for path in (out / "good.png", out / "sub" / "good.jpg"):
            assert path.is_file()
    assert (out / "file").read_text() == "in the way"


@pytest.mark.parametrize("length", [245, 246, 250, 255])
def test_names_as_long_as_the_system_takes(length: int, scans: Path, model: Path) -> None:
    name = "n" * (length - 4) + ".png"
    save(scans / name)
    result, records = run(scans, model)
    assert result.exit_code == 0, result.stderr
    assert statuses(records, "restored") == {name, "good.png", "good.jpg"}
    assert {path.name for path in (scans.parent / "out").iterdir()} == {name, "good.png", "sub"}


def test_a_name_that_gets_too_long_fails_alone(scans: Path, model: Path) -> None:
    name = "n" * 251 + ".png"
    save(scans / name)
    result, records = run(scans, model, "--format", "webp")
    assert result.exit_code == 1
    assert statuses(records, "failed") == {name}
    assert "File name too long" in records[name]["reason"]


def test_two_pictures_of_one_result_fail_both(scans: Path, model: Path) -> None:
    save(scans / "twin.png", 10)
    save(scans / "twin.jpg", 200)
    result, records = run(scans, model, "--format", "png")
    assert result.exit_code == 1
    assert statuses(records, "failed") == {"twin.png", "twin.jpg"}
    for name in ("twin.png", "twin.jpg"):
        reason = records[name]["reason"]
        assert str(scans / "twin.png") in reason
        assert str(scans / "twin.jpg") in reason
    assert not (scans.parent / "out" / "twin.png").exists()
    assert statuses(records, "restored") == {"good.png", "good.jpg"}


def test_a_file_given_twice_is_restored_once_and_a_link_to_it_too(
    scans: Path, model: Path, tmp_path: Path
) -> None:
    (scans / "other-name.png").symlink_to(scans / "good.png")
    out = tmp_path / "out"
    result = clearer(scans, scans / "good.png", "--model", model, "--out", out)
    assert result.exit_code == 0, result.stderr
    assert "3 restored" in result.stdout
    assert (out / "other-name.png").read_bytes() == (out / "good.png").read_bytes()


def test_what_is_left_out_is_counted_and_named(scans: Path, model: Path) -> None:
    for name in ("notes.txt", "phone.heic", "moving.gif", "._good.png", ".DS_Store"):
        (scans / name).write_bytes(b"something")
    for name in ("old.jfif", "older.jpe", "GOOD.JPG"):
        save(scans / "more" / name)
    (scans / "linked").symlink_to(scans / "sub")
    result, records = run(scans, model)
    assert result.exit_code == 0, result.stderr
    restored = {"good.png", "good.jpg", "old.jfif", "older.jpe", "GOOD.JPG"}
    assert set(records) == statuses(records, "restored") == restored
    (line,) = (line for line in result.stderr.splitlines() if "left out" in line)
    assert line.startswith("4 left out")
    for name in ("notes.txt", "phone.heic", "moving.gif", "linked"):
        assert name in line
    assert how_to_install("heic") in line
    assert "._good.png" not in result.stderr
    assert read_picture(scans.parent / "out" / "more" / "old.jfif").pixels.shape == (16, 20, 1)


def test_only_what_is_left_out(tmp_path: Path, model: Path) -> None:
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "phone.heic").write_bytes(b"something")
    result = clearer(tmp_path / "scans", "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 2
    assert "holds no picture" in result.stderr
    assert "phone.heic" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_files_given_by_name_fail_alone_too(scans: Path, model: Path, tmp_path: Path) -> None:
    """Given as a shell expands ``scans/*``."""
    (scans / "self.png").symlink_to(scans / "self.png")
    os.mkfifo(scans / "pipe.png")
    (scans / "empty").mkdir()
    given = sorted(scans.iterdir())
    result = clearer(*given, "--model", model, "--out", tmp_path / "out")
    assert result.exit_code == 1
    assert "2 restored, 2 failed" in result.stdout
    assert str(scans / "empty") in result.stderr


def test_damaged_pictures_leave_nothing_behind(scans: Path, model: Path) -> None:
    data = bytearray((scans / "good.png").read_bytes())
    data[data.index(b"IDAT") + 8] ^= 4
    (scans / "bad.png").write_bytes(data)
    (scans / "postscript.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    result, records = run(scans, model)
    assert result.exit_code == 1
    assert statuses(records, "failed") == {"bad.png", "postscript.png"}
    assert "wrong checksum of IDAT" in records["bad.png"]["reason"]
    written = {path.name for path in (scans.parent / "out").rglob("*") if path.is_file()}
    assert written == {"good.png", "good.jpg"}


def test_bits_that_change_are_said(scans: Path, model: Path) -> None:
    levels = " ".join(str(value) for value in np.arange(16 * 20) * 3)
    (scans / "deep.pgm").write_text(f"P2\n20 16\n1023\n{levels}\n")
    result, records = run(scans, model)
    assert result.exit_code == 0, result.stderr
    assert records["deep.pgm"]["bits"] == 16
    assert records["deep.pgm"]["notes"] == ["samples of 0 to 1023 became 16 bits"]
    assert read_picture(scans.parent / "out" / "deep.png").bits == 16
