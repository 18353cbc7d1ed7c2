"""The command line before any work: options, refusals, and Ctrl-C while it loads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import typer
from PIL import Image

from clearer import __main__ as entry
from clearer.cli import app
from tests.command import GRADIENT, TINY, clearer

MakeImages = Callable[..., Path]


def test_version() -> None:
    result = clearer("--version")
    assert result.exit_code == 0
    assert result.stdout.startswith("clearer ")


def test_flags_are_pinned() -> None:
    """The options that users type: a change here is a change for them."""
    command = typer.main.get_command(app)
    options = {
        name: sorted(o for p in sub.params for o in p.opts if o.startswith("--"))
        for name, sub in all_commands(command)
    }
    expected = json.loads((Path(__file__).parent / "options.json").read_text())
    assert options == expected


def all_commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from all_commands(command, f"{prefix}{name} ")
        else:
            yield prefix + name, command


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--data", "nowhere"], "is not a folder"),
        (["--sigma", "0"], "sigma must lie in"),
        (["--budget-mb", "-1"], "must be a finite number above 0"),
        (["--budget-params", "10"], "the smallest possible"),
        (["--width", "32", "--budget-mb", "5", *GRADIENT[:2]], "leave out --width 32"),
        (["--patch-size", "60"], "multiple of 8"),
        (["--columns", "4,x"], "is not a list of numbers, like 4,4,4"),
        (["--columns", "4,0"], "each cell needs 1..32 columns"),
        (["--batch-size", "0"], "greater than or equal to 1"),
        (["--learning-rate", "nan"], "learning rate"),
        (["--lambda-arch", "nan", *GRADIENT[:2]], "--lambda-arch must be a finite number"),
        (["--lambda-comp", "-1", *GRADIENT[:2]], "--lambda-comp must be a finite number"),
        (["--lambda-arch", "1"], "--lambda-arch does nothing with --strategy race"),
        (["--seeds", "2"], "--seeds does nothing with --strategy race"),
        (["--strategy", "race", "--columns", "4,4"], "leave out --cost, --columns, --operations"),
        (["--strategy", "race", "--gates"], "leave out --cost, --columns, --operations"),
        (["--contenders", "4", "--columns", "4,4"], "--contenders does nothing"),
        (["--contenders", "4", "--strategy", "random"], "or give --strategy race"),
        (["--contenders", "1"], "Invalid value"),
        (["--seed", "99999999999999999999"], "--seed"),
        (["--lambda-comp", "1", "--budget-mb", "5"], "without budget"),
        (["--preset", "slow"], "Invalid value"),
        (["--resume"], "no run under runs/"),
        (["--resume", "--sigma", "30"], "leave out --sigma"),
        (["--nonsense"], "No such option"),
    ],
)
def test_bad_options_end_with_2_and_make_no_run(
    words: list[str], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = clearer("search", *words)
    assert result.exit_code == 2, result.output
    assert message in result.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "cannot be read"), (b"\x89PNG\r\n\x1a\nabc", "cannot be read"), (None, "smaller than")],
)
def test_bad_pictures_end_with_2_and_are_named(
    make_images: MakeImages, content: bytes | None, message: str
) -> None:
    folder = make_images("pictures", 5)
    if content is None:
        Image.new("L", (10, 10)).save(folder / "bad.png")
    else:
        (folder / "bad.png").write_bytes(content)
    result = clearer("search", *TINY, "--data", folder, "--out", folder / "run")
    assert result.exit_code == 2
    # The split decides by name whether the small picture trains; if not, its size does not matter.
    assert message in result.stderr
    assert "bad.png" in result.stderr
    assert not (folder / "run").exists()


def test_gray_pictures_for_an_rgb_network(make_images: MakeImages) -> None:
    result = clearer("search", "--color", "rgb", "--data", make_images("gray", 5))
    assert result.exit_code == 2
    assert "--color gray" in result.stderr


def test_commands_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for command in ("train", "export", "bench"):
        assert clearer(command).exit_code == 2
        result = clearer(command, tmp_path / "nowhere")
        assert result.exit_code == 2
        assert "does not exist: give a run folder" in result.stderr


def test_ctrl_c_while_packages_load(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("clearer.cli.main", interrupt)
    with pytest.raises(SystemExit) as ended:
        entry.main()
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


def test_cuda_where_there_is_none(tmp_path: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("there is a CUDA device")
    result = clearer("search", "--device", "cuda", "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "--device cpu" in result.stderr


def test_a_picture_too_small_to_evaluate_is_named(make_images: MakeImages, tmp_path: Path) -> None:
    make_images("set/train", 3)
    folder = make_images("set/val", 1, size=(10, 40)).parent
    result = clearer("search", *TINY, "--data", folder, "--out", tmp_path / "run")
    assert result.exit_code == 2
    assert "picture0.png is 40x10, too small to be evaluated" in result.stderr
    assert not (tmp_path / "run").exists()
