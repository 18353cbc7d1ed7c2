"""What shells offer after a tab, tested in the shells that are installed."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from clearer.cli import app
from tests.patience import PATIENCE_S
from tests.terminal import type_in_terminal

ROOT = Path(__file__).resolve().parents[2]
RUNS = {"runs/denoise-s25-5mb-0", "runs/denoise-s50-5mb-0"}
LINES = {
    "clearer show runs/": RUNS,
    "clearer restore photo.jpg --model gray-": {"gray-small", "gray-25", "gray-scans"},
    "clearer search --data bsd": {"bsd68", "bsds500"},
}
"""What is typed, and what must be offered."""

_BASH = """
source <(clearer --show-completion)
complete_function="$(complete -p clearer | sed 's/.*-F \\([^ ]*\\).*/\\1/')"
for line in "$@"; do
    read -ra COMP_WORDS <<< "$line"
    COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
    "$complete_function" clearer
    echo "${COMPREPLY[@]}"
done
"""
_FISH = """
clearer --show-completion | source
for line in $argv
    complete --do-complete "$line" | string split --fields 1 \\t | string join " "
end
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two runs, a file and folders."""
    for name in (*RUNS, "runs/notes", "photos", "gray-scans"):
        (tmp_path / name).mkdir(parents=True)
    for run in RUNS:
        (tmp_path / run / "config.json").write_text("{}")
    (tmp_path / "model.onnx").touch()
    return tmp_path


@pytest.fixture
def variables(folder: Path) -> dict[str, str]:
    """The environment of a shell that finds the command of these sources."""
    command = folder / "bin" / "clearer"
    command.parent.mkdir()
    command.write_text(f"#!{sys.executable}\nfrom clearer.__main__ import main\nmain()\n")
    command.chmod(0o755)
    path = f"{command.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, "PATH": path, "PYTHONPATH": str(ROOT), "HOME": str(folder)}


@pytest.mark.parametrize(("shell", "script"), [("bash", _BASH), ("fish", _FISH)])
def test_bash_and_fish_offer_names(
    folder: Path, variables: dict[str, str], shell: str, script: str
) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"{shell} is not installed")
    # A file: with -c, a shell with nothing left to do is replaced by its last command, which then
    # does not know which shell it is for.
    path = folder / "script"
    path.write_text(script)
    command = [shell, str(path), *LINES]
    done = subprocess.run(
        command, cwd=folder, env=variables, capture_output=True, text=True, timeout=PATIENCE_S
    )
    assert done.returncode == 0, done.stderr
    offered = [set(line.split()) for line in done.stdout.splitlines()]
    assert len(offered) == len(LINES)
    for words, awaited in zip(offered, LINES.values(), strict=True):
        assert words >= awaited
        assert not words & {"runs/notes", "rgb-small", "set12", "model.onnx", "photos"}


def test_zsh_offers_names(folder: Path, variables: dict[str, str]) -> None:
    """It completes only in its line editor, which needs a terminal."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    typed = [
        ("PROMPT='> '; autoload -U compinit; compinit -u -D; setopt no_list_ambiguous\n", "> "),
        ('eval "$(clearer --show-completion)"; clear; echo READ""Y\n', "READY"),
    ]
    for line, awaited in LINES.items():
        typed.append((f"{line}\t", line))
        typed += [("", word) for word in awaited]
        typed.append(("\x15clear; echo NEX''T\n", "NEXT"))
    screen = type_in_terminal(["zsh", "-f", "-i"], folder, typed, variables)
    assert "rgb-small" not in screen


COMMANDS = [
    ("bench runs/", RUNS),
    ("train runs/", RUNS),
    ("export runs/", RUNS),
    ("eval runs/", RUNS),
    ("demo runs/", RUNS),
    ("restore photo.jpg --model runs/", RUNS),
    ("search --from runs/", RUNS),
    ("export rgb-d", {"rgb-dejpeg", "rgb-derain"}),
    ("train --fine-tune rgb-d", {"rgb-dejpeg", "rgb-derain"}),
    ("bench --data bsd", {"bsd68", "bsds500"}),
    ("train --data bsd", {"bsd68", "bsds500"}),
    ("eval --data photos", {"photos", "photos149"}),
    ("data get bsd", {"bsd68", "bsds500"}),
    ("data verify bsd", {"bsd68", "bsds500"}),
    ("bench mod", set()),  # then the shell offers files
]


@pytest.mark.parametrize(("line", "awaited"), COMMANDS, ids=[line for line, _ in COMMANDS])
def test_commands_offer_what_they_take(
    folder: Path, monkeypatch: pytest.MonkeyPatch, line: str, awaited: set[str]
) -> None:
    monkeypatch.chdir(folder)
    words = f"clearer {line}"
    variables = {
        "_CLEARER_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    result = CliRunner().invoke(app, [], prog_name="clearer", env=variables)
    assert set(result.output.split()) == awaited


def test_completion_loads_no_heavy_package(folder: Path) -> None:
    code = (
        "import sys; sys.modules['torch'] = sys.modules['scipy'] = None\n"
        "from clearer.terminal.completion import *\n"
        "print(complete_networks('gray-25'), complete_data('set'), complete_runs(''))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "('gray-25', 'comes with clearer')" in done.stdout
