"""The results of a study: a file that several processes may write, and that can be resumed."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from clearer.space.old_words import text_in_words_of_today
from clearer.support.files import read_json, write_json

__all__ = ["add_row", "missing", "networks_parser", "read_study"]


def networks_parser(description: str | None) -> argparse.ArgumentParser:
    """The command line of a study of trained networks: pictures, file, and names of networks."""
    parser = argparse.ArgumentParser(
        description=description, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="folder with train/ and val/")
    parser.add_argument("out", type=Path)
    parser.add_argument("networks", type=Path, nargs="+")
    return parser


def missing(path: Path, about: dict[str, Any], rows: str, names: Iterable[str]) -> Iterator[str]:
    """The names that the file lacks, each looked up when its turn comes.

    Args:
        path: The file, which need not exist.
        about: What all its rows share.
        rows: Key of the rows in the file.
        names: The names to look for.

    Raises:
        SystemExit: If it was made with other settings.
    """
    for name in names:
        if name not in _read(path, about, rows)[rows]:
            yield name


def add_row(path: Path, about: dict[str, Any], rows: str, name: str, row: Any) -> None:
    """Add a row, keeping those that others have written meanwhile.

    Raises:
        SystemExit: If the file was made with other settings.
    """
    result = _read(path, about, rows)
    result[rows][name] = row
    write_json(path, result)


def read_study(path: Path) -> dict[str, Any]:
    """Content of a file; rows that earlier versions named otherwise get today's names."""
    return cast(dict[str, Any], _in_words_of_today(read_json(path)))


def _in_words_of_today(data: Any) -> Any:
    if not isinstance(data, dict):
        return data
    return {text_in_words_of_today(name): _in_words_of_today(row) for name, row in data.items()}


def _read(path: Path, about: dict[str, Any], rows: str) -> dict[str, Any]:
    result = read_study(path) if path.exists() else {"about": about, rows: {}}
    if result["about"] != about:
        raise SystemExit(f"{path} was made with other settings: {result['about']}")
    return result
