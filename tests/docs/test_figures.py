"""The tables of docs/figures/ say what cards and results say."""

from __future__ import annotations

import importlib
import shutil
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> Any:
    """benchmarks/zoo/figures.py as a module."""
    monkeypatch.syspath_prepend(ROOT / "benchmarks" / "zoo")
    return importlib.import_module("figures")


def test_no_table_is_stale(figures: Any) -> None:
    assert figures.stale_figures() == [], "run make figures"


def test_what_was_changed_by_hand_is_found_and_written_again(
    figures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pages = tmp_path / "figures"
    shutil.copytree(figures.PAGES, pages)
    monkeypatch.setattr(figures, "PAGES", pages)
    page = pages / "deblocking.md"
    whole = page.read_text()
    changed = whole.replace("| Kodak24 | 10 | ", "| Kodak24 | 10 | 1")
    assert changed != whole
    page.write_text(changed)
    assert figures.stale_figures() == ["deblocked"]
    figures.write_figures()
    assert page.read_text() == whole
