"""The commands on the pages: all are parsed, and the quick ones are run."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image
from typer.testing import CliRunner

from clearer.cli import app
from tests.docs.pages import PAGES, ROOT, commands, name

LINES = [
    pytest.param(line, id=f"{name(page)}: {line}") for page in PAGES for line in commands(page)
]
QUICK = [
    "clearer restore photo.jpg",
    "clearer restore photo.jpg --strength 0.7",
    "clearer restore photo.jpg --model gray-small",
    "clearer restore scans --out clean",
    "clearer restore scans --out clean --format png",
    "clearer zoo",
    "clearer tasks",
    "clearer data list",
    "clearer doctor",
]
MADE = {"board/device_timer.py": "bench/device_timer.py"}
"""Scripts that a command writes, and the files they are copies of."""


def words_of(line: str) -> list[str]:
    return shlex.split(line, comments=True)


def check(words: list[str]) -> None:
    """Check that a command exists, with all its arguments.

    Raises:
        AssertionError: If it does not.
    """
    match words:
        case ["clearer", *rest]:
            check_clearer(rest)
        case ["torchrun" | "srun", *rest]:
            check(rest[rest.index("clearer") :])
        case ["sbatch", script, _run, *options]:
            assert (ROOT / script).is_file()
            check_clearer(["search", *options])
        case ["make", target]:
            assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
        case ["pip", "install", "--no-deps", wheel]:
            check_wheel(wheel)
        case ["pip", "install", "filelock", *packages]:
            check_packages({"filelock", *packages})
        case ["pip", "install", *rest]:
            check_extras(rest[-1])
        case ["pip", "wheel", *_, "."]:
            pass
        case ["pipx", "install", wheel]:
            check_wheel(wheel)
        case ["python", script, *rest]:
            check_script(ROOT / MADE.get(script, script), rest)
        case [script]:
            assert os.access(ROOT / script, os.X_OK)
        case _:
            raise AssertionError(f"nothing checks {words}")


def check_clearer(words: list[str]) -> None:
    """Check with the command's parser: options, types, choices, and what is required."""
    command: Any = typer.main.get_command(app)
    while hasattr(command, "commands"):
        first, *words = words
        if first.startswith("-"):
            assert first in {option for param in command.params for option in param.opts}
            return
        command = command.commands[first]
    command.make_context(command.name, list(words))


def check_wheel(wheel: str) -> None:
    start = f"dist/clearer-{project()['version']}-py3-none-any.whl"
    assert wheel.startswith(start)
    check_extras(f".{wheel.removeprefix(start)}")


def check_packages(named: set[str]) -> None:
    """Check the list: the core's packages except two, and ONNX Runtime."""
    core = {re.split(r"[>=<]", wanted)[0] for wanted in project()["dependencies"]}
    assert named == core - {"torch", "scikit-image"} | {"onnxruntime"}


def project() -> dict[str, Any]:
    about: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    return about


def check_extras(wanted: str) -> None:
    extras = re.fullmatch(r"\.(?:\[(.*)\])?", wanted)
    assert extras is not None
    assert set((extras[1] or "cpu").split(",")) <= set(project()["optional-dependencies"])


def check_script(script: Path, words: list[str]) -> None:
    assert script.is_file()
    for option in (word for word in words if word.startswith("--")):
        assert f'"{option}"' in script.read_text()


@pytest.mark.parametrize("line", LINES)
def test_a_command_is_understood(line: str) -> None:
    check(words_of(line))


@pytest.mark.parametrize(
    "line",
    [
        "clearer restore",
        "clearer restore photo.jpg --no-such-option",
        "clearer search --color blue",
        "clearer no-such-command",
        "make no-such-target",
        'pip install ".[no-such-extra]"',
        "python benchmarks/no_such_script.py",
        "python benchmarks/paper/reproduce.py sets paper --no-such-option 3",
        "rm file",
    ],
)
def test_what_is_not_there_is_noticed(line: str) -> None:
    with pytest.raises(Exception, match=r"^"):
        check(words_of(line))


def test_every_command_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text()
    for command in all_commands(typer.main.get_command(app)):
        assert f"`clearer {command}`" in readme


def all_commands(group: Any, prefix: str = "") -> Iterator[str]:
    for word, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{prefix}{word} ")
        else:
            yield prefix + word


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the pictures that the pages restore."""
    path, rng = tmp_path_factory.mktemp("reader"), np.random.default_rng(0)
    (path / "scans" / "more").mkdir(parents=True)
    for picture in ("photo.jpg", "scans/1.png", "scans/more/2.png"):
        pixels = rng.integers(256, size=(32, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(path / picture)
    return path


@pytest.mark.parametrize("line", QUICK)
def test_what_is_quick_runs(line: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written = {shlex.join(words_of(line)) for page in PAGES for line in commands(page)}
    assert line in written, "no page has it: take it out of QUICK"
    monkeypatch.chdir(folder)
    for result in ("restored", "clean"):
        shutil.rmtree(folder / result, ignore_errors=True)
    done = CliRunner().invoke(app, words_of(line)[1:])
    assert done.exit_code == 0, done.output
    if line.startswith("clearer restore photo.jpg"):
        assert (folder / "restored" / "photo.jpg").is_file()
    if "--out clean" in line:
        assert (folder / "clean" / "more" / "2.png").is_file()
