"""The scripts for a GPU machine, tried on a CPU at tiny size."""

from __future__ import annotations

import importlib
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from clearer.data.splits import load_splits
from clearer.errors import ClearerError, InputError
from clearer.networks.network import load_network
from clearer.support.files import read_json, read_jsonl
from clearer.tasks.registry import make_task
from clearer.zoo import catalogue
from tests.bench.tiny_onnx import blur
from tests.tiny_zoo import add_network
from tests.zoo_material import TINY_QUEUE, make_sets

ROOT = Path(__file__).resolve().parents[2]
Script = Callable[[str], Any]


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> Script:
    """A script of benchmarks/gpu as a module."""
    for folder in ("zoo", "gpu"):
        monkeypatch.syspath_prepend(ROOT / "benchmarks" / folder)
    monkeypatch.delenv("OUT", raising=False)
    return importlib.import_module


@pytest.fixture
def sets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = make_sets(tmp_path / "sets")
    monkeypatch.setenv("CLEARER_DATA", str(folder))
    return folder


def listed(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.usefixtures("sets")
def test_pictures_travel_in_parts(script: Script, tmp_path: Path) -> None:
    pack = script("pack")
    here, carried, there = (tmp_path / name for name in ("here", "carried", "there"))
    pack.pack_pictures("photos-fair", here, carried, 0.06)
    archives = sorted(carried.glob("*.zip"))
    assert len(archives) > 1
    assert max(path.stat().st_size for path in carried.iterdir()) <= 60_000
    first = {path.name: path.read_bytes() for path in carried.iterdir()}
    pack.pack_pictures("photos-fair", here, carried, 0.06)
    assert first == {path.name: path.read_bytes() for path in carried.iterdir()}
    # The parts arrive one after the other, each with the list.
    for number, archive in enumerate(archives, start=1):
        call = tmp_path / f"call{number}"
        call.mkdir()
        for path in (archive, carried / "pictures.photos-fair.sha256"):
            (call / path.name).write_bytes(path.read_bytes())
        (line,) = pack.unpack_all(call, there)
        is_whole = number == len(archives)
        assert line.startswith("photos-fair: all 22 pictures" if is_whole else "photos-fair: ")
        assert (there / "data" / "photos-fair").is_dir() == is_whole
    assert script("recipes").picture_folder("photos-fair", there / "data").is_dir()
    for split in ("train", "val"):
        one, other = (folder / "data" / "photos-fair" / split for folder in (here, there))
        assert listed(one) == listed(other)
        assert all((one / name).read_bytes() == (other / name).read_bytes() for name in listed(one))
    (line,) = pack.unpack_all(tmp_path / "call1", there)
    assert line == "photos-fair: all 22 pictures are here"


def test_pictures_with_a_scene_of_the_test_stay_out(
    script: Script, sets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "here" / "data" / "rain800"
    kept = [f"train/{number}.png" for number in range(4, 9)]
    for number, name in enumerate(["train/1.png", "train/2.png", "test/3.png", *kept]):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (32, 16), (number, 0, 0)).save(folder / name)
    scenes = "train/2.png test/3.png\ntrain/8.png train/7.png\n"
    (folder / "repeated_scenes.txt").write_text(scenes)
    pack = script("pack")
    pack.pack_pictures("rain800", tmp_path / "here", tmp_path / "carried")
    text = (tmp_path / "carried" / "pictures.rain800.sha256").read_text()
    names = [line.split()[1] for line in text.splitlines()]
    assert names == ["repeated_scenes.txt", "train/1.png", *kept]
    # Where they are unpacked, they can be trained on.
    pack.unpack_all(tmp_path / "carried", tmp_path / "there")
    unpacked = tmp_path / "there" / "data" / "rain800"
    assert (unpacked / "repeated_scenes.txt").read_text() == "train/7.png train/8.png\n"
    splits = load_splits(unpacked, "rgb", 0, make_task("derain", {}))
    assert len(splits.train) + len(splits.val) == 6


@pytest.mark.usefixtures("sets")
def test_damage_is_named(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pack = script("pack")
    words = ["pictures", "photos-small", str(tmp_path / "carried"), "--runs", str(tmp_path)]
    assert pack.main(words) == 0
    archive = tmp_path / "carried" / "pictures.photos-small.00.zip"
    assert str(archive) in capsys.readouterr().out
    whole = archive.read_bytes()
    for damaged, message in (
        (whole[:200], "pack again"),
        (whole.replace(b"JFIF", b"JFIX", 1), "is damaged"),
    ):
        archive.write_bytes(damaged)
        with pytest.raises(ClearerError, match=message):
            pack.unpack_all(tmp_path / "carried", tmp_path / "there")
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("../../elsewhere", b"")
    with pytest.raises(ClearerError, match="elsewhere is damaged, or not of this pack"):
        pack.unpack_all(tmp_path / "carried", tmp_path / "there")
    assert not (tmp_path / "elsewhere").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="holds no list"):
        pack.unpack_all(tmp_path / "empty", tmp_path / "there")
    with pytest.raises(InputError, match="is larger than 0.001 MB"):
        pack.pack({"a": archive.parent / "pictures.photos-small.sha256"}, tmp_path, "a", 0.001)
    assert pack.main([*words, "--mb", "31"]) == 2
    assert pack.main(["run", "absent", str(tmp_path), "--runs", str(tmp_path)]) == 2


def test_a_training_wanders_between_machines(
    script: Script, sets: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = tmp_path / "queue.toml"
    queue.write_text(TINY_QUEUE.format(iterations=12))
    call = script("run").main

    def machine(name: str, *words: str) -> int:
        code: int = call(["--runs", str(tmp_path / name), "--queue", str(queue), *words])
        return code

    one, two = tmp_path / "out-one", tmp_path / "out-two"
    assert machine("one", "train", "tiny", "0.0001", "--out", str(one)) == 0
    assert "tiny: 1 of 12" in capsys.readouterr().out
    names = ["run.tiny.00.zip", "run.tiny.sha256", "tiny.train.jsonl"]
    assert [name for name in listed(one) if name != "tiny.weights.safetensors"] == names
    # The other machine has no sets: its pictures come in a pack, with the run.
    script("pack").pack_pictures("photos-fair", tmp_path / "one", one)
    sets.rename(tmp_path / "gone")
    assert machine("two", "train", "tiny", "5", "--from", str(one), "--out", str(two)) == 0
    told = capsys.readouterr().out
    assert "tiny: a run at iteration 1" in told
    assert "tiny: 12 of 12" in told
    assert "done" in told
    assert len(listed(two)) <= 8
    assert load_network(two / "tiny.weights.safetensors")[1]["val_psnr_db"] > 0
    settings = read_json(tmp_path / "two" / "tiny" / "config.json")["settings"]
    assert settings["data"] == str(tmp_path / "two" / "data" / "photos-fair")
    # And back: the run that is further on is kept, whatever arrives.
    script("pack").main(["unpack", str(two), "--runs", str(tmp_path / "one")])
    script("pack").main(["unpack", str(one), "--runs", str(tmp_path / "one")])
    assert "at iteration 12, is as far or further: it stays" in capsys.readouterr().out
    state = read_json(tmp_path / "one" / "tiny" / "checkpoint" / "train.json")["state"]
    assert state["iteration"] == 12
    pieces = read_jsonl(tmp_path / "one" / "tiny.pieces.jsonl", dict)
    assert [piece["exit_code"] for piece in pieces] == [0, 0]


def test_a_run_takes_the_device_of_the_machine(
    script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = catalogue.zoo_network("gray-50").unpack(tmp_path / "run")
    before = run.settings()
    assert before.device == "cpu"
    monkeypatch.setattr(script("pack"), "resolve_device", lambda name: "cuda")
    other = "fp32" if before.precision == "bf16" else "bf16"
    monkeypatch.setattr(script("pack"), "fastest_precision", lambda space, device: other)
    script("pack").settle(run, tmp_path)
    after = run.settings()
    assert (after.device, after.precision, after.data) == ("cuda", other, tmp_path)
    assert (after.train, after.space) == (before.train, before.space)


@pytest.mark.usefixtures("sets")
def test_a_search_in_pieces(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = tmp_path / "queue.toml"
    queue.write_text(TINY_QUEUE.format(iterations=12))
    words = ["--runs", str(tmp_path / "runs"), "--queue", str(queue), "search", "tiny-search"]
    for minutes in ("0.0001", "5"):
        assert script("run").main([*words, minutes, "--out", str(tmp_path / "out")]) == 0
    told = capsys.readouterr().out
    assert "tiny-search: 1 of 4: begun" in told
    assert "tiny-search: 4 of 4: done" in told
    assert (tmp_path / "runs" / "tiny-search" / "architecture.json").exists()


@pytest.mark.usefixtures("sets")
def test_several_trainings_in_a_time(
    script: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    queue, runs, out = (tmp_path / name for name in ("queue.toml", "runs", "out"))
    tiny = TINY_QUEUE.partition("[[search]]")[0].format(iterations=12)
    tiny = tiny.replace("iterations = 12", "minutes = 9").replace("validate-every = 5\n", "")
    bad = tiny.replace('"tiny"', '"bad"').replace("batch-size = 2", "batch-size = 9999")
    queue.write_text(tiny + bad)
    words = ["--runs", str(runs), "--queue", str(queue)]
    chain = script("chain")
    monkeypatch.setattr(chain, "gpu_test_words", lambda: [sys.executable, "-c", "print('tested')"])
    monkeypatch.setattr(chain, "_TRIED_ITERATIONS", 4)
    assert script("run").main([*words, "try", "tiny"]) == 0
    told = capsys.readouterr().out
    assert told.count("exit code 0") == 2
    assert "tested" in told
    assert "train 4/4" in told
    assert not (runs / "tiny").exists()

    ends = ["chain", "bad", "tiny", "--minutes", "0.1", "--out", str(out)]
    assert script("run").main([*words, *ends]) == 1  # one fails, and the other is trained
    told = capsys.readouterr().out
    assert "--batch-size" in told.partition("tiny: ")[0]
    lines = read_jsonl(out / "tiny.train.jsonl", dict)
    target = read_json(runs / "tiny" / "config.json")["settings"]["train"]["iterations"]
    assert lines[-1]["iteration"] == target > 6
    assert load_network(out / "tiny.weights.safetensors")[1]["val_psnr_db"] > 0


def test_bad_calls_are_refused(
    script: Script, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call = script("run").main
    for words, message in (
        (["train", "unknown", "5", "--out", str(tmp_path)], "no training 'unknown'"),
        (["train", "gray", "0", "--out", str(tmp_path)], "MINUTES must be above 0"),
        (["train", "gray", "5"], "say where results go"),
        (["bench", "unknown"], "neither an ONNX file nor one of"),
        (["unpack", str(tmp_path)], "holds no list"),
    ):
        assert call(["--runs", str(tmp_path / "runs"), *words]) == 2
        assert message in capsys.readouterr().err


def test_check(
    script: Script,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "hypothesis", None)
    monkeypatch.setattr(script("check"), "_TIMED_SECONDS", 0.1)
    code = script("run").main(["check", "--tiny", "--seconds", "600", "--out", str(tmp_path)])
    report = read_json(tmp_path / "check.json")
    assert code == 0
    assert "left out: pytest or hypothesis" in report["notes"][0]
    assert [row["agrees"] for row in report["steps"]] == [True, True]
    assert all(row["largest step"] > 0 for row in report["steps"])
    cases = {(row["case"], row["precision"]) for row in report["times"]}
    assert cases == {(case, p) for case in ("training", "search") for p in ("bf16", "fp32")}
    assert all(row["ms"] > 0 and row["kernel_share"] > 0 for row in report["times"])
    assert report["machine"]["torch"] == torch.__version__
    assert script("run").main(["check", "--tiny", "--seconds", "0"]) == 0
    assert "left out, the time is over: training, bf16, eager; search" in capsys.readouterr().out


def test_check_finds_a_device_that_computes_otherwise(script: Script) -> None:
    check, steps = script("check"), script("steps")
    (case, _) = steps.tiny_cases()
    batches = check._cpu_batches(case)

    def make(draw: Callable[[int], Any]) -> Any:
        return steps.make_step(case, "cpu", "fp32", "eager", print, draw)

    def agree(draw: Callable[[int], Any]) -> bool:
        found: bool = check._difference("", make(draw), make(batches), 2)["agrees"]
        return found

    assert agree(batches)
    assert not agree(lambda index: batches(index)._replace(clean=batches(index).clean * 1.001))


def test_bench(script: Script, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "zoo").mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", tmp_path / "zoo")
    add_network(tmp_path / "zoo", "gray-tiny", 1)
    model = blur(tmp_path / "other.onnx")
    words = ["bench", "gray-tiny", str(model), "--tiny", "--out", str(tmp_path)]
    assert script("run").main(words) == 0
    rows = read_json(tmp_path / "bench.json")["rows"]
    assert [(row["network"], row["runtime"]) for row in rows] == [
        ("gray-tiny", "torch eager"),
        ("gray-tiny", "ONNX Runtime CPU"),
        ("other", "ONNX Runtime CPU"),
    ]
    assert all(row["end_to_end_ms"] > 0 and row["batch_images_per_s"] > 0 for row in rows)
    assert max(row["largest_difference"] for row in rows) < 1e-4


def test_bytes_go_in_and_out(script: Script) -> None:
    restoring = script("restoring")
    pixels = np.arange(256, dtype=np.uint8).reshape(1, 1, 16, 16)
    same = restoring._from_8_bits(lambda degraded: degraded, "cpu")
    assert (same(pixels) == pixels).all()
    bright = restoring._from_8_bits(lambda degraded: degraded + 2, "cpu")
    assert (bright(pixels) == 255).all()
