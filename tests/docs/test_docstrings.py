"""The examples in docstrings."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PACKAGES = {"clearer": "clearer", "export": "clearer.export", "bench": "clearer.bench"}


def modules() -> list[str]:
    """Names of the modules with examples."""
    return sorted(
        ".".join([package, *path.relative_to(ROOT / folder).with_suffix("").parts])
        for folder, package in PACKAGES.items()
        for path in (ROOT / folder).rglob("*.py")  # does not follow links
        if has_examples(path)
    )


def has_examples(path: Path) -> bool:
    return ">>> " in path.read_text()


@pytest.mark.parametrize("module", modules())
def test_examples_give_what_they_say(
    module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = doctest.testmod(importlib.import_module(module))
    assert found.attempted > 0
    assert found.failed == 0
