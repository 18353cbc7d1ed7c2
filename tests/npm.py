"""What npm fetches: the packages of the example in Node, and the browser's runtime."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clearer.demo.runtime import fetch_runtime
from clearer.errors import ClearerError
from tests.patience import PATIENCE_S


@pytest.fixture(scope="session")
def npm_install() -> Callable[..., None]:
    """Install npm packages into a folder of the tests, or skip."""
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        pytest.skip("node and npm are not installed")

    def install(folder: Path, *packages: str) -> None:
        words = [npm, "install", "--ignore-scripts", "--no-audit", "--no-fund", *packages]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode != 0:
            pytest.skip(f"npm cannot install: {done.stderr.strip()[:200]}")

    return install


@pytest.fixture(scope="session")
def node_example(
    npm_install: Callable[..., None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A copy of the example in Node, with the packages that its lock file names."""
    source = Path(__file__).resolve().parents[1] / "examples" / "node"
    folder = tmp_path_factory.mktemp("node") / "example"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules"))
    npm_install(folder)
    return folder


@pytest.fixture(scope="session")
def ort_web(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The browser's runtime, fetched into the tests' cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
        try:
            return fetch_runtime()
        except ClearerError as error:
            if "wrong SHA-256" in str(error):
                raise
            pytest.skip(str(error))
