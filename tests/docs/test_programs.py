"""The pages' commands that serve, or are programs of their own."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from pathlib import Path
from types import ModuleType

import pytest

from clearer.zoo import catalogue
from tests.command import clearer
from tests.docs.pages import ROOT
from tests.docs.reader import make_pictures, make_sets
from tests.docs.test_embed import write_image_model
from tests.patience import PATIENCE_S
from tests.tiny_zoo import add_network

DEMO = [
    "clearer demo",
    "clearer demo --open",
    "clearer demo model.onnx --open",
    "clearer demo rgb gray-small",
]
SAVE = "clearer demo --save site"
SERVE = "MODEL=model.image.onnx uvicorn server:app --limit-concurrency 16"
SEND = (
    "curl --fail-with-body --data-binary @noisy.jpg http://127.0.0.1:8000/restore "
    "--output restored.png"
)
NODE = "node restore.mjs model.onnx noisy.png restored.png"
COMPLETION = "clearer --install-completion"
PAPER = [
    "python benchmarks/paper/reproduce.py sets paper-small --iterations 300 --width 8 --images 4",
    "python benchmarks/paper/reproduce.py sets paper --iterations 100000",
]
PROGRAMS = [*DEMO, SAVE, SERVE, SEND, NODE, COMPLETION, *PAPER]


def free_port() -> int:
    with contextlib.closing(socket.create_server(("127.0.0.1", 0))) as server:
        port: int = server.getsockname()[1]
    return port


def answers(port: int, is_over: threading.Event, path: str = "/") -> bool:
    """Whether a server answers before its command has ended."""
    while not is_over.wait(0.02):
        with contextlib.suppress(OSError):
            address = f"http://127.0.0.1:{port}{path}"
            with urllib.request.urlopen(address, timeout=PATIENCE_S) as answer:
                return bool(answer.read())
    return False


@pytest.fixture
def tiny_zoo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Small networks under the names that the pages give to the demonstration."""
    zoo = tmp_path / "zoo"
    zoo.mkdir()
    monkeypatch.setattr(catalogue, "FOLDER", zoo)
    add_network(zoo, "gray-small", 1)
    add_network(zoo, "rgb", 3)
    monkeypatch.setenv("BROWSER", "true")  # opens nothing, and says that it did
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert clearer("export", "rgb", "--out", "made").exit_code == 0
    shutil.copy("made/model.onnx", "model.onnx")
    return work


@pytest.mark.usefixtures("ort_web", "tiny_zoo")
def test_the_page_is_served_until_it_is_ended() -> None:
    for text in DEMO:
        port, is_over = free_port(), threading.Event()
        seen: list[bool] = []

        def visit(port: int, is_over: threading.Event, seen: list[bool]) -> None:
            seen.append(answers(port, is_over))
            if seen[0]:
                os.kill(os.getpid(), signal.SIGINT)  # Ctrl-C

        visitor = threading.Thread(target=visit, args=(port, is_over, seen))
        visitor.start()
        done = clearer(*shlex.split(text)[1:], "--port", port)
        is_over.set()
        visitor.join()
        assert (done.exit_code, seen) == (0, [True]), f"{text}\n{done.output}"
        assert "ended" in done.output


@pytest.mark.usefixtures("ort_web")
def test_the_page_is_saved(tiny_zoo: Path) -> None:
    done = clearer(*shlex.split(SAVE)[1:])
    assert done.exit_code == 0, done.output
    networks = json.loads((tiny_zoo / "site" / "networks.json").read_text())
    assert [network["name"] for network in networks] == ["rgb"]


def test_the_server_of_the_examples_answers(tmp_path: Path) -> None:
    make_pictures(tmp_path)
    write_image_model(tmp_path / "model.image.onnx")
    shutil.copy(ROOT / "examples" / "server" / "server.py", tmp_path)
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    setting, _, *words = shlex.split(SERVE)
    port, is_over = free_port(), threading.Event()
    command = [sys.executable, "-m", "uvicorn", *words, "--port", str(port)]
    variables = os.environ | dict([setting.split("=")])
    with subprocess.Popen(command, cwd=tmp_path, env=variables) as server:
        try:
            ended = threading.Timer(PATIENCE_S, is_over.set)
            ended.start()
            assert answers(port, is_over, "/openapi.json")
            ended.cancel()
            send = shlex.split(SEND.replace(":8000", f":{port}"))
            subprocess.run(send, cwd=tmp_path, check=True, capture_output=True)
        finally:
            server.terminate()
    assert (tmp_path / "restored.png").read_bytes().startswith(b"\x89PNG")


def test_the_example_in_node_restores(node_example: Path, tmp_path: Path) -> None:
    make_pictures(tmp_path)
    write_image_model(tmp_path / "model.onnx")
    for name in ("restore.mjs", "package.json", "node_modules"):
        (tmp_path / name).symlink_to(node_example / name)
    done = subprocess.run(shlex.split(NODE), cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "restored.png").is_file()


def test_completion_is_installed_for_the_shell_that_asks(tmp_path: Path) -> None:
    if shutil.which("bash") is None:
        pytest.skip("bash is not installed")
    command = tmp_path / "clearer"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m clearer "$@"\n')
    command.chmod(0o755)
    path = f"{tmp_path}:{os.environ['PATH']}"
    variables = os.environ | {"HOME": str(tmp_path), "PATH": path, "PYTHONPATH": str(ROOT)}
    words = ["bash", "--norc", "-c", f"{COMPLETION}; exit $?"]
    done = subprocess.run(words, cwd=tmp_path, env=variables, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "clearer" in (tmp_path / ".bashrc").read_text()


@pytest.fixture
def reproduce(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The script, whose commands run in this process."""
    path = ROOT / "benchmarks" / "paper" / "reproduce.py"
    spec = importlib.util.spec_from_file_location("reproduce", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "reproduce", module)  # its dataclasses look there
    spec.loader.exec_module(module)

    def run(*words: str) -> str:
        done = clearer(*words)
        assert done.exit_code == 0, done.output
        return done.stdout

    monkeypatch.setattr(module, "clearer", run)
    return module


def test_the_paper_is_run_again(
    reproduce: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second line goes on in the folder of the first, where all is done but the tables."""
    make_sets(tmp_path / "sets")
    monkeypatch.chdir(tmp_path)
    small = ["--iterations", "2", "--width", "2", "--images", "1", "--batch-size", "1"]
    small += ["--patch-size", "16", "--compile", "off", "--tables", "3"]
    found = []
    for text, begun in zip(PAPER, (None, "paper-small"), strict=True):
        words = shlex.split(text)
        out = tmp_path / words[3]
        if begun is not None:
            (tmp_path / begun).rename(out)
            (out / "tables.md").unlink()
        monkeypatch.setattr(sys, "argv", [*words[1:], *small])
        reproduce.main()
        found.append(json.loads((out / "tables.json").read_text())["tables"])
        assert "### Table 3" in (out / "tables.md").read_text()
    assert found[0] == found[1]
    (rows,) = found[0].values()
    assert [row["what"] for row in rows] == ["searched", *(f"random, seed {i}" for i in range(3))]
    assert all(row["num_images"] == 1 and row["psnr_db"] > 5 for row in rows)
