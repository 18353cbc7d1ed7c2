"""What CONTRIBUTING says of new tasks, operations and backends is so."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from clearer.support.files import read_json
from tests.docs.pages import ROOT

TEXT = (ROOT / "CONTRIBUTING.md").read_text()
WITH_IT = """
import deblur, clearer.__main__, clearer.tasks.registry as registry
registry.TASKS["deblur"] = deblur.Deblur
clearer.__main__.main()
"""
TINY = ["--width", "2", "--search-iterations", "2", "--iterations", "2", "--batch-size", "2"]
TINY += ["--patch-size", "16", "--precision", "fp32", "--stem", "2", "--columns", "1,1"]


def section(title: str) -> str:
    """From its heading to the next."""
    return TEXT.partition(f"## {title}\n")[2].partition("\n## ")[0]


@pytest.fixture
def contributor(tmp_path: Path) -> Callable[..., str]:
    """Runs a command of clearer with the task of the page."""
    code = re.search(
        r"^    ```python\n(.*?)^    ```$", section("A new task, step by step"), re.M | re.S
    )
    assert code is not None
    (tmp_path / "deblur.py").write_text(textwrap.dedent(code[1]))

    def run(*words: str) -> str:
        environment = os.environ | {"PYTHONPATH": f"{ROOT}:{tmp_path}"}
        done = subprocess.run(
            [sys.executable, "-c", WITH_IT, *words],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
        )
        return f"{done.returncode} {done.stdout}{done.stderr}"

    return run


def test_the_new_task_works(
    contributor: Callable[..., str], make_images: Callable[..., Path], tmp_path: Path
) -> None:
    make_images("photos", 4, size=(48, 48))
    assert "--blur" in contributor("tasks")
    words = ["search", "--data", "photos", "--out", "run", *TINY, "--task", "deblur", "--blur"]
    assert contributor(*words, "9").startswith("2 ")
    done = contributor(*words, "1:2")
    assert done.startswith("0 "), done
    assert "deblur, blur 1:2, protocol blur" in done
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert read_json(tmp_path / "run" / "config.json")["settings"]["task"]["blur"] == "1:2"


@pytest.mark.parametrize(
    ("title", "word", "also"),
    [
        ("A new operation, step by step", "fusion", {"clearer/networks/blocks.py"}),
        ("A new backend, step by step", "openvino", set()),
    ],
)
def test_all_files_are_listed_that_name_one(title: str, word: str, also: set[str]) -> None:
    listed = set(re.findall(r"`([\w/]+/\w+\.py)`", section(title)))
    naming = {
        path.relative_to(ROOT).as_posix()
        for folder in ("clearer", "export", "bench")
        for path in (ROOT / folder).rglob("*.py")  # does not follow links
        if f'"{word}"' in path.read_text()
    }
    assert listed == naming | also
