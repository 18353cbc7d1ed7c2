"""The commands as a user types them, on real pictures."""

from __future__ import annotations

import json
import resource
import shutil
import signal
from pathlib import Path
from typing import Any

import onnx
import pytest
import torch

from clearer.networks.network import load_network
from clearer.runs.run import Run
from clearer.support.files import read_jsonl
from tests.command import SHORT, TINY, clearer, searched
from tests.forked import SignalIn, run_forked
from tests.patience import PATIENCE_S
from tests.photographs import save_photographs
from tests.started import started, wait_for_file

RACE = ["--budget-mb", "0.1", "--contenders", "2", "--search-iterations", "2", *SHORT]


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small real photographs, split by hand."""
    names = {"train": ["astronaut", "motorcycle_left", "brick", "coins"], "val": ["camera"]}
    names["test"] = ["coffee"]
    return save_photographs(tmp_path_factory.mktemp("photos"), names, "RGB", (96, 80))


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return searched(tmp_path_factory.mktemp("runs") / "run", photos, *RACE)


def read(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(path.read_text())
    return data


def test_search_leaves_the_files_of_a_run(trained: Path) -> None:
    names = {path.name for path in trained.iterdir()}
    assert {"config.json", "race.json", "architecture.json", "train.jsonl"} <= names
    assert {"weights.safetensors", "last.safetensors", "checkpoint"} <= names
    config = read(trained / "config.json")
    assert config["environment"]["packages"]["torch"]
    decision = read(trained / "architecture.json")
    (budget,) = decision["budgets"]
    assert 0.09 < budget["measured"] <= budget["limit"] == 0.1
    assert decision["space"] == config["settings"]["space"]
    _, info = load_network(trained / "weights.safetensors")
    validations = [r for r in read_jsonl(trained / "train.jsonl") if "val_psnr_db" in r]
    assert info["val_psnr_db"] == max(r["val_psnr_db"] for r in validations)


def test_export_is_checked(trained: Path) -> None:
    exported = clearer("export", trained)
    assert exported.exit_code == 0, exported.output
    report = read(trained / "export.json")
    (file,) = report["files"]
    assert file["bytes"] == (trained / "model.onnx").stat().st_size <= 100_000
    assert file["check"]["max_abs"] < 1e-4
    onnx.checker.check_model(trained / "model.onnx", full_check=True)


def test_training_learns_and_is_repeatable(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "again"
    words = ["--iterations", 100, "--batch-size", 4, "--json"]
    result = clearer("train", trained, "--out", run, *words)
    assert result.exit_code == 0, result.output
    validation = json.loads(result.stdout)["validation"]
    assert validation["this network"]["psnr_db"] > validation["input"]["psnr_db"] + 3
    words[1] = 10
    a, b = (clearer("train", trained, "--out", tmp_path / name, *words) for name in "ab")
    assert json.loads(a.stdout)["validation"] == json.loads(b.stdout)["validation"]


def test_trained_weights_are_not_trained_over(trained: Path) -> None:
    before = (trained / "weights.safetensors").read_bytes()
    result = clearer("train", trained)
    assert result.exit_code == 2
    assert "--resume" in result.stderr
    assert "--out" in result.stderr
    assert (trained / "weights.safetensors").read_bytes() == before


def test_a_finished_run_resumes_to_itself(trained: Path) -> None:
    before = (trained / "weights.safetensors").read_bytes()
    result = clearer("search", "--resume", "--out", trained)
    assert result.exit_code == 0, result.output
    assert (trained / "weights.safetensors").read_bytes() == before


@pytest.fixture(scope="module")
def unbroken(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A search by gradient that nothing interrupts."""
    return searched(tmp_path_factory.mktemp("unbroken") / "run", photos, *TINY)


@pytest.mark.parametrize(
    ("log", "function", "call"),
    [
        ("search.jsonl", "clearer.searching.search.cosine", 11),
        ("train.jsonl", "clearer.training.train.training_rate", 25),
    ],
)
def test_kill_9_then_resume_ends_like_an_unbroken_run(
    photos: Path, unbroken: Path, tmp_path: Path, log: str, function: str, call: int
) -> None:
    run = tmp_path / "killed"
    words = ["search", *TINY, "--data", photos, "--out", run, "--checkpoint-seconds", 0]
    ended = run_forked(*words, prepare=SignalIn(function, call, signal.SIGKILL))
    assert ended.exit_code == -signal.SIGKILL
    assert read_jsonl(run / log)
    assert (run / "checkpoint" / "train.json").exists() == (log == "train.jsonl")
    result = clearer("search", "--resume", "--out", run)
    assert result.exit_code == 0, result.output
    for name in ("architecture.json", "weights.safetensors", "last.safetensors"):
        assert (run / name).read_bytes() == (unbroken / name).read_bytes(), name
    for name in ("search.jsonl", "train.jsonl"):
        logs = [read_jsonl(folder / name) for folder in (run, unbroken)]
        for record in logs[0] + logs[1]:
            record.pop("iterations_per_s", None)
        assert logs[0] == logs[1]


def test_kill_9_right_after_a_validation_loses_no_weights(
    photos: Path, unbroken: Path, tmp_path: Path
) -> None:
    """With no checkpoint since the start, the run still resumes, and ends with the same weights."""
    run = tmp_path / "killed"
    words = ["search", *TINY, "--data", photos, "--out", run, "--checkpoint-seconds", 1e6]
    kill = SignalIn("clearer.training.train.save_checkpoint", 2, signal.SIGKILL)
    assert run_forked(*words, prepare=kill).exit_code == -signal.SIGKILL
    assert (run / "weights.safetensors").exists()
    result = clearer("search", "--resume", "--out", run)
    assert result.exit_code == 0, result.output
    weights = (run / "weights.safetensors").read_bytes()
    assert weights == (unbroken / "weights.safetensors").read_bytes()


def test_ctrl_c_saves_and_says_how_to_go_on(photos: Path, tmp_path: Path) -> None:
    """Run in a separate process, as a user starts it."""
    run = tmp_path / "run"
    words = [*TINY, "--data", photos, "--out", run, "--checkpoint-seconds", "0"]
    words[words.index("12")] = "100000"
    with started("search", *words) as process:
        wait_for_file(run / "checkpoint" / "search.json", process)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert f"--resume --out {run}" in errors.replace("\n", "")
    assert "Traceback" not in errors


def test_a_race_goes_on_after_ctrl_c_as_if_there_was_none(
    photos: Path, trained: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    words = ["search", *RACE, "--data", photos, "--out", run, "--checkpoint-seconds", 0]
    interrupt = SignalIn("clearer.searching.race_turn.save_checkpoint", 2, signal.SIGINT)
    ended = run_forked(*words, prepare=interrupt)
    assert ended.exit_code == 130
    assert f"--resume --out {run}" in ended.stderr.replace("\n", "")
    assert "Traceback" not in ended.stderr
    assert (run / "checkpoint" / "race-0.json").exists()
    assert clearer("search", "--resume", "--out", run).exit_code == 0
    for name in ("race.json", "architecture.json", "weights.safetensors"):
        assert (run / name).read_bytes() == (trained / name).read_bytes(), name


def limit_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))


def test_a_full_disk_is_one_line_and_the_run_goes_on(photos: Path, tmp_path: Path) -> None:
    """Files are limited to 30 kB: the checkpoint cannot be written, as on a full disk."""
    run = tmp_path / "run"
    words = ["search", *TINY, "--data", photos, "--out", run]
    ended = run_forked(*words, prepare=limit_files)
    assert ended.exit_code == 1
    assert "no space left to write" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert not list(run.rglob(".*"))
    result = clearer("search", "--resume", "--out", run)
    assert result.exit_code == 0, result.output


@pytest.mark.parametrize("how", [TINY, RACE], ids=["gradient", "race"])
def test_a_loss_that_is_not_finite(photos: Path, tmp_path: Path, how: list[str]) -> None:
    words = [*how, "--data", photos, "--out", tmp_path / "run", "--learning-rate", "1e30"]
    result = clearer("search", *words)
    assert result.exit_code == 1
    assert "--learning-rate" in result.stderr


def test_export_before_training(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = clearer("search", *RACE, "--data", photos, "--out", run, "--no-train")
    assert result.exit_code == 0, result.output
    result = clearer("export", run)
    assert result.exit_code == 2
    assert "clearer train" in result.stderr
    assert clearer("train", run).exit_code == 0


def test_a_search_without_training_resumes_without_it(photos: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    assert clearer("search", *RACE, "--data", photos, "--out", run, "--no-train").exit_code == 0
    result = clearer("search", "--resume", "--out", run)
    assert result.exit_code == 0, result.output
    assert not (run / "weights.safetensors").exists()
    assert clearer("search", "--resume", "--train", "--out", run).exit_code == 0
    assert (run / "weights.safetensors").exists()


def test_rgb_from_search_to_bench(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clearer.bench.bench.peak_memory_mb", lambda spec: None)  # seconds a row
    run = tmp_path / "run"
    words = [*RACE, "--data", photos, "--out", run, "--color", "rgb", "--unshuffle", 2]
    assert clearer("search", *words).exit_code == 0
    assert clearer("export", run).exit_code == 0
    result = clearer("bench", run, "--runs", 3, "--size", "32x32", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["timed_shape"] == [1, 3, 32, 32]


def test_weights_and_checkpoints_of_another_run_are_refused(
    trained: Path, photos: Path, tmp_path: Path
) -> None:
    other, run = tmp_path / "other", tmp_path / "run"
    words = ["--data", photos, "--out", other, "--strategy", "random"]
    assert clearer("search", *TINY, *words).exit_code == 0
    shutil.copytree(trained, run)
    shutil.copytree(other / "checkpoint", run / "checkpoint", dirs_exist_ok=True)
    resumed = clearer("train", "--resume", run)
    assert resumed.exit_code == 2
    assert f"clearer train {run} --out NEW" in resumed.stderr
    shutil.copy(other / "weights.safetensors", run)
    for words in (["export", run], ["bench", run], ["eval", run, "--data", photos]):
        result = clearer(*words)
        assert result.exit_code == 2, result.output
        assert "does not fit the architecture" in result.stderr


def test_the_newest_run_is_the_one_begun_last(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, begun in (("z", "05T01:00"), ("b", "05T03:00"), ("c", "05T02:00")):
        shutil.copytree(trained, Path("runs") / name)
        config = read(Path("runs") / name / "config.json")
        config["environment"]["started"] = f"2026-01-{begun}:00+0000"
        (Path("runs") / name / "config.json").write_text(json.dumps(config))
    assert Run.newest() == Path("runs/b")
    (Path("runs") / "z" / "config.json").write_text("{")  # then the file's date counts
    assert Run.newest() == Path("runs/z")


def test_a_damaged_run_is_named(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "weights.safetensors").write_bytes(b"cut")
    result = clearer("export", run)
    assert result.exit_code == 2
    assert "weights.safetensors" in result.stderr
    (run / "config.json").write_text("{")
    assert clearer("bench", run).exit_code == 2


def test_unexpected_errors_show_a_traceback_only_with_debug(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr("clearer.export.artefacts.to_onnx", fail)
    plain, debug = clearer("export", trained), clearer("export", trained, "--debug")
    assert plain.exit_code == debug.exit_code == 1
    assert "unexpected RuntimeError: boom" in plain.stderr
    assert "Traceback" not in plain.stderr
    assert "Traceback" in debug.stderr


def test_real_photographs_of_bsds500(real_data: Path, tmp_path: Path) -> None:
    """With the real set in ``CLEARER_DATA``: a short training restores, and the export agrees."""
    folder = tmp_path / "few"
    for split, count in (("train", 6), ("val", 2), ("test", 2)):
        (folder / split).mkdir(parents=True)
        for path in sorted((real_data / "bsds500" / split).glob("*.jpg"))[:count]:
            (folder / split / path.name).symlink_to(path)
    run = tmp_path / "run"
    words = [*RACE[:6], "--iterations", 60, "--batch-size", 4]
    words += ["--patch-size", 32, "--sigma", 50, "--data", folder, "--out", run, "--json"]
    result = clearer("search", *words)
    assert result.exit_code == 0, result.output
    validation = json.loads(result.stdout)["validation"]
    assert validation["input"]["psnr_db"] == pytest.approx(14.15, abs=0.1)
    assert validation["this network"]["psnr_db"] > 18
    assert clearer("export", run).exit_code == 0
    report = clearer("bench", run, "--runs", 3, "--size", "32x32", "--json")
    assert json.loads(report.stdout)["num_images"] == 2


@pytest.mark.gpu
@pytest.mark.parametrize("how", [TINY, RACE], ids=["gradient", "race"])
def test_search_to_export_on_a_gpu(photos: Path, tmp_path: Path, how: list[str]) -> None:
    """Trained on the GPU, the network still agrees with its export on the CPU."""
    if not torch.cuda.is_available():
        pytest.skip("torch finds no CUDA device")
    run = tmp_path / "run"
    words = [*how, "--data", photos, "--out", run, "--device", "cuda", "--precision", "bf16"]
    result = clearer("search", *words)
    assert result.exit_code == 0, result.output
    assert clearer("export", run).exit_code == 0


def test_finished_weights_survive_a_lost_checkpoint(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    before = (run / "weights.safetensors").read_bytes()
    (run / "checkpoint" / "train.json").unlink()
    for command in (["train", "--resume", run], ["search", "--resume", "--out", run]):
        result = clearer(*command)
        assert result.exit_code == 2
        assert "--out NEW" in result.stderr
    assert (run / "weights.safetensors").read_bytes() == before


def test_lost_weights_come_back_from_the_checkpoint(trained: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    (run / "weights.safetensors").unlink()
    assert clearer("train", "--resume", run).exit_code == 0
    last, again = (load_network(run / n)[0] for n in ("last.safetensors", "weights.safetensors"))
    assert all(map(torch.equal, last.state_dict().values(), again.state_dict().values()))


@pytest.mark.parametrize(
    ("field", "value"),
    [("patch_size", "x"), ("iterations", None), ("learning_rate", [1])],
)
def test_a_changed_config_is_named(trained: Path, tmp_path: Path, field: str, value: Any) -> None:
    run = tmp_path / "run"
    shutil.copytree(trained, run)
    config = read(run / "config.json")
    config["settings"]["train"][field] = value
    (run / "config.json").write_text(json.dumps(config))
    result = clearer("train", "--resume", run)
    assert result.exit_code == 2
    assert "config.json" in result.stderr
    assert field in result.stderr


def test_runs_that_are_alike_get_the_next_number(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs" / "denoise-s25-1000kparams-later").mkdir(parents=True)  # of a user
    words = [*TINY, "--data", str(photos), "--no-train", "--budget-params", "1e6"]
    for more in ([], [], ["--sigma", "5:50"]):
        assert clearer("search", *words, *more).exit_code == 0
    shutil.rmtree(tmp_path / "runs" / "denoise-s25-1000kparams-0")
    assert clearer("train", "--out", "runs/other").exit_code == 0
    assert Run.newest() == Path("runs/other")
    assert clearer("search", *words).exit_code == 0
    assert Run.newest() == Path("runs/denoise-s25-1000kparams-2")
    names = sorted(path.name for path in (tmp_path / "runs").glob("*-[0-9]"))
    assert names == [
        "denoise-s25-1000kparams-1",
        "denoise-s25-1000kparams-2",
        "denoise-s5-50-1000kparams-0",
    ]
