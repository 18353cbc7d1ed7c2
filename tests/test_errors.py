"""What is said about a missing package: how to add it to this installation."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from clearer import errors
from clearer.errors import how_to_install


def test_a_source_tree_is_installed_as_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = Path(errors.__file__).resolve().parents[1]
    monkeypatch.chdir(tmp_path)
    assert how_to_install("cpu") == f'pip install -e "{root}[cpu]"'
    monkeypatch.chdir(root)
    assert how_to_install("cpu") == 'pip install -e ".[cpu]"'


@pytest.mark.parametrize(
    ("origin", "command"),
    [
        (None, '"clearer[cpu]"'),
        ({"url": "file:///a%20b/checkout", "dir_info": {}}, '"/a b/checkout[cpu]"'),
        (
            {"url": "file:///dist/clearer-0.1.0-py3-none-any.whl", "archive_info": {}},
            '"/dist/clearer-0.1.0-py3-none-any.whl[cpu]"',
        ),
        (
            {"url": "https://example.org/clearer.git", "vcs_info": {"vcs": "git"}},
            '"clearer[cpu] @ git+https://example.org/clearer.git"',
        ),
        ("damaged", '"clearer[cpu]"'),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="paths are those of other systems")
def test_an_installation_names_what_it_was_installed_from(
    tmp_path: Path, origin: Any, command: str
) -> None:
    """A folder as pip leaves it, without the rest of the package."""
    (tmp_path / "clearer").mkdir()
    (tmp_path / "clearer" / "__init__.py").touch()
    shutil.copy(errors.__file__, tmp_path / "clearer" / "errors.py")
    about = tmp_path / "clearer-0.1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: clearer\nVersion: 0.1.0\n")
    if origin is not None:
        text = origin if isinstance(origin, str) else json.dumps(origin)
        (about / "direct_url.json").write_text(text)
    code = "from clearer.errors import how_to_install; print(how_to_install('cpu'))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout == f"pip install {command}\n", done.stderr
