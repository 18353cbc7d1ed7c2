"""The commands on the pages are understood: commands, options, scripts, packages."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import sys
import tomllib
from argparse import ArgumentParser
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer

from clearer.cli import app
from tests.docs.pages import PAGES, ROOT, commands, loose_commands, name

LINES = [
    pytest.param(line, id=f"{name(page)}: {line}") for page in PAGES for line in commands(page)
]
PLACES = {
    "board/device_timer.py": "bench/device_timer.py",
    "restore.py": "examples/python/restore.py",
    "restore.mjs": "examples/node/restore.mjs",
}
"""Scripts that lie elsewhere in the source tree than the pages say: copies, or in their folder."""


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
        case ["pip", "install", "onnxruntime" | "fastapi", *packages]:
            check_imports(packages)
        case ["pip", "install", *rest]:
            check_extras(rest[-1])
        case ["pip", "wheel", *_, "."]:
            pass
        case ["python", "-m", "pip", "download", *_, "platformdirs", "simplejpeg"]:
            pass
        case ["python", "-m", "pip", "install", *_, "wheels/*.whl"]:
            pass
        case ["export", "PYTHONPATH=$PWD/site"]:
            pass
        case ["pipx", "install", wheel]:
            check_wheel(wheel)
        case ["python", script, *rest]:
            check_script(ROOT / PLACES.get(script, script), rest)
        case ["npm", "ci"]:
            assert (ROOT / "examples" / "node" / "package-lock.json").is_file()
        case ["node", script, _model, _picture, _target]:
            assert (ROOT / PLACES[script]).is_file()
        case ["cmake", "-S", ".", "-B", "build", _] | ["cmake", "--build", "build"]:
            assert (ROOT / "examples" / "cpp" / "CMakeLists.txt").is_file()
        case ["build/restore", _model, _picture, _target]:
            assert "restore" in (ROOT / "examples" / "cpp" / "CMakeLists.txt").read_text()
        case ["MODEL=model.image.onnx", "uvicorn", "server:app", *_]:
            assert "FastAPI()" in (ROOT / "examples" / "server" / "server.py").read_text()
        case ["curl", *_, address, "--output", "restored.png"]:
            assert address.endswith("/restore")
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


def check_imports(packages: list[str]) -> None:
    """All of them are known to this environment: the examples run here."""
    for package in packages:
        metadata.distribution(package)


class Parsed(Exception):  # noqa: N818
    """A script has understood its words, and would begin to work."""


def check_script(script: Path, words: list[str]) -> None:
    """By its own parser; one that has none takes what it is given."""
    assert script.is_file()
    if "ArgumentParser" not in script.read_text():
        assert not [word for word in words if word.startswith("--")]
        return
    parse = ArgumentParser.parse_args

    def parse_alone(self: ArgumentParser, given: Any = None, names: Any = None) -> Any:
        parse(self, given, names)
        raise Parsed

    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(script.parent)
        patch.setattr(sys, "argv", [str(script), *words])
        patch.setattr(ArgumentParser, "parse_args", parse_alone)
        with pytest.raises(Parsed):
            runpy.run_path(str(script), run_name="__main__")


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
        "python benchmarks/gpu/run.py no-such-call",
        "python benchmarks/zoo/make.py",
        "rm file",
    ],
)
def test_what_is_not_there_is_noticed(line: str) -> None:
    with pytest.raises((Exception, SystemExit), match=r"^"):
        check(words_of(line))


def test_every_command_stands_in_a_fence() -> None:
    assert not [(name(page), line) for page in PAGES for line in loose_commands(page)]


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
