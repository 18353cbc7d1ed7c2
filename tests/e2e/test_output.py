"""Results that cannot be printed."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize("words", [["--version"], ["--help"], ["tasks", "--json"]])
def test_a_full_disk_is_one_line(words: list[str]) -> None:
    with FULL.open("w") as full:
        command = [sys.executable, "-m", "clearer", *words]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("error: ")


def test_a_reader_that_goes_away_hears_nothing() -> None:
    command = [sys.executable, "-m", "clearer", "zoo", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
        assert running.stdout is not None
        assert running.stderr is not None
        running.stdout.close()
        assert running.stderr.read() == b""


@pytest.mark.skipif(sys.platform == "win32", reason="the shell of this test is not on Windows")
@pytest.mark.parametrize(
    ("closed", "words", "code"),
    [
        (">&-", "tasks", 0),
        ("2>&-", "tasks", 0),
        ("<&- >&- 2>&-", "tasks", 0),
        (">&-", "nothing", 2),
    ],
)
def test_a_closed_stream_takes_nothing(closed: str, words: str, code: int, tmp_path: Path) -> None:
    errors = tmp_path / "errors"
    shell = f'{{ "{sys.executable}" -m clearer {words} {closed}; }} 2> "{errors}"'
    assert subprocess.run(["sh", "-c", shell], stdout=subprocess.PIPE).returncode == code
    assert "Traceback" not in errors.read_text()
