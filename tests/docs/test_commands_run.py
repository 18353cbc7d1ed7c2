"""What the pages tell to type is run, in folders as a reader has them, or it is said why not."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from clearer.bench import device_timer, measured_costs
from clearer.cli import app
from clearer.zoo import catalogue
from tests.docs.not_run import NOT_RUN, NotRun, Why
from tests.docs.pages import PAGES, ROOT, commands
from tests.docs.reader import make_pictures, make_sets
from tests.docs.scenes import SCENES, TINY_RUN, Copy, Line, Scene
from tests.docs.test_programs import PROGRAMS
from tests.patience import PATIENCE_S
from tests.tiny_zoo import add_network

RUN = "runs/denoise-s25-5mb-0"
PLACES = {"runs/NAME": "runs/gradient"}
"""What a reader puts in place of a word in capitals."""
TEXTS = {line for page in PAGES for line in commands(page)}
ASKED = {text: about for text, about in NOT_RUN.items() if about.says}


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures without a run."""
    folder = tmp_path_factory.mktemp("reader")
    make_pictures(folder)
    return folder


@pytest.fixture(scope="module")
def sets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_sets(tmp_path_factory.mktemp("sets"))


@pytest.fixture(scope="module")
def with_run(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, a tiny run, and its model under the names that the pages give it."""
    folder = tmp_path_factory.mktemp("with-run") / "reader"
    shutil.copytree(pictures, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        type_in(folder, TINY_RUN)
        type_in(folder, "clearer export")
    for name in ("model.onnx", "other.onnx"):
        shutil.copy(folder / RUN / "model.onnx", folder / name)
    for name in ("restore.py", "restore.mjs"):
        (found,) = ROOT.glob(f"examples/*/{name}")
        shutil.copy(found, folder)
    return folder


@pytest.fixture
def quick_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """Milliseconds need not be good here."""
    monkeypatch.setattr(measured_costs, "_QUICK_SECONDS", 0.05)
    monkeypatch.setattr(measured_costs, "_CHECK_SECONDS", 0.1)
    monkeypatch.setattr(measured_costs, "_PROBE_SECONDS", 0.05)
    monkeypatch.setattr(measured_costs, "_PROFILE_SECONDS", 0.2)
    monkeypatch.setattr(device_timer, "WARMUP_SECONDS", 0.01)


def type_in(folder: Path, text: str) -> None:
    """Run a command in the current folder; clearer in this process."""
    words = [PLACES.get(word, word) for word in shlex.split(text)]
    if words[0] == "clearer":
        done = CliRunner().invoke(app, words[1:])
        assert done.exit_code == 0, f"{text}\n{done.output}\n{done.exception!r}"
        return
    assert words[0] == "python"
    ended = subprocess.run(
        [sys.executable, *words[1:]], cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert ended.returncode == 0, f"{text}\n{ended.stdout}{ended.stderr}"


def newest(folder: Path, pattern: str) -> int:
    """When the last of the files was written."""
    return max((path.stat().st_mtime_ns for path in folder.glob(pattern)), default=0)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
@pytest.mark.usefixtures("quick_times")
def test_a_scene_runs(
    scene: Scene,
    request: pytest.FixtureRequest,
    sets: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = tmp_path / "reader"
    source = request.getfixturevalue("pictures" if scene.is_empty else "with_run")
    shutil.copytree(source, folder)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("CLEARER_DATA", str(sets))
    if scene.has_tiny_zoo:
        zoo = tmp_path / "zoo"
        zoo.mkdir()
        monkeypatch.setattr(catalogue, "FOLDER", zoo)
        for name in ("gray", "gray-small", "gray-25", "gray-50"):
            add_network(zoo, name, 1)
    for step in scene.steps:
        if isinstance(step, Copy):
            copy = shutil.copytree if Path(step.source).is_dir() else shutil.copy
            copy(step.source, step.target)
            continue
        if not isinstance(step, Line):
            type_in(folder, step.text)
            continue
        before = [newest(folder, pattern) for pattern in step.makes]
        type_in(folder, f"{step.text} {step.more}")
        for pattern, then in zip(step.makes, before, strict=True):
            assert newest(folder, pattern) > then, f"{step.text}: no new {pattern}"


def test_every_command_is_run_or_has_a_reason() -> None:
    ran = {step.text for scene in SCENES for step in scene.steps if isinstance(step, Line)}
    ran |= set(PROGRAMS)
    assert not ran & set(NOT_RUN)
    assert ran | set(NOT_RUN) == TEXTS


@pytest.mark.parametrize("text", ASKED)
def test_what_is_not_run_cannot_be(
    text: str, tmp_path: Path, with_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    about = ASKED[text]
    if about.why is Why.GPU and torch.cuda.is_available():
        pytest.skip("here is a GPU")
    shutil.copytree(with_run, tmp_path / "reader")
    monkeypatch.chdir(tmp_path / "reader")
    monkeypatch.delenv("CLEARER_DATA", raising=False)
    done = CliRunner().invoke(app, shlex.split(text)[1:])
    assert done.exit_code != 0
    assert about.says in done.output


@pytest.mark.parametrize("text", [text for text, about in NOT_RUN.items() if about.where])
def test_what_runs_elsewhere_is_there(text: str) -> None:
    """The test has what sets the command apart: its script, its last option, or its purpose."""
    about: NotRun = NOT_RUN[text]
    words = shlex.split(text)
    match words:
        case ["python", script, *_]:
            sign = f'"{Path(script).stem}"'
        case ["clearer", "data", *_]:
            sign = '"get"'
        case ["clearer", *_]:
            sign = next(word for word in reversed(words) if word.startswith("--"))
        case ["make", target]:
            sign = {
                "docs": '"mkdocs"',
                "figures": '"figures"',
                "zoo": "train_queue.py",
                "zoo-status": '"status"',
            }[target]
        case _:
            sign = {
                "srun": "srun",
                "torchrun": "torchrun",
                "sbatch": "search.sbatch",
                "pip": "build_wheel" if words[1] == "wheel" else '"install"',
                "pipx": '"install"',
                "npm": '"install"',
                "cmake": '"cmake"',
                "build/restore": '"restore"',
            }[words[0]]
    assert sign in (ROOT / about.where).read_text()
