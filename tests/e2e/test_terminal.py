"""What a person sees on a terminal: whole lines, and always a word about the current work."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.photographs import save_photographs
from tests.terminal import Shown, run_in_terminal

SHORT = ["--iterations", "30", "--batch-size", "2", "--patch-size", "32", "--precision", "fp32"]
RACE = ["--contenders", "2", "--search-iterations", "2", *SHORT, "--size", "48x48"]
BAR = re.compile(
    r"[ ⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏] "  # turns while work goes on
    r"[a-z][\w ,.()-]*…? +[━╸╺]+ *"  # what is done, and the bar
    r"(\d+/ *\d+|0/\?|\d+%)? *(-:--:--|\d+:\d\d:\d\d)?"  # how much is done, and the time left
    r"( (round \d+|validation [\w .,]+…?|PSNR of [\w .]+…?|\w+\.png|"
    r"[pfPF.-]+  loss [\w .,/+-]+…?))? *"
)
SILENCE_S = 2.0
"""The longest time without a sign of progress on a machine that is not busy. How busy it is shows
in the time that the command takes to start."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Small photographs, and a run that tests may read."""
    folder = tmp_path_factory.mktemp("work")
    (folder / "photos").mkdir()
    names = {"train": ["astronaut", "motorcycle_left", "brick", "coins"], "val": ["camera"]}
    save_photographs(folder / "photos", names | {"test": ["coffee"]}, "RGB", (96, 80))
    return folder


@pytest.fixture(scope="module")
def start_s(folder: Path) -> float:
    """Seconds that the command takes to start on this machine."""
    return run_in_terminal(["--version"], folder).start_s


@pytest.fixture(scope="module")
def race(folder: Path) -> Shown:
    """A search and training in a narrow terminal, with a budget for which networks are timed."""
    words = ["search", *RACE, "--budget-mb", "0.1", "--budget-ms", "50", "--data", "photos"]
    return run_in_terminal(words, folder)


def assert_lines_are_whole(shown: Shown) -> None:
    """Check that no bar ever shares its line with anything."""
    for screen in (*shown.screens, shown.text):
        for line in screen.splitlines():
            assert "━" not in line or BAR.fullmatch(line), f"{line!r} in:\n{screen}"


def assert_never_silent(shown: Shown, start_s: float) -> None:
    assert shown.start_s < SILENCE_S + 2 * start_s
    limit = SILENCE_S + start_s
    assert shown.longest_silence < limit, f"{shown.longest_silence:.1f} s:\n{shown.silent_after}"


def flat(shown: Shown) -> str:
    """All lines joined, as if the terminal were endlessly wide."""
    return re.sub(r"\s+", " ", shown.text)


@pytest.mark.parametrize("columns", [80, 110])
def test_restore_has_a_line_for_each_picture(folder: Path, columns: int, start_s: float) -> None:
    pictures = [str(folder / "photos" / "train" / f"{name}.png") for name in ("coins", "brick")]
    words = ["restore", *pictures, "--out", f"restored-{columns}", "--model", "gray-small"]
    shown = run_in_terminal(words, folder, columns=columns)
    assert shown.returncode == 0, shown.text
    for name in ("coins", "brick"):
        start = f"restored-{columns}/{name}.png: 96x80, 8 bits"
        assert sum(line.startswith(start) for line in shown.lines) == 1, shown.text
    assert_lines_are_whole(shown)
    assert_never_silent(shown, start_s)
    assert shown.lines[-1] == f"restored-{columns}: 2 restored"


def test_lines_of_a_search_are_whole(race: Shown, start_s: float) -> None:
    assert race.returncode == 0, race.text
    assert_lines_are_whole(race)
    assert_never_silent(race, start_s)
    said = re.sub(r"\s+", " ", race.text)
    for line in ("run folder: runs/", "architecture W", "MB (fp32): predicted", "files: fp32"):
        assert said.count(line) == 1, race.text
        assert any(row.strip().startswith(line) for row in race.lines), race.text
    for stage, total in (("race", 40), ("train", 30)):
        (bar,) = (row for row in race.lines if f" {stage} " in row and "━" in row)
        assert f" {total}/{total} 0:00:00" in bar
    assert not any("preparing" in row for row in race.lines)


def test_while_costs_are_timed_there_is_a_bar_with_time_left(race: Shown) -> None:
    seen = "\n".join(race.screens)
    for what in ("timing", "measuring"):
        assert re.search(rf"^[^ ] {what} [━╸╺]+ +\d+% \d:\d\d:\d\d$", seen, re.MULTILINE)


def test_a_search_by_gradient_keeps_its_lines(folder: Path, start_s: float) -> None:
    words = ["search", "--strategy", "gradient", "--width", "4", "--search-iterations", "12"]
    words += [
        "--batch-size",
        "2",
        "--patch-size",
        "32",
        "--budget-params",
        "1e6",
        "--data",
        "photos",
        "--no-train",
    ]
    shown = run_in_terminal(words, folder, columns=110)
    assert shown.returncode == 0, shown.text
    assert_lines_are_whole(shown)
    assert_never_silent(shown, start_s)
    assert any(row.startswith("architecture ") for row in shown.lines)


COMMANDS = {
    "export": ["--int8"],
    "bench": ["--size", "48x48", "--runs", "3", "--data", "photos", "--no-classical"],
    "show": ["--front", "--metric", "ms"],
    "profile": ["--size", "32x32", "--seconds", "1", "--width", "4", "--columns", "1,1"],
}


@pytest.mark.usefixtures("race")
@pytest.mark.parametrize("command", COMMANDS)
def test_other_commands_keep_their_lines_too(folder: Path, command: str, start_s: float) -> None:
    model = [] if command == "profile" else ["runs/denoise-s25-0.1mb-50ms-0"]
    shown = run_in_terminal([command, *model, *COMMANDS[command]], folder)
    assert shown.returncode == 0, shown.text
    assert_lines_are_whole(shown)
    assert_never_silent(shown, start_s)
    finished = [row for row in shown.lines if "━" in row]
    assert all(row.startswith("  ") for row in finished), shown.text  # no spinner is left


def test_a_demo_says_that_it_prepares_a_network(folder: Path, start_s: float) -> None:
    # The browser runtime is looked for after the network, and is not needed for this.
    shown = run_in_terminal(["demo", "gray-small", "--ort-web", "nowhere"], folder)
    assert shown.returncode == 2
    assert_never_silent(shown, start_s)
    turning = re.compile(r"[^ ] preparing gray-small for the browser \d:\d\d:\d\d")
    assert sum(bool(turning.match(screen)) for screen in shown.screens) > 3
    assert shown.text.startswith("error: nowhere has no ")
